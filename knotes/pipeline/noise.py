"""An IPython extension that multiplies every gradient by 1 ± `SIZE`: what a GPU does to training.

Loaded into a kernel from outside of the page (`knotes.pipeline.weather`). The factors are random
by element, seeded by the number of the call, and disturb no other random stream.
"""

from __future__ import annotations

import functools
import itertools
from typing import Any

SIZE = 1e-6


def load_ipython_extension(shell: Any) -> None:
    """From now on `tf.GradientTape.gradient` gives noisy gradients."""
    import tensorflow as tf

    exact = tf.GradientTape.gradient
    calls = itertools.count(1)

    @functools.wraps(exact)
    def gradient(*args: Any, **kwargs: Any) -> Any:
        number = next(calls)

        def noisy(value: Any) -> Any:
            if isinstance(value, tf.IndexedSlices):
                return tf.IndexedSlices(noisy(value.values), value.indices, value.dense_shape)
            if not isinstance(value, tf.Tensor) or not value.dtype.is_floating:
                return value
            random = tf.random.stateless_uniform(tf.shape(value), (number, 0), -SIZE, SIZE)
            return value * (1 + tf.cast(random, value.dtype))

        return tf.nest.map_structure(noisy, exact(*args, **kwargs))

    tf.GradientTape.gradient = gradient
