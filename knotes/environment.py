"""One environment for recording, for verification and for a reader's own notebook."""

import json
import os
import platform
import sys
import warnings
from pathlib import Path
from typing import Any

#: Which instructions the libraries may use: those that every x86-64 processor of the last ten
#: years has. Each library otherwise takes the widest it finds, and sums in another order.
INSTRUCTIONS = {
    # matrix products of TensorFlow are oneDNN's even with TF_ENABLE_ONEDNN_OPTS=0
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "XLA_FLAGS": "--xla_cpu_max_isa=AVX2",
    # matrix products of NumPy and SciPy; the other functions of NumPy
    "OPENBLAS_CORETYPE": "Haswell",
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",
}
#: Environment variables of every run, on every processor.
COMMON = {
    "KERAS_BACKEND": "tensorflow",
    # no log lines from C++ code: they would be recorded as output of the first cell
    "TF_CPP_MIN_LOG_LEVEL": "3",
    # oneDNN rounds differently on different processors
    "TF_ENABLE_ONEDNN_OPTS": "0",
    # with one thread the order of additions is fixed
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    # a GPU otherwise multiplies float32 matrices with 10 bits of mantissa
    "NVIDIA_TF32_OVERRIDE": "0",
    # several kernels can share one GPU
    "TF_FORCE_GPU_ALLOW_GROWTH": "true",
}
#: Name of a variable with values, as JSON, that replace some of `VARIABLES`: the pipeline repeats
#: pages in other rounding environments with it.
REPLACED = "KNOTES_VARIABLES"


def lacking() -> str:
    """Why the instruction set is not fixed on this processor; empty if it is."""
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return f"instructions are not fixed on {platform.machine()}"
    try:
        told = Path("/proc/cpuinfo").read_text("utf8")
    except OSError:  # not Linux; every machine that runs it now has them
        return ""
    flags = told.partition("\nflags")[2].partition("\n")[0].split()
    absent = sorted({"avx2", "fma"} - set(flags))
    return f"this processor has no {' and no '.join(absent)}" if absent else ""


def fixed() -> dict[str, str]:
    """The environment variables of a run on this machine, by name."""
    return COMMON if lacking() else COMMON | INSTRUCTIONS


#: They must be set before NumPy and TensorFlow are imported.
VARIABLES: dict[str, str] = fixed() | json.loads(os.environ.get(REPLACED, "{}"))
#: Those that NumPy reads.
OF_NUMPY = {"OPENBLAS_CORETYPE", "OPENBLAS_NUM_THREADS", "NPY_DISABLE_CPU_FEATURES"}


def setup(seed: int = 0) -> None:
    """Give this process the seeds, rounding and figure style that the book was recorded with.

    Call it first, before Keras or TensorFlow is imported. It sets `VARIABLES`, seeds Python,
    NumPy and TensorFlow with `seed` (0 to 2**32 - 1), asks for deterministic operations, prints
    arrays with 3 decimals, sets the figure style and, inside IPython, shortens error messages.

    Raises TypeError or ValueError for a bad seed. Warns (RuntimeWarning) when NumPy, TensorFlow or
    Keras was imported earlier with other values of the variables, which then cannot change any
    more, and on a processor that has other instructions than the ones asked for.
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
    """Set `VARIABLES`; warn about those that came too late, and of a processor without them."""
    read: set[str] = OF_NUMPY & set(VARIABLES) if "numpy" in sys.modules else set()
    if "tensorflow" in sys.modules or "keras" in sys.modules:
        read = set(VARIABLES)
    late = [name for name in read if os.environ.get(name) != VARIABLES[name]]
    if late:
        told = [
            f"{name} is {os.environ.get(name)!r}, expected {VARIABLES[name]!r}"
            for name in sorted(late)
        ]
        warnings.warn(
            "knotes.setup() must run before NumPy, TensorFlow and Keras are imported: restart the "
            f"kernel and call it first. Numbers may differ: {'; '.join(told)}.",
            RuntimeWarning,
            stacklevel=3,
        )
    reason = lacking()
    if reason and REPLACED not in os.environ:  # the pipeline tells it once, not on every page
        warnings.warn(f"Last digits may differ: {reason}.", RuntimeWarning, stacklevel=3)
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
