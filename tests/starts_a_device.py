"""Preloaded by test_warm.py: a module that initializes a TensorFlow device when imported."""

import tensorflow as tf

tf.constant(1.0)
