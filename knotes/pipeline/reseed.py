"""An IPython extension that adds the number in `OFFSET` to the seeds that a page chooses.

Loaded into a kernel from outside of the page (`knotes.pipeline.seeds`). It reaches `knotes.setup`,
`keras.utils.set_random_seed`, the seeds of NumPy and TensorFlow, and the `random_state` of
scikit-learn. A `seed=` of a layer or an initializer is what a page teaches, and
stays.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import Any

OFFSET = "KNOTES_SEED_OFFSET"


def load_ipython_extension(shell: Any) -> None:
    """From now on integer seeds are others."""
    import keras
    import numpy as np
    import tensorflow as tf

    offset = int(os.environ[OFFSET])

    def moved(seed: Any) -> Any:
        whole = isinstance(seed, int | np.integer) and not isinstance(seed, bool)
        return seed + offset if whole else seed

    def reseeded(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def call(seed: Any = None, *args: Any, **kwargs: Any) -> Any:
            return function(moved(seed), *args, **kwargs)

        return call

    class RandomState(np.random.RandomState):
        """A class still, because scikit-learn asks for instances of it."""

        def __init__(self, seed: Any = None) -> None:
            super().__init__(moved(seed))

    owners = {
        "set_random_seed": keras.utils,
        "default_rng": np.random,
        "seed": np.random,
        "set_seed": tf.random,
    }
    for name, owner in owners.items():
        setattr(owner, name, reseeded(getattr(owner, name)))
    np.random.RandomState = RandomState  # type: ignore[misc]
