"""The parameters that can be given to a public class, function or method.

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
from typing import Any

from knotes import private
from knotes.pipeline.api import public

_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


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
    known = public.named_objects()
    own: dict[str, inspect.Parameter] = {}
    inherited: dict[str, tuple[Any, inspect.Parameter]] = {}
    given: set[str] = set()  # what a class itself passes on to its base
    owner = cls
    for position, base in enumerate(_constructed(cls)):
        if id(base) in known:
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
    import keras

    # keras.Model(inputs, outputs) makes an object of a private class, which has the parameters
    start = private.functional_model() if cls is keras.Model else cls
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
