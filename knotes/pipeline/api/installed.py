"""The inventory of the installed Keras, read from Keras itself."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from typing import Any

from knotes.describe import default_of
from knotes.pipeline.api import public, signatures
from knotes.pipeline.api.inventory import Inventory
from knotes.pipeline.api.symbols import APART, FOREIGN, Symbol, is_base


def read() -> Inventory:
    """The inventory of the installed Keras."""
    return Inventory(version("keras"), {symbol.name: symbol for symbol in _symbols()})


def _symbols() -> Iterator[Symbol]:
    found = sorted(public.named_objects().values(), key=lambda entry: entry[1][0])
    methods = public.own_methods()
    label = {value: spelled[0] for value, spelled in found if inspect.isclass(value)}
    for value, (name, *aliases) in found:
        group = name.rpartition(".")[0]
        # Only reachable below a namespace that is apart: keras.ops.relu, not keras.Model.
        apart = FOREIGN.get(name) or next(
            (why for space, why in APART.items() if f"{name}.".startswith(f"{space}.")), ""
        )
        kind = "class" if inspect.isclass(value) else "function"
        inherited = signatures.inherited_of(value) if kind == "class" else {}
        yield Symbol(
            name=name,
            kind=kind,
            group=group,
            parameters=_defaults(value),
            aliases=tuple(aliases),
            inherited={n: label[owner] for n, (owner, _) in inherited.items()},
            attributes=_properties(value) if kind == "class" else (),
            bases=tuple(label[b] for b in inspect.getmro(value)[1:] if b in label)
            if kind == "class"
            else (),
            apart=apart,
        )
        if kind == "class":
            yield from _methods(value, name, methods[value])


def _defaults(target: Any) -> dict[str, str]:
    return {name: default_of(p) for name, p in signatures.parameters_of(target).items()}


def _properties(cls: Any) -> tuple[str, ...]:
    return tuple(
        name
        for name in dir(cls)
        if not name.startswith("_")
        and isinstance(inspect.getattr_static(cls, name), property)
        and public.definer(cls, name).__module__.startswith("keras.")
    )


def _methods(cls: Any, name: str, methods: Mapping[str, str]) -> Iterator[Symbol]:
    import keras

    base = is_base(name)
    for method, full in sorted(methods.items()):
        function = getattr(cls, method)
        of_layer = method == "call" and issubclass(cls, keras.Layer)
        group = "call arguments of layers" if of_layer else "methods of other classes"
        yield Symbol(
            name=full,
            kind="method",
            group=f"methods of {name}" if base else group,
            parameters=_defaults(function),
            abstract=_only_raises(function),
            apart="" if base else "counted with its class",
        )


def _only_raises(method: Any) -> bool:
    """Whether a method is a `raise` and nothing else, but for its docstring."""
    function = inspect.unwrap(method)
    try:
        definition: Any = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
    except (OSError, TypeError):  # written in C
        return False
    body = definition.body[1 if ast.get_docstring(definition) else 0 :]
    return len(body) == 1 and isinstance(body[0], ast.Raise)
