"""The environment of a kernel: known, and the same for everyone who runs the book.

Of the caller's environment only what finds programs, libraries and devices is kept. Start-up files,
configurations, caches, locale and time zone of the caller's account have no way in: the kernel's
home is an empty folder of its own.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from knotes import environment

KEPT = (
    "PATH", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES", "CUDA_HOME", "NVIDIA_VISIBLE_DEVICES",
    "NVIDIA_DRIVER_CAPABILITIES", "VIRTUAL_ENV", "SYSTEMROOT", "WINDIR", "COMSPEC", "PATHEXT",
)  # fmt: skip
#: Imported in a kernel by the inline backend; named so that Matplotlib asks for no window.
BACKEND = "module://matplotlib_inline.backend_inline"


def surroundings(
    home: Path, cache: Path, replaced: Mapping[str, str], hash_seed: int | None = None
) -> dict[str, str]:
    """All environment variables of a kernel.

    `home` is its own folder, empty at first; `cache` holds what only costs time to make again
    (fonts that Matplotlib has found). `replaced` are the variables of another rounding
    environment; `hash_seed` fixes the order of sets, which is otherwise new in each run.
    """
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    folders = {
        "HOME": home,
        "USERPROFILE": home,
        "TMPDIR": home / "tmp",
        "IPYTHONDIR": home / "ipython",
        "JUPYTER_CONFIG_DIR": home / "jupyter",
        "JUPYTER_DATA_DIR": home / "jupyter",
        "JUPYTER_RUNTIME_DIR": home / "jupyter",
        "KERAS_HOME": home / "keras",
        "MPLCONFIGDIR": cache / "matplotlib",
    }
    for folder in folders.values():
        folder.mkdir(parents=True, exist_ok=True)
    return {
        **kept,
        **{name: str(folder) for name, folder in folders.items()},
        **environment.fixed(),
        **replaced,
        environment.REPLACED: json.dumps(dict(replaced)),
        "MPLBACKEND": BACKEND,
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "PYTHONNOUSERSITE": "1",
        "PYTHONHASHSEED": "random" if hash_seed is None else str(hash_seed),
    }
