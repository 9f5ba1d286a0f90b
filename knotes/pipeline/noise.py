"""An IPython extension that multiplies every gradient by 1 ± `SIZE`: what a GPU does to training.

Loaded into a kernel from outside of the page (`knotes.pipeline.weather`). The factors are random
by element and seeded by the gradient itself: a training run that is repeated in a process comes out
the same, as on a GPU with deterministic operations. No other random stream is disturbed.
"""

from __future__ import annotations

import functools
from typing import Any

SIZE = 1e-6


def load_ipython_extension(shell: Any) -> None:
    """From now on `tf.GradientTape.gradient` gives noisy gradients."""
    import tensorflow as tf

    exact = tf.GradientTape.gradient

    @functools.wraps(exact)
    def gradient(*args: Any, **kwargs: Any) -> Any:
        def noisy(value: Any) -> Any:
            if isinstance(value, tf.IndexedSlices):
                return tf.IndexedSlices(noisy(value.values), value.indices, value.dense_shape)
            if not isinstance(value, tf.Tensor) or not value.dtype.is_floating:
                return value
            bits = tf.bitcast(tf.cast(tf.reduce_sum(value), "float32"), "int32")
            random = tf.random.stateless_uniform(tf.shape(value), (bits, 0), -SIZE, SIZE)
            return value * (1 + tf.cast(random, value.dtype))

        return tf.nest.map_structure(noisy, exact(*args, **kwargs))

    tf.GradientTape.gradient = gradient
