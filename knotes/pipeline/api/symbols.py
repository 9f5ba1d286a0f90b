"""A symbol of the public API as data: its names, its parameters, how a use of it is written.

A symbol is a class or function that can be reached from ``import keras`` without a private name,
or a public method of such a class. One object is one symbol however many names it has; the name
it was first exported under is the one used here (``keras.layers.MaxPooling2D``, with the alias
``keras.layers.MaxPool2D``). A method belongs to the most general public class that has it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

#: Namespaces that are listed, but are no part of what the book sets out to cover.
APART = {
    "keras.ops": "mathematics on tensors, a subject of its own",
    "keras.applications": "pretrained models, which need a download",
    "keras.datasets": "data sets, which need a download",
    "keras.backend": "kept for code written for Keras 2",
    "keras.legacy": "kept for code written for Keras 2",
    "keras.optimizers.legacy": "kept for code written for Keras 2",
    "keras.utils.legacy": "kept for code written for Keras 2",
}
#: Classes that need another framework than TensorFlow.
FOREIGN = {
    "keras.layers.JaxLayer": "needs JAX",
    "keras.layers.FlaxLayer": "needs JAX and Flax",
    "keras.layers.TorchModuleWrapper": "needs PyTorch",
    "keras.callbacks.OrbaxCheckpoint": "needs Orbax",
}
#: Classes whose methods are part of what the book sets out to cover.
BASES = (
    "keras.Layer", "keras.Model", "keras.Metric", "keras.Loss", "keras.Optimizer",
    "keras.callbacks.Callback",
)  # fmt: skip
#: The namespaces in which most of the API lies.
CORE = (
    "layers", "losses", "activations", "initializers", "regularizers", "constraints",
    "optimizers", "optimizers.schedules", "metrics", "callbacks",
)  # fmt: skip


@dataclass(frozen=True)
class Symbol:
    """One public class, function or method.

    `parameters` maps names to defaults as text (``required`` where there is none); `inherited`
    holds those that a public base class takes, mapped to the name of that class; `attributes` are
    the public properties of a class, `bases` its public base classes. `abstract` marks a method
    that can only raise, as a subclass has to write it or as it is withdrawn. `apart` says why the
    symbol is no part of what the book sets out to cover.
    """

    name: str
    kind: str
    group: str
    parameters: Mapping[str, str]
    aliases: tuple[str, ...] = ()
    inherited: Mapping[str, str] = field(default_factory=dict)
    attributes: tuple[str, ...] = ()
    bases: tuple[str, ...] = ()
    abstract: bool = False
    apart: str = ""

    @property
    def short(self) -> str:
        """The last part of the name, with its class for a method."""
        parts = self.name.split(".")
        return ".".join(parts[-2:] if self.kind == "method" else parts[-1:])


def is_base(name: str) -> bool:
    """Whether the methods of this class are part of what the book sets out to cover."""
    return name in BASES


def spelled(symbols: Mapping[str, Symbol]) -> dict[str, tuple[str, str]]:
    """Every name that can be written for something public, and what it stands for.

    Names of symbols and their aliases stand for ``(symbol, "")``. Names of parameters, attributes
    and inherited methods, appended to that of their symbol, stand for ``(symbol, name)``, and so
    do the arguments of a call: ``keras.layers.LSTM.initial_state``.
    """
    methods: dict[str, list[Symbol]] = {}
    for symbol in symbols.values():
        if symbol.kind == "method":
            methods.setdefault(symbol.name.rpartition(".")[0], []).append(symbol)
    names: dict[str, tuple[str, str]] = {}
    for symbol in symbols.values():
        below = [*symbol.parameters, *symbol.inherited, *symbol.attributes]
        for base in (symbol.name, *symbol.bases):
            for method in methods.get(base, ()):
                last = method.name.rpartition(".")[2]
                below += [last] if base != symbol.name else []
                below += method.parameters if last in ("call", "__call__") else []
        for spelling in (symbol.name, *symbol.aliases):
            names[spelling] = symbol.name, ""
            for name in below:
                names.setdefault(f"{spelling}.{name}", (symbol.name, name))
    for symbol in symbols.values():  # methods of a class under its other names
        owner = symbols.get(symbol.name.rpartition(".")[0])
        if symbol.kind == "method" and owner:
            for alias in owner.aliases:
                names.setdefault(f"{alias}.{symbol.name.rpartition('.')[2]}", (symbol.name, ""))
    return names


def entry(name: str, parameters: Iterable[str]) -> str:
    """A use of a symbol as it is written in notes: ``keras.layers.Dense(activation, units)``."""
    given = ", ".join(sorted(parameters))
    return f"{name}({given})" if given else name


def parse(text: str) -> tuple[str, list[str]]:
    """Name and parameters of what `entry` has written."""
    name, _, inside = text.removesuffix(")").partition("(")
    return name, inside.split(", ") if inside else []
