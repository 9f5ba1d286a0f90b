"""What each argument changes: built and run twice, once without and once with it."""

import difflib
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from knotes.changes import changes
from knotes.describe import arguments_of, default_of, describe
from knotes.observations import is_loss, observe
from knotes.tables import Table


def arguments(
    make: Callable[..., Any],
    tried: Mapping[str, Any],
    *inputs: Any,
    base: Mapping[str, Any] | None = None,
) -> Table:
    """Try arguments one at a time and list what each of them changes.

    `make` is a class, a function or a callable object; `base` holds the arguments that are always
    given; `tried` maps an argument to a value. For each, `make` runs with `base` and with the tried
    value added, from the same seeds and on the same `inputs`: the positional inputs of the call for
    layers, losses, activations and other functions, of `update_state` for metrics, a shape for
    initializers, none for callbacks; optimizers take three fixed steps on fixed variables. Compared
    are output shapes and values (1e-5 relative), the same in training and in a second call,
    weights, their initial values and their state after training, losses, masks, dtypes; where none
    of these differs, config and attributes.

    Random state and the automatic names of Keras are afterwards as they were; only TensorFlow's own
    generator starts anew.

    Raises ValueError for an argument that does not exist, a required one that is missing, no tried
    argument, or a tried value that changes nothing.
    """
    base = dict(base or {})
    known = _known(make)
    title = describe(make)
    if not tried:
        raise ValueError("tried: expected at least one argument, got none")
    for source, given in (("base", base), ("tried", tried)):
        _check_names(source, given, known, title)
    applied = _is_applied(make, base, known, len(inputs))
    before = observe(make, base, inputs, applied)
    rows = []
    for name, value in tried.items():
        try:
            after = observe(make, {**base, name: value}, inputs, applied)
        except Exception as error:
            error.add_note(f"knotes.arguments was trying {name}={describe(value)}")
            raise
        found = changes(before, after)
        if not found:
            raise ValueError(
                f"tried: {name}={describe(value)} changes nothing in {title} on these inputs; "
                f"expected a value that differs from {_compared(base, known, name)}"
            )
        rows.append((name, default_of(known[name]), describe(value), "; ".join(found)))
    return Table(["argument", "default", "tried", "what changed"], rows)


# --- arguments of `make`


def _known(make: Any) -> dict[str, inspect.Parameter]:
    """All arguments `make` accepts, with those that its **kwargs hand to the base classes."""
    known: dict[str, inspect.Parameter] = {}
    inherited = False
    for target in make.__mro__ if inspect.isclass(make) else [_called(make)]:
        if target is object or (inspect.isclass(target) and "__init__" not in vars(target)):
            continue
        parameters = arguments_of(target)
        for name, parameter in parameters.items():
            # what a base class requires, its subclass gives it
            if not inherited or parameter.default is not parameter.empty:
                known.setdefault(name, parameter)
        inherited = True
        if not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
            break
    return {name: p for name, p in known.items() if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)}


def _called(make: Any) -> Any:
    """The function that names the arguments of a call of `make`."""
    for name in ("call", "update_state"):
        if hasattr(make, name) and not is_loss(make):
            return getattr(make, name)
    return make


def _check_names(
    source: str, given: Mapping[str, Any], known: Mapping[str, Any], title: str
) -> None:
    for name in given:
        if name not in known:
            close = difflib.get_close_matches(name, known) or list(known)
            raise ValueError(
                f"{source}: {title} has no argument {name!r}; expected one like {', '.join(close)}"
            )


def _is_applied(
    make: Any, base: Mapping[str, Any], known: Mapping[str, inspect.Parameter], inputs: int
) -> bool:
    """Whether `make` takes the inputs itself; otherwise it makes the object that takes them."""
    required = [name for name, p in known.items() if p.default is p.empty and name not in base]
    if not inspect.isclass(make) and inputs and required:
        required, applied = required[inputs:], True
    else:
        applied = False
    if required:
        raise ValueError(
            f"base: {describe(make)} needs a value for {', '.join(required)}, got {list(base)}"
        )
    return applied


def _compared(base: Mapping[str, Any], known: Mapping[str, inspect.Parameter], name: str) -> str:
    if name in base:
        return f"{describe(base[name])}, which base gives"
    return f"the default, {default_of(known[name])}"
