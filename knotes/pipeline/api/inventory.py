"""The public API of the installed Keras: every symbol, its other names, its parameters.

A symbol is a class or function that can be reached from ``import keras`` without a private name,
or a public method of such a class. One object is one symbol however many names it has; the name
it was first exported under is the one used here (``keras.layers.MaxPooling2D``, with the alias
``keras.layers.MaxPool2D``). A method belongs to the most general public class that has it.

Parameters are those of the constructor of a class, and of a function or method. What a class
takes as ``**kwargs`` is followed through private base classes (`keras.layers.LSTM` has none of
its own; `keras.layers.Conv2D` has those of ``BaseConv``) up to the first public one: `name` is a
parameter of `keras.Layer`, not of each layer.
"""

from __future__ import annotations

import ast
import functools
import inspect
import textwrap
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from knotes.describe import default_of

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

_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


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


def public_objects() -> dict[str, Any]:
    """Every public class and function of Keras by the name it was first exported under."""
    return {names[0]: value for value, names in _found().values()}


@functools.cache
def _found() -> dict[int, tuple[Any, list[str]]]:
    """By id: each public object and its names, the canonical one first."""
    import keras
    from keras.src.api_export import get_name_from_symbol

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
        first = get_name_from_symbol(value)
        spelled.sort(key=lambda name, first=first: (name != first, name))  # type: ignore[misc]
    return found


@functools.cache
def own_methods() -> dict[Any, dict[str, str]]:
    """For each public class the methods that its public bases do not have, with their full names.

    ``__call__`` counts; so does the ``call`` of each layer, which has arguments of its own. What
    the private base of all preprocessing layers has is left out: hooks for writing such a layer.
    """
    import keras
    from keras.src.layers.preprocessing.data_layer import DataLayer
    from keras.src.layers.preprocessing.image_preprocessing import base_image_preprocessing_layer

    hooks = (base_image_preprocessing_layer.BaseImagePreprocessingLayer, DataLayer)
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
            and _definer(cls, method).__module__.startswith("keras.")
            and not any(hasattr(base, method) for base in above)
        }
        if issubclass(cls, keras.Layer) and "call" in vars(cls) and not is_base(name):
            methods["call"] = f"{name}.call"
        result[cls] = methods
    return result


def is_base(name: str) -> bool:
    """Whether the methods of this class are part of what the book sets out to cover."""
    return name in BASES


def is_method(value: Any) -> bool:
    """Whether an entry of a class is a method of any kind."""
    return inspect.isroutine(value) or isinstance(value, classmethod | staticmethod)


def _definer(cls: Any, method: str) -> Any:
    return next(base for base in cls.__mro__ if method in vars(base))


def parameters_of(target: Any) -> dict[str, inspect.Parameter]:
    """The parameters of a public class, a function or a method (without ``self``).

    For a class, also those that private base classes take from its ``**kwargs``.
    """
    is_class: bool = inspect.isclass(target)
    return _split(target)[0] if is_class else _named(target)


def inherited_of(cls: Any) -> dict[str, tuple[Any, inspect.Parameter]]:
    """The parameters that ``**kwargs`` of a class hands to public base classes, with that class."""
    return _split(cls)[1]


@functools.cache
def _split(
    cls: Any,
) -> tuple[dict[str, inspect.Parameter], dict[str, tuple[Any, inspect.Parameter]]]:
    public = {id(value) for value, _ in _found().values()}
    own: dict[str, inspect.Parameter] = {}
    inherited: dict[str, tuple[Any, inspect.Parameter]] = {}
    given: set[str] = set()  # what a class itself passes on to its base
    owner = cls
    for position, base in enumerate(_constructed(cls)):
        if id(base) in public:
            owner = base
        named = _named(base.__init__)
        for name, parameter in named.items():
            # what a base class requires, its subclass gives it
            if position and (name in given or parameter.default is parameter.empty):
                continue
            if owner is cls:
                own.setdefault(name, parameter)
            elif name not in own:
                inherited.setdefault(name, (owner, parameter))
        given |= _passed_on(base) | set(named)
        variadic = inspect.signature(base.__init__).parameters.values()
        if not any(p.kind is p.VAR_KEYWORD for p in variadic):
            break
    return own, inherited


def constructor_of(cls: Any) -> Any:
    """The function whose signature names the arguments that make an object of a class."""
    return next((base.__init__ for base in _constructed(cls)), cls.__init__)


def _constructed(cls: Any) -> list[Any]:
    """The class and those of its bases that have a constructor of their own."""
    from keras.src.models.functional import Functional
    from keras.src.models.model import Model

    # keras.Model(inputs, outputs) makes an object of a private class, which has the parameters
    start = Functional if cls is Model else cls
    return [base for base in start.__mro__ if base is not object and "__init__" in vars(base)]


def _named(function: Any) -> dict[str, inspect.Parameter]:
    parameters = inspect.signature(function).parameters
    return {name: p for name, p in parameters.items() if p.kind not in _VARIADIC and name != "self"}


def _passed_on(cls: Any) -> set[str]:
    """Keyword arguments in the ``super().__init__(...)`` call of a constructor."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(cls.__init__)))
    except (OSError, TypeError):
        return set()
    return {
        keyword.arg
        for call in ast.walk(tree)
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and call.func.attr == "__init__"
        for keyword in call.keywords
        if keyword.arg
    }


def read() -> dict[str, Symbol]:
    """The inventory of the installed Keras, by name."""
    return {symbol.name: symbol for symbol in _symbols()}


def _symbols() -> Iterator[Symbol]:
    found = sorted(_found().values(), key=lambda entry: entry[1][0])
    methods = own_methods()
    label = {value: spelled[0] for value, spelled in found if inspect.isclass(value)}
    for value, (name, *aliases) in found:
        group = name.rpartition(".")[0]
        # Only reachable below a namespace that is apart: keras.ops.relu, not keras.Model.
        apart = FOREIGN.get(name) or next(
            (why for space, why in APART.items() if f"{name}.".startswith(f"{space}.")), ""
        )
        kind = "class" if inspect.isclass(value) else "function"
        inherited = inherited_of(value) if kind == "class" else {}
        yield Symbol(
            name=name,
            kind=kind,
            group=group,
            parameters={n: default_of(p) for n, p in parameters_of(value).items()},
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


def _properties(cls: Any) -> tuple[str, ...]:
    return tuple(
        name
        for name in dir(cls)
        if not name.startswith("_")
        and isinstance(inspect.getattr_static(cls, name), property)
        and _definer(cls, name).__module__.startswith("keras.")
    )


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


def _methods(cls: Any, name: str, methods: Mapping[str, str]) -> Iterator[Symbol]:
    import keras

    base = is_base(name)
    for method, full in sorted(methods.items()):
        of_layer = method == "call" and issubclass(cls, keras.Layer)
        group = "call arguments of layers" if of_layer else "methods of other classes"
        yield Symbol(
            name=full,
            kind="method",
            group=f"methods of {name}" if base else group,
            parameters={n: default_of(p) for n, p in _named(getattr(cls, method)).items()},
            abstract=_only_raises(getattr(cls, method)),
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
