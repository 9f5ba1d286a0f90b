"""An IPython extension that imports TensorFlow, for environments in which its C code then talks.

A server of warm kernels has imported it before; in a cold kernel the lines would be output of the
page, unless they come before `inside` takes over the standard file descriptors.
"""

from __future__ import annotations

from typing import Any


def load_ipython_extension(shell: Any) -> None:
    """Import TensorFlow."""
    import tensorflow  # noqa: F401
