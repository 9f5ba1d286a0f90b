"""Which public symbol a call uses, and how its arguments are named."""

from __future__ import annotations

import inspect
import sys
import types
from collections.abc import Mapping
from typing import Any

from knotes.pipeline.api import public, signatures


class Target:
    """A public symbol that is about to be called, and how its arguments are named."""

    def __init__(self, name: str, is_class: bool, function: Any, *, subclass: bool = False) -> None:
        self.name, self.is_class, self.function = name, is_class, function
        self.subclass = subclass
        self.call_of: Target | None = None

    def given(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
        """The arguments of a call by parameter, each with its default."""
        if self.is_class:
            if self.subclass:
                return {}
            function = signatures.constructor_of(self.function)
            args = (None, *args)
        else:
            function = self.function
        try:
            signature = inspect.signature(function)
            bound = signature.bind_partial(*args, **kwargs).arguments
        except (TypeError, ValueError):
            return {}
        known = dict(signature.parameters)
        if self.is_class:
            more = {name: p for name, (_, p) in signatures.inherited_of(self.function).items()}
            known = {**more, **signatures.parameters_of(self.function), **known}
        result = {}
        for name, value in bound.items():
            kind = known[name].kind
            if kind is inspect.Parameter.VAR_KEYWORD:
                result.update({n: (v, known[n].default) for n, v in value.items() if n in known})
            elif kind is not inspect.Parameter.VAR_POSITIONAL and name != "self":
                result[name] = (value, known[name].default)
        return result


class PublicApi:
    """The public symbols of the imported Keras, recognized by the identity of their objects."""

    def __init__(self) -> None:
        """Read them; Keras must be imported."""
        self.objects = {id(o): (name, o) for name, o in public.public_objects().items()}
        self.methods = public.own_methods()
        self.functions = {  # methods as their class has them
            id(inspect.getattr_static(cls, name)): full
            for cls, methods in self.methods.items()
            for name, full in methods.items()
        }

    def identify(self, function: Any) -> Target | None:
        """The public symbol that a call of `function` uses, or None."""
        known = self.objects.get(id(function))
        if known:
            return Target(known[0], inspect.isclass(function), function)
        if inspect.isclass(function):
            for base in function.__mro__[1:]:
                if base in self.methods:
                    return Target(self.name_of(base), True, base, subclass=True)
            return None
        if isinstance(function, types.FunctionType | types.MethodType):
            return self._method_called(function)
        return self._object_called(function)

    def name_of(self, cls: Any) -> str:
        """The public name of a class."""
        return self.objects[id(cls)][0]

    def _method_called(self, function: Any) -> Target | None:
        # Keras replaces `build` and others of an instance by functions around the bound method.
        while not isinstance(function, types.MethodType):
            if id(function) in self.functions:  # keras.Model.fit(model, …)
                return Target(self.functions[id(function)], False, function)
            if not hasattr(function, "__wrapped__"):
                return None
            function = function.__wrapped__
        owner, name, made = function.__self__, function.__name__, function.__func__
        cls = owner if inspect.isclass(owner) else type(owner)
        if name == "__init__":  # of super()
            bases: list[Any] = [base for base in cls.__mro__[1:] if base in self.methods]
            base = next((base for base in bases if base.__init__ is made), None)
            return Target(self.name_of(base), True, base) if base else None
        # what a page overrides is the page's own
        source = getattr(getattr(made, "__code__", None), "co_filename", "")
        if not source.startswith(sys.modules["keras"].__path__[0]):
            return None
        return self._method(cls, name, function)

    def _method(self, cls: Any, name: str, function: Any) -> Target | None:
        for base in cls.__mro__:
            full = self.methods.get(base, {}).get(name)
            if full:
                return Target(full, False, function)
        return None

    def _object_called(self, value: Any) -> Target | None:
        """A layer, loss, metric … that is called."""
        cls = type(value)
        target = self._method(cls, "__call__", value)
        if target is not None and "call" in self.methods.get(cls, {}):
            target.call_of = Target(self.methods[cls]["call"], False, value.call)
        return target
