"""Short, stable texts for the values that appear in tables: no addresses, no long dumps."""

import functools
import inspect
import json
import types
from collections.abc import Callable
from importlib import import_module
from typing import Any

_FEW = 4  # entries shown of a collection
# what a default of None becomes in a config
_NONE_MEANS = {"activation": "linear", "data_format": "channels_last"}


def describe(value: Any) -> str:
    """One short line for an argument value.

    Strings are quoted, floats keep 3 digits when their exact form is long, functions and classes
    show their name, small arrays their values and large ones their shape, Keras objects their
    class and the settings that differ from its defaults: `L2(l2=0.1)`.
    """
    for kinds, text in _TEXTS:
        if isinstance(value, kinds):
            return text(value)
    if hasattr(value, "__array__") and hasattr(value, "shape"):
        return _array(value)
    if hasattr(value, "get_config"):
        return _configured(value)
    # data types of NumPy, TensorFlow and others; never a repr, which may hold an address
    return str(getattr(value, "name", None) or getattr(value, "__name__", type(value).__name__))


def arguments_of(target: Any) -> dict[str, inspect.Parameter]:
    """The arguments of a class (of its constructor), a function or a callable object, by name.

    Raises TypeError when `target` cannot be called.
    """
    if not callable(target):
        raise TypeError(f"obj: expected a class, a function or a callable, got {describe(target)}")
    if inspect.isclass(target) and target.__init__ is not object.__init__:
        # the signature of the class itself would be that of Keras' own __new__(*args, **kwargs)
        parameters = list(inspect.signature(target.__init__).parameters.values())[1:]
    else:
        parameters = list(inspect.signature(target).parameters.values())
    if parameters and parameters[0].name == "self":  # a method taken from its class
        parameters = parameters[1:]
    return {parameter.name: parameter for parameter in parameters}


def default_of(parameter: inspect.Parameter) -> str:
    """The default as text: `required` where there is none."""
    if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
        return ""
    return "required" if parameter.default is parameter.empty else describe(parameter.default)


def _join(texts: list[str]) -> str:
    return ", ".join(texts if len(texts) <= _FEW else [*texts[:_FEW], "…"])


def _collection(value: Any) -> str:
    entries = [describe(entry) for entry in value]
    if isinstance(value, list):
        return f"[{_join(entries)}]"
    if isinstance(value, tuple):
        return f"({entries[0]},)" if len(entries) == 1 else f"({_join(entries)})"
    return "{" + _join(sorted(entries)) + "}"


def _float(value: float) -> str:
    return str(value) if len(str(value)) <= 8 else f"{value:.3g}"


def _dict(value: dict[Any, Any]) -> str:
    return "{" + _join([f"{describe(key)}: {describe(one)}" for key, one in value.items()]) + "}"


def _named(value: Any) -> str:
    return "lambda" if value.__name__ == "<lambda>" else str(value.__name__)


def _array(value: Any) -> str:
    import numpy as np

    shape = tuple(value.shape)
    try:
        array = np.asarray(value)
    except (NotImplementedError, TypeError, ValueError):  # symbolic: it has a shape, but no values
        return f"symbolic {shape}"
    if array.size <= _FEW:
        return describe(array.item() if array.ndim == 0 else array.tolist())
    return f"array {shape}"


def _configured(value: Any) -> str:
    """A Keras object as `Class(setting=value)`, with the settings that are not its defaults."""
    cls = type(value)
    try:
        config = value.get_config()
    except Exception:  # a class of the page may not have one
        return cls.__name__
    return json.dumps(value.name) if _is_policy(cls.__name__) else _object(cls, config)


def _object(cls: type, config: dict[str, Any]) -> str:
    settings = [
        f"{name}={shown}"
        for name, parameter in arguments_of(cls).items()
        if name not in ("name", "dtype", "trainable") and config.get(name) is not None
        if not _is_default(shown := _setting(config[name]), parameter.default)
        and (parameter.default is not None or config[name] != _NONE_MEANS.get(name))
    ]
    return f"{cls.__name__}({_join(settings)})"


def _setting(setting: Any) -> str:
    """A value of a config, where objects are stored as a dict with module, class and config."""
    if not (isinstance(setting, dict) and "class_name" in setting):
        return describe(setting)
    name, config = str(setting["class_name"]), setting.get("config")
    if not isinstance(config, dict):  # a function, stored by its name
        return str(config)
    if _is_policy(name):
        return json.dumps(config.get("name"))
    try:
        return _object(getattr(import_module(setting["module"]), name), config)
    except (AttributeError, ImportError, TypeError):  # a class of the page
        return name


def _is_policy(name: str) -> bool:
    return name.endswith("DTypePolicy")


def _is_default(shown: str, default: Any) -> bool:
    """Whether the text of a setting is that of the default, which may be an object's short name."""
    if isinstance(default, str) and shown.endswith("()"):
        return shown[:-2].lower() == default.replace("_", "").lower()
    listed = list(default) if isinstance(default, tuple) else default
    return shown in (describe(default), describe(listed))


_FUNCTIONS = (types.FunctionType, types.BuiltinFunctionType, types.MethodType)
_TEXTS: list[tuple[Any, Callable[[Any], str]]] = [
    ((bool, int, type(None)), str),
    (str, lambda value: json.dumps(value, ensure_ascii=False)),
    (float, _float),
    (dict, _dict),
    ((list, tuple, set, frozenset), _collection),
    (functools.partial, lambda value: describe(value.func)),
    ((type, *_FUNCTIONS), _named),
]
