"""Whether an argument was given something other than its default."""

from __future__ import annotations

import inspect
import types
from typing import Any


def differs(value: Any, default: Any) -> bool:
    """Whether an argument was given something other than its default (a required one always is).

    Ways of writing the default are the default: ``1`` for ``(1, 1)``, ``[2, 2]`` for ``(2, 2)``,
    ``GlorotUniform()`` for ``"glorot_uniform"``.
    """
    if default is inspect.Parameter.empty:
        return True
    if value is default:
        return False
    if isinstance(default, str):
        return _spelled(value) != _spelled(default)
    if isinstance(default, tuple):
        if isinstance(value, list):
            value = tuple(value)
        elif isinstance(value, int):
            value = (value,) * len(default)
    if isinstance(default, list) and isinstance(value, tuple):
        value = list(value)
    simple = (bool, int, float, str, tuple, list, dict, type(None))
    if isinstance(value, simple) and isinstance(default, simple):
        return bool(value != default)
    return True


def _spelled(value: Any) -> str:
    """A name without regard to its spelling; an object that is as its class makes it, by name."""
    if isinstance(value, str):
        return value.replace("_", "").lower()
    if isinstance(value, types.FunctionType):
        return value.__name__.replace("_", "").lower()
    try:
        defaults = inspect.signature(type(value).__init__).parameters
        config = {k: v for k, v in value.get_config().items() if k != "seed"}
        plain = all(v == defaults[k].default for k, v in config.items())
    except Exception:  # classes of a page may do anything
        return ""
    return type(value).__name__.lower() if plain else ""
