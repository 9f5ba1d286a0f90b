"""Notes the calls of a page, cell by cell, with the parameters that count."""

from __future__ import annotations

import functools
import sys
import types
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from knotes import private
from knotes.pipeline.api import public
from knotes.pipeline.api.defaults import differs
from knotes.pipeline.api.symbols import entry
from knotes.pipeline.api.targets import PublicApi, Target

# Types of which no instance is part of Keras; the quick way out for most calls.
_PLAIN = (types.BuiltinFunctionType, types.BuiltinMethodType, types.MethodWrapperType)
# What an argument of such a name may be given as text, and who turns the text into an object.
_FAMILIES = {
    "activation": "activations",
    "initializer": "initializers",
    "regularizer": "regularizers",
    "constraint": "constraints",
    "optimizer": "optimizers",
    "dtype": "dtype_policies",
}


class Recorder:
    """Notes what is used of the public API, cell by cell."""

    def __init__(self) -> None:
        """Know nothing yet: it is the page that imports Keras."""
        self.api: PublicApi | None = None
        self.cells: list[tuple[str, dict[str, dict[str, set[str]]]]] = []

    def knows(self) -> PublicApi | None:
        """The public API once Keras is there; the first time that it is, watch its own calls."""
        if self.api is None and "keras" in sys.modules:
            self.api = PublicApi()
            private.watch_translated(self._note_translated)
            private.watch_compiled(self._note_object)
        return self.api

    def notes(self) -> list[tuple[str, dict[str, list[str]]]]:
        """Source and note of each cell that has run, in a fixed order."""
        return [
            (
                source,
                {
                    part: [entry(name, found) for name, found in sorted(names.items())]
                    for part, names in sorted(noted.items())
                },
            )
            for source, noted in self.cells
        ]

    def start_cell(self, source: str) -> None:
        """From now on notes belong to the cell with this source."""
        self.cells.append((source, {}))

    def mark(self, function: Any, part: str = "calls") -> Any:
        """Give `function` back, or a stand-in that notes the call and makes it."""
        api = None if type(function) in _PLAIN else self.knows()
        target = api.identify(function) if api else None
        if target is None:
            return function
        return functools.partial(self.call, part, target, function)

    def mark_class(self, cls: Any) -> Any:
        """Note a class of a page that derives from a public one; gives the class back."""
        api = self.knows()
        if api is None:
            return cls
        for base in cls.__mro__[1:]:
            if base in api.methods:
                self._note("subclassed", api.name_of(base)).update(
                    name
                    for name, value in vars(cls).items()
                    if public.is_method(value) and hasattr(base, name)
                    if not name.startswith("_") or name in ("__init__", "__call__")
                )
                break
        return cls

    def call(
        self, part: str, target: Target, run: Callable[..., Any], /, *args: Any, **kwargs: Any
    ) -> Any:
        """Run a call and note it under `part`, or as raised."""
        try:
            result = run(*args, **kwargs)
        except BaseException:
            self._note("raised", target.name)
            raise
        self.note(part, target, args, kwargs)
        return result

    def note(
        self, part: str, target: Target, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> None:
        """Note a call that went well, with the parameters that count."""
        given = target.given(args, kwargs)
        self._note("subclassed" if target.subclass else part, target.name).update(_counted(given))
        if target.call_of is not None:
            values = target.call_of.given(args, kwargs)
            self._note(part, target.call_of.name).update(_counted(values))
        space = target.name.rpartition(".")[0].removeprefix("keras.")
        for name, (value, _) in given.items():
            family = next((f for key, f in _FAMILIES.items() if key in name), None)
            if name == "identifier" and target.name.endswith(".get"):
                family = space
            if family:
                self._note_names(value, family)

    def _note_names(self, value: Any, family: str) -> None:
        """Note what is given to another object by name or as a function: ``activation="relu"``."""
        known = private.objects_by_name(family)
        for one in _flat(value):
            if isinstance(one, str) and family == "dtype_policies":
                self._note("named", "keras.DTypePolicy")
            elif isinstance(one, str):
                self._note_object(known.get(one) or known.get(one.lower()))
            elif isinstance(one, types.FunctionType):
                self._note_object(one)

    def _note_object(self, made: Any) -> None:
        """Note the public class or function that a text was turned into."""
        for candidate in (made, type(made)):
            found = self.api.objects.get(id(candidate)) if self.api else None
            if found:
                self._note("named", found[0])
                return

    def _note_translated(
        self, function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> None:
        """Note a call in a function that ``tf.function`` has translated from its source."""
        target = self.api.identify(function) if self.api and type(function) not in _PLAIN else None
        if target is not None:
            self.note("calls", target, args, kwargs)

    def _note(self, part: str, name: str) -> set[str]:
        """The set of what is noted for a name in the running cell."""
        if not self.cells:
            self.start_cell("")
        return self.cells[-1][1].setdefault(part, {}).setdefault(name, set())


def _counted(given: Mapping[str, tuple[Any, Any]]) -> set[str]:
    return {name for name, (value, default) in given.items() if differs(value, default)}


def _flat(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for one in value:
            yield from _flat(one)
    else:
        yield value
