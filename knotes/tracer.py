"""A log of which lifecycle method runs when."""

import functools
import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from knotes.describe import describe
from knotes.tables import Table

LIFECYCLE = (
    "__init__",
    "build",
    "__call__",
    "call",
    "compute_output_shape",
    "compute_output_spec",
    "get_config",
    "from_config",
    "build_from_config",
)


@dataclass
class _Call:
    cls: type
    method: str
    owner: Any  # the instance, or the class for a class method
    text: str  # the arguments
    depth: int
    error: str = ""

    @property
    def name(self) -> str:
        """The layer's name, which its `__init__` has set by the time the log is shown."""
        return "" if inspect.isclass(self.owner) else str(getattr(self.owner, "name", ""))


@dataclass
class Log:
    """The calls seen by `trace`, in the order in which they began."""

    entries: list[_Call] = field(default_factory=list)
    active: bool = True
    depth: int = 0

    @property
    def calls(self) -> list[str]:
        """The names, such as `["Linear.__init__", "Linear.build"]`."""
        return [f"{entry.cls.__name__}.{entry.method}" for entry in self.entries]

    def count(self, method: str) -> int:
        """How often a method ran: `count("build")`, or of one class: `count("Linear.build")`."""
        return sum(method in (name, name.split(".", 1)[1]) for name in self.calls)

    def __len__(self) -> int:
        return len(self.entries)

    def lines(self) -> list[str]:
        """One text a call, indented by two spaces for each call around it."""
        names: dict[type, set[str]] = {}
        for entry in self.entries:
            names.setdefault(entry.cls, set()).add(entry.name)
        texts = []
        for entry in self.entries:
            several = len(names[entry.cls] - {""}) > 1
            name = f"[{entry.name}]" if several and entry.name else ""
            call = f"{entry.cls.__name__}{name}.{entry.method}({entry.text})"
            texts.append("  " * entry.depth + call + entry.error)
        return texts

    def __repr__(self) -> str:
        width = len(str(len(self.entries)))
        return "\n".join(f"{i:>{width}} {line}" for i, line in enumerate(self.lines(), 1))

    def _repr_html_(self) -> str:
        # HTML folds ordinary spaces, and with them the indentation
        rows = [
            (i, "\u00a0" * (len(line) - len(line.lstrip(" "))) + line.lstrip(" "))
            for i, line in enumerate(self.lines(), 1)
        ]
        return Table(["step", "call"], rows)._repr_html_()


@contextmanager
def trace(*classes: type, methods: Sequence[str] = LIFECYCLE) -> Iterator[Log]:
    """Log the calls of lifecycle methods of `classes` while inside the `with` block.

    `methods` names those to watch; a method that a class does not have is left out. Gives a `Log`,
    which shows the calls with their arguments (tensors by shape), indented by nesting. On exit the
    classes are as they were, also after an error. A layer made before the block keeps the `build`
    that Keras wrapped when it was made: its other calls are seen, this one is not.

    Raises TypeError for something that is not a class, ValueError for a method no class has.
    """
    for cls in classes:
        if not inspect.isclass(cls):
            raise TypeError(f"classes: expected classes, got {describe(cls)}")
    if not classes:
        raise ValueError("classes: expected at least one class, got none")
    for method in methods:
        if method not in LIFECYCLE and not any(hasattr(cls, method) for cls in classes):
            raise ValueError(f"methods: no class has a method {method!r}")
    # Find all originals first: a subclass must not wrap the wrapper of its base.
    found = [
        (cls, method, inspect.getattr_static(cls, method), method in vars(cls))
        for cls in dict.fromkeys(classes)
        for method in dict.fromkeys(methods)
        if hasattr(cls, method)
    ]
    log = Log()
    try:
        for cls, method, original, _ in found:
            setattr(cls, method, _wrap(log, cls, method, original))
        yield log
    finally:
        log.active = False
        for cls, method, original, own in found:
            if own:
                setattr(cls, method, original)
            elif method in vars(cls):
                delattr(cls, method)


def _wrap(log: Log, cls: type, method: str, original: Any) -> Any:
    """The method `original`, which writes itself into the log."""
    kind = type(original) if isinstance(original, classmethod | staticmethod) else None
    function: Callable[..., Any] = original.__func__ if kind else original
    signature = inspect.signature(function)

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        if not log.active:  # Keras keeps bound methods, which outlive the block
            return function(*args, **kwargs)
        bare = kind is staticmethod
        # Layer.__call__(*args, **kwargs) hands all to `call`, which has the names
        by_call = method in ("__call__", "compute_output_spec") and hasattr(cls, "call")
        named = inspect.signature(type(args[0]).call) if by_call else signature
        log.active = False  # describing a layer asks for its config
        text = _arguments(named, args, kwargs, skip=0 if bare else 1)
        log.active = True
        entry = _Call(cls, method, cls if bare else args[0], text, log.depth)
        log.entries.append(entry)
        log.depth += 1
        try:
            return function(*args, **kwargs)
        except Exception as error:
            entry.error = f" raises {type(error).__name__}"
            raise
        finally:
            log.depth -= 1

    if method == "__init__":
        # Keras reads it with getfullargspec, which does not follow the __wrapped__ of the others
        wrapper.__signature__ = signature  # type: ignore[attr-defined]
    return kind(wrapper) if kind else wrapper


def _arguments(
    signature: inspect.Signature, args: tuple[Any, ...], kwargs: dict[str, Any], skip: int
) -> str:
    """The given arguments by name: `x: (2, 4)` for tensors, `units=3` for others."""
    names = [p.name for p in signature.parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
    named = dict(enumerate(names))
    texts = [_argument(named.get(i, ""), v) for i, v in enumerate(args) if i >= skip]
    return ", ".join(texts + [_argument(name, value) for name, value in kwargs.items()])


def _argument(name: str, value: Any) -> str:
    tensors = _shapes(value)
    if tensors:
        return f"{name}: {tensors}" if name else tensors
    if isinstance(value, tuple) and value and all(v is None or type(v) is int for v in value):
        return str(value)  # a shape says itself what it is
    keys = "{" + ", ".join(map(str, value)) + "}" if isinstance(value, dict) else ""
    shown = keys or describe(value)
    return f"{name}={shown}" if name else shown


def _shapes(value: Any) -> str:
    """The shapes of a tensor or of a list of tensors; empty for anything else."""
    if isinstance(value, list | tuple) and value:
        inner = [_shapes(one) for one in value]
        return f"[{', '.join(inner)}]" if all(inner) else ""
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        concrete = hasattr(value, "numpy") or type(value).__module__ == "numpy"
        return f"{'' if concrete else 'symbolic '}{tuple(value.shape)}"
    return ""
