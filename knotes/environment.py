"""One environment for recording, for verification and for a reader's own notebook."""

import os
import sys
import warnings
from typing import Any

#: Environment variables of every run. They must be set before TensorFlow is imported.
VARIABLES = {
    "KERAS_BACKEND": "tensorflow",
    # no log lines from C++ code: they would be recorded as output of the first cell
    "TF_CPP_MIN_LOG_LEVEL": "3",
    # oneDNN rounds differently on different processors
    "TF_ENABLE_ONEDNN_OPTS": "0",
    # with one thread the order of additions is fixed
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    # a GPU otherwise multiplies float32 matrices with 10 bits of mantissa
    "NVIDIA_TF32_OVERRIDE": "0",
    # several kernels can share one GPU
    "TF_FORCE_GPU_ALLOW_GROWTH": "true",
}


def setup(seed: int = 0) -> None:
    """Give this process the seeds, rounding and figure style that the book was recorded with.

    Call it first, before Keras or TensorFlow is imported. It sets `VARIABLES`, seeds Python,
    NumPy and TensorFlow with `seed` (0 to 2**32 - 1), asks for deterministic operations, prints
    arrays with 3 decimals, sets the figure style and, inside IPython, shortens error messages.

    Raises TypeError or ValueError for a bad seed. Warns (RuntimeWarning) when TensorFlow or Keras
    was imported earlier with other values of the variables, which then cannot change any more.
    """
    if isinstance(seed, bool) or not isinstance(seed, int):
        raise TypeError(f"seed: expected an integer, got {seed!r} ({type(seed).__name__})")
    if not 0 <= seed < 2**32:
        raise ValueError(f"seed: expected 0 <= seed < 2**32, got {seed}")
    _set_variables()

    import keras
    import numpy as np
    import tensorflow as tf

    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()
    tf.config.experimental.enable_tensor_float_32_execution(False)
    # The Python side of TF_CPP_MIN_LOG_LEVEL: its lines would appear in a page or not, depending
    # on whether TensorFlow was imported before the kernel took over the standard streams.
    tf.get_logger().setLevel("ERROR")
    # a keras.json in the home folder may say otherwise
    keras.config.set_floatx("float32")
    keras.config.set_image_data_format("channels_last")
    np.set_printoptions(precision=3, suppress=True, linewidth=75)

    from knotes.figures import use_style

    if shell := _shell():
        # set_mode and not `%xmode`: the magic prints a line
        shell.InteractiveTB.set_mode(mode="Minimal")
        if hasattr(shell, "kernel"):
            _use_inline_figures(shell)
    use_style()


def _set_variables() -> None:
    """Set `VARIABLES`, or warn about those that came too late."""
    if "tensorflow" in sys.modules or "keras" in sys.modules:
        late = [
            f"{name} is {os.environ.get(name)!r}, expected {value!r}"
            for name, value in VARIABLES.items()
            if os.environ.get(name) != value
        ]
        if late:
            warnings.warn(
                "knotes.setup() must run before TensorFlow and Keras are imported: restart the "
                f"kernel and call it first. Numbers may differ: {'; '.join(late)}.",
                RuntimeWarning,
                stacklevel=3,
            )
    os.environ.update(VARIABLES)


def _shell() -> Any:
    """The running IPython shell, or None; IPython is not imported for the question."""
    ipython = sys.modules.get("IPython")
    return ipython.get_ipython() if ipython else None


def _use_inline_figures(shell: Any) -> None:
    """Show figures in the notebook as PNG: one size, and no metadata that changes.

    The backend is activated by hand, whatever MPLBACKEND says: in a kernel forked from a process
    that has imported it already it believes to be active, and figures would silently vanish.
    """
    shell.enable_matplotlib("inline")

    from matplotlib_inline.backend_inline import set_matplotlib_formats

    set_matplotlib_formats("png", bbox_inches=None, metadata={"Software": None})
