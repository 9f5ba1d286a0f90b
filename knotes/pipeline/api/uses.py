"""What the code of a page uses of Keras' public API, noted while the page runs.

An IPython extension, loaded into every kernel that records or verifies; `REPORT` is asked after
the last cell. The source of each cell is rewritten before it runs, so that every call ``f(x)``
written in it becomes ``mark(f)(x)``. `mark` gives `f` back untouched unless it is a public class,
function, method or object of Keras; then the call is noted and made. A call that Keras makes to
itself therefore cannot count, and neither can a name that is only mentioned. Two things are
wrapped besides: what turns the names given to ``compile`` into losses and metrics, and the calls
of functions that ``tf.function`` has translated.

The reader's helpers (``knotes.shapes``, ``knotes.arguments`` ...) are rewritten when they are
imported: what they call of what a page hands to them counts as used through ``knotes``.
"""

from __future__ import annotations

import ast
import builtins
import functools
import json
import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from typing import Any

from knotes.pipeline.api import public
from knotes.pipeline.api.marking import CLASS_MARK, HELPER_MARK, MARK, Marker
from knotes.pipeline.api.recorder import Recorder

#: The expression that gives the notes of a kernel, as text for `knotes.pipeline.api.notes.decode`.
REPORT = "__import__('knotes.pipeline.api.uses', fromlist=['']).report()"


class _HelperLoader(SourceFileLoader):
    """Loads a module of the reader's side with its calls marked; nothing of it is cached."""

    def get_code(self, fullname: str) -> Any:
        tree = ast.parse(self.get_data(self.path), self.path)
        return compile(Marker(HELPER_MARK, only_names=True).visit(tree), self.path, "exec")


class _HelperFinder(MetaPathFinder):
    """Finds the modules of the reader's side before the usual finders do."""

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if not fullname.startswith("knotes.") or fullname.startswith("knotes.pipeline"):
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _HelperLoader(fullname, spec.loader.path)
        return spec


_recorder: Recorder


def load_ipython_extension(shell: Any) -> None:
    """Start noting in this kernel."""
    global _recorder  # noqa: PLW0603
    _recorder = recorder = Recorder()
    setattr(builtins, MARK, recorder.mark)
    setattr(builtins, HELPER_MARK, functools.partial(recorder.mark, part="knotes"))
    setattr(builtins, CLASS_MARK, recorder.mark_class)
    for name in [n for n in sys.modules if n.startswith("knotes.")]:
        if not name.startswith("knotes.pipeline"):
            del sys.modules[name]  # imported by the pipeline, unmarked: the page gets its own
    sys.meta_path.insert(0, _HelperFinder())
    shell.ast_transformers.append(Marker())
    shell.events.register("pre_run_cell", lambda info: recorder.start_cell(info.raw_cell))


def report() -> str:
    """What was noted so far: JSON, a list with source and note of each cell that has run."""
    return json.dumps(_recorder.notes())


if "keras" in sys.modules:  # in the server of warm kernels, once for all its forks
    public.own_methods()
