"""The public objects of the installed Keras: classes and functions by name, and their methods."""

from __future__ import annotations

import functools
import inspect
import types
from typing import Any

from knotes import private
from knotes.pipeline.api.symbols import is_base


def public_objects() -> dict[str, Any]:
    """Every public class and function of Keras by the name it was first exported under."""
    return {names[0]: value for value, names in named_objects().values()}


@functools.cache
def named_objects() -> dict[int, tuple[Any, list[str]]]:
    """By id: each public object and its names, the canonical one first."""
    import keras

    found: dict[int, tuple[Any, list[str]]] = {}

    def walk(module: types.ModuleType, path: str) -> None:
        for name in dir(module):
            value = getattr(module, name)
            if name.startswith("_") or name == "src":
                continue
            if isinstance(value, types.ModuleType):
                if value.__name__.startswith("keras."):
                    walk(value, f"{path}.{name}")
            elif callable(value):
                found.setdefault(id(value), (value, []))[1].append(f"{path}.{name}")

    walk(keras, "keras")
    for value, spelled in found.values():
        first = private.first_name(value)
        spelled.sort(key=lambda name, first=first: (name != first, name))  # type: ignore[misc]
    return found


@functools.cache
def own_methods() -> dict[Any, dict[str, str]]:
    """For each public class the methods that its public bases do not have, with their full names.

    ``__call__`` counts; so does the ``call`` of each layer, which has arguments of its own. What
    the private base of all preprocessing layers has is left out: hooks for writing such a layer.
    """
    import keras

    hooks = private.preprocessing_bases()
    named = {value: name for name, value in public_objects().items() if inspect.isclass(value)}
    result = {}
    for cls, name in named.items():
        above = [base for base in cls.__mro__[1:] if base in named]
        if is_base(name):  # whole, but for what the bases among themselves share
            above = [base for base in above if is_base(named[base])]
        above += [base for base in hooks if base in cls.__mro__]
        methods = {
            method: f"{name}.{method}"
            for method in dir(cls)
            if (not method.startswith("_") or method == "__call__")
            and is_method(inspect.getattr_static(cls, method))
            and definer(cls, method).__module__.startswith("keras.")
            and not any(hasattr(base, method) for base in above)
        }
        if issubclass(cls, keras.Layer) and "call" in vars(cls) and not is_base(name):
            methods["call"] = f"{name}.call"
        result[cls] = methods
    return result


def is_method(value: Any) -> bool:
    """Whether an entry of a class is a method of any kind."""
    return inspect.isroutine(value) or isinstance(value, classmethod | staticmethod)


def definer(cls: Any, method: str) -> Any:
    """The first of a class and its bases that has this entry itself."""
    return next(base for base in cls.__mro__ if method in vars(base))
