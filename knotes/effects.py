"""What each argument changes: built and run twice, once without and once with it."""

import copy
import difflib
import inspect
import json
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from unittest import mock

import numpy as np

from knotes.describe import arguments_of, default_of, describe
from knotes.tables import Table, format_value, path_below, shape_text

_SEED = 20_231_128


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
    before = _observe(make, base, inputs, applied)
    rows = []
    for name, value in tried.items():
        try:
            after = _observe(make, {**base, name: value}, inputs, applied)
        except Exception as error:
            error.add_note(f"knotes.arguments was trying {name}={describe(value)}")
            raise
        changes = _changes(before, after)
        if not changes:
            raise ValueError(
                f"tried: {name}={describe(value)} changes nothing in {title} on these inputs; "
                f"expected a value that differs from {_compared(base, known, name)}"
            )
        rows.append((name, default_of(known[name]), describe(value), "; ".join(changes)))
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
        if hasattr(make, name) and not _is_loss(make):
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


# --- observing


@dataclass
class _Seen:
    """What one run shows."""

    noun: str = "output"
    values: str = "output values"
    second: str = "output values of a second call"
    outputs: Any = None
    again: Any = None
    training: Any = None
    weights: dict[str, Any] = field(default_factory=dict)  # path -> initial values
    variables: dict[str, str] = field(default_factory=dict)  # path -> trainable flag
    constraints: dict[str, str] = field(default_factory=dict)
    updated: dict[str, Any] = field(default_factory=dict)  # path -> values after a training call
    losses: list[float] = field(default_factory=list)
    dtypes: dict[str, str] = field(default_factory=dict)
    name: str = ""
    config: str = ""
    attributes: dict[str, str] = field(default_factory=dict)


def _observe(make: Any, given: Mapping[str, Any], inputs: tuple[Any, ...], applied: bool) -> _Seen:
    """Run `make` with the arguments `given` and collect what can be seen."""
    import keras

    def build() -> Any:
        _seed()
        return make(**{name: _fresh(value) for name, value in given.items()})

    with _state_kept():
        if applied:
            return _observe_call(make, inputs, given)
        made = build()
        if isinstance(made, keras.Layer):
            seen = _observe_layer(made, build(), inputs) if inputs else _Seen()
        elif isinstance(made, keras.Metric):
            seen = _observe_metric(made, inputs)
        elif isinstance(made, keras.Optimizer):
            seen = _observe_optimizer(made)
        elif inputs:
            seen = _Seen(outputs=_leaves(made(*inputs)), again=_leaves(made(*inputs)))
        elif hasattr(made, "shape") and hasattr(made, "dtype"):
            seen = _Seen(outputs=_leaves(made))
        else:
            seen = _Seen()
    seen.name = str(getattr(made, "name", ""))
    seen.config = _config(made)
    seen.attributes = _attributes(made)
    for key in ("compute_dtype", "variable_dtype") if hasattr(made, "compute_dtype") else ["dtype"]:
        seen.dtypes[key.replace("_", " ")] = str(getattr(made, key, ""))
    return seen


def _observe_layer(layer: Any, twin: Any, inputs: tuple[Any, ...]) -> _Seen:
    """Two calls of `layer` in inference, and one in training of its untouched `twin`."""
    seen = _Seen()
    has_training = "training" in inspect.signature(layer.call).parameters
    inference, training = ({"training": mode} if has_training else {} for mode in (False, True))
    seen.outputs = _leaves(layer(*inputs, **inference))
    seen.losses = [float(loss) for loss in layer.losses]
    seen.weights = {path_below(w, layer): np.asarray(w) for w in layer.weights}
    for weight in layer.weights:
        path = path_below(weight, layer)
        seen.variables[path] = "trainable" if weight.trainable else "not trainable"
        seen.constraints[path] = describe(getattr(weight, "constraint", None))
    seen.again = _leaves(layer(*inputs, **inference))
    if has_training:
        seen.training = _leaves(twin(*inputs, **training))
        seen.updated = {path_below(w, twin): np.asarray(w) for w in twin.weights}
    return seen


def _observe_metric(metric: Any, inputs: tuple[Any, ...]) -> _Seen:
    seen = _Seen("result", "result", "result of a second update")
    if inputs:
        metric.update_state(*inputs)
        seen.outputs = _leaves(metric.result())
        metric.update_state(*inputs)
        seen.again = _leaves(metric.result())
    return seen


def _observe_optimizer(optimizer: Any) -> _Seen:
    """Three steps on a matrix `w`, with gradients that change sign and length."""
    import keras

    values = np.array([[1.0, -2.0, 0.5], [3.0, 0.25, -1.0]], np.float32)
    variables = [keras.Variable(values, name="w")]
    optimizer.build(variables)
    own = {str(v.path).removeprefix(f"{optimizer.name}/"): v for v in optimizer.variables}
    # the learning rate shows in the steps
    state = {path: np.asarray(v) for path, v in own.items() if path != "learning_rate"}
    for factor in (1.0, -0.5, 2.0):
        optimizer.apply([keras.ops.convert_to_tensor(factor * (values + 1))], variables)
    seen = _Seen("w", "values after 3 steps", "values at the end of training", weights=state)
    seen.outputs = _leaves(variables)
    optimizer.finalize_variable_values(variables)
    seen.again = _leaves(variables)
    return seen


def _observe_call(target: Any, inputs: tuple[Any, ...], given: Mapping[str, Any]) -> _Seen:
    """Call a function, or an object whose variables are put back afterwards."""
    import keras

    _seed()
    arguments = {name: _fresh(value) for name, value in given.items()}
    if not getattr(target, "built", True):
        target(*inputs)
    # a stateful recurrent layer does not count its states among its variables
    states = [state for state in getattr(target, "states", None) or [] if hasattr(state, "assign")]
    variables = [*getattr(target, "variables", []), *states]
    values = [np.asarray(variable) for variable in variables]
    try:
        if isinstance(target, keras.Metric):
            target.update_state(*inputs, **arguments)
            return _Seen("result", "result", outputs=_leaves(target.result()))
        outputs = _leaves(target(*inputs, **arguments))
        losses = getattr(target, "losses", []) if isinstance(target, keras.Layer) else []
        return _Seen(outputs=outputs, losses=[float(loss) for loss in losses])
    finally:
        for variable, value in zip(variables, values, strict=False):
            variable.assign(value)


def _is_loss(value: Any) -> bool:
    import keras

    return isinstance(value, keras.Loss)


def _seed() -> None:
    """Start from the same random state, and the same automatic names, as every other run."""
    import keras
    from keras.src.backend.common import global_state

    keras.utils.set_random_seed(_SEED)
    global_state.set_global_attribute("object_name_uids", None)


@contextmanager
def _state_kept() -> Iterator[None]:
    """Put random state and automatic names back, and take chance out of the order of drawing.

    Keras draws the seed of each unseeded initializer and layer from Python's generator, one after
    the other: an argument that draws one seed less would change all that come after it. Here each
    draw gives the same seed.
    """
    import keras
    from keras.src.backend.common import global_state

    names = ("object_name_uids", "global_seed_generator", "global_random_seed")
    saved = {name: global_state.get_global_attribute(name) for name in names}
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    try:
        with mock.patch.object(random, "randint", return_value=_SEED):
            yield
    finally:
        # for TensorFlow, whose seed cannot be read; the others get back what they had
        keras.utils.set_random_seed(saved["global_random_seed"] or 0)
        for name, value in saved.items():
            global_state.set_global_attribute(name, value)
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002


def _fresh(value: Any) -> Any:
    """A new object like `value`: layers and seed generators keep state from one run to the next."""
    if type(value) in (list, tuple):
        return type(value)(_fresh(one) for one in value)
    if hasattr(value, "get_config") and hasattr(value, "from_config"):
        try:
            return type(value).from_config(value.get_config())
        except Exception:  # custom objects may not support it
            return copy.copy(value)
    return value


def _config(made: Any) -> str:
    """The config as text that is equal for equal configs."""
    import keras

    try:
        config = keras.saving.serialize_keras_object(made.get_config())
    except (AttributeError, NotImplementedError, TypeError, ValueError):
        return ""
    return json.dumps(config, sort_keys=True, default=str)


def _attributes(made: Any) -> dict[str, str]:
    """Public attributes with plain values."""
    plain = (bool, int, float, str, type(None))
    found = vars(made) if hasattr(made, "__dict__") else {}
    return {
        name: describe(value)
        for name, value in found.items()
        if not name.startswith("_")
        and (isinstance(value, plain) or (callable(value) and hasattr(value, "__name__")))
    }


# --- comparing


@dataclass
class _Leaf:
    kind: str
    dtype: str
    values: Any
    mask: Any


def _leaves(outputs: Any) -> tuple[str, list[_Leaf]]:
    """The shapes of nested outputs as text, and their tensors as arrays."""
    import keras

    leaves = [_leaf(one) for one in keras.tree.flatten(outputs)]
    return shape_text(outputs), leaves


def _leaf(tensor: Any) -> _Leaf:
    import keras

    kind = type(tensor).__name__
    mask = getattr(tensor, "_keras_mask", None)
    if isinstance(tensor, keras.KerasTensor):
        return _Leaf("symbolic", str(tensor.dtype), np.empty(0), None)
    if kind == "SparseTensor":
        import tensorflow as tf

        values = np.asarray(tf.sparse.to_dense(tensor))
    else:
        values = np.asarray(tensor.to_tensor() if kind == "RaggedTensor" else tensor)
    kind = {"SparseTensor": "sparse", "RaggedTensor": "ragged"}.get(kind, "dense")
    return _Leaf(kind, str(values.dtype), values, None if mask is None else np.asarray(mask))


def _equal(a: Any, b: Any) -> bool:
    """Whether two arrays are equal within rounding."""
    if a is None or b is None:
        return a is b
    if a.shape != b.shape:
        return False
    if a.dtype.kind in "fcV" and b.dtype.kind in "fcV":
        a, b = (x.astype(np.complex128 if x.dtype.kind == "c" else np.float64) for x in (a, b))
        scale = max(np.abs(x[np.isfinite(x)]).max(initial=0) for x in (a, b))
        return bool(np.allclose(a, b, rtol=1e-5, atol=1e-6 * scale, equal_nan=True))
    return bool(np.array_equal(a, b))


def _same_values(a: Any, b: Any) -> bool:
    if a is None or b is None:
        return a is b
    return len(a[1]) == len(b[1]) and all(
        _equal(x.values, y.values) for x, y in zip(a[1], b[1], strict=True)
    )


def _changes(a: _Seen, b: _Seen) -> list[str]:
    """What differs, most telling first; config or attributes only where nothing else does."""
    changes = _shape_changes(a, b) + _dtype_changes(a, b)
    typed = any("dtype" in change for change in changes)
    changes += _weight_changes(a, b, typed)
    moved = any(c.endswith("initial values") or c.startswith("parameters ") for c in changes)
    same_shape = not a.outputs or not b.outputs or a.outputs[0] == b.outputs[0]
    same = _same_values(a.outputs, b.outputs)
    if not same and same_shape and not typed and not moved:
        changes.append(a.values)
    if same and not typed:
        if not _same_values(a.training, b.training):
            changes.append("output values in training")
        elif not _same_values(a.again, b.again):
            changes.append(a.second)
        elif not moved and (state := _differing(a.updated, b.updated)):
            changes.append(f"{_names(state)} after a training call")
    changes += _loss_changes(a, b, typed or moved)
    if a.outputs and b.outputs:
        changes += _mask_changes(a.outputs[1], b.outputs[1])
    if a.name != b.name:
        changes.append("name")
    if not changes and a.config != b.config:
        changes.append("config")
    if not changes:
        keys = [key for key in b.attributes if a.attributes.get(key) != b.attributes[key]]
        changes += [f"attribute {key}" for key in keys[:2]]
    return changes


def _shape_changes(a: _Seen, b: _Seen) -> list[str]:
    if not a.outputs or not b.outputs:
        return []
    changes = []
    if a.outputs[0] != b.outputs[0]:
        changes.append(f"{a.noun} shape {a.outputs[0]} → {b.outputs[0]}")
    kinds = [sorted({leaf.kind for leaf in seen.outputs[1]}) for seen in (a, b)]
    if kinds[0] != kinds[1]:
        changes.append(f"{a.noun} type {'/'.join(kinds[0])} → {'/'.join(kinds[1])}")
    return changes


def _dtype_changes(a: _Seen, b: _Seen) -> list[str]:
    pairs = {key: (a.dtypes[key], b.dtypes.get(key, "")) for key in a.dtypes}
    if a.outputs and b.outputs:
        kinds = ["/".join(dict.fromkeys(x.dtype for x in seen.outputs[1])) for seen in (a, b)]
        pairs[f"{a.noun} dtype"] = (kinds[0], kinds[1])
    texts: dict[str, list[str]] = {}
    for key, (old, new) in pairs.items():
        if old != new:
            texts.setdefault(f"{old} → {new}", []).append(key.removesuffix(" dtype"))
    return [
        f"{_names([key for key in keys if key != 'dtype'])} dtype {text}".strip()
        for text, keys in texts.items()
    ]


def _weight_changes(a: _Seen, b: _Seen, typed: bool) -> list[str]:
    changes = []
    if [w.shape for w in a.weights.values()] == [w.shape for w in b.weights.values()]:
        b = _renamed(b, list(a.weights))
    gone = [path for path in a.weights if path not in b.weights]
    new = [path for path in b.weights if path not in a.weights]
    kept = [path for path in a.weights if path in b.weights]
    if gone:
        changes.append(f"drops {_names(gone, 'weights')}")
    if new:
        changes.append(f"adds {_names(new, 'weights')}")
    if any(a.weights[path].shape != b.weights[path].shape for path in kept):
        counts = [sum(w.size for w in seen.weights.values()) for seen in (a, b)]
        changes.append(f"parameters {counts[0]} → {counts[1]}")
    elif not typed and (differing := _differing(a.weights, b.weights)):
        changes.append(f"{_names(differing, 'weights')} initial values")
    if [a.variables.get(p) for p in kept] != [b.variables.get(p) for p in kept]:
        counts = [sum(v == "trainable" for v in seen.variables.values()) for seen in (a, b)]
        changes.append(f"trainable weights {counts[0]} → {counts[1]}")
    constrained = [p for p in kept if a.constraints.get(p) != b.constraints.get(p)]
    if constrained:
        changes.append(f"constraint on {_names(constrained, 'weights')}")
    return changes


def _renamed(seen: _Seen, paths: list[str]) -> _Seen:
    """The same weights under other paths: a name is no new weight."""

    def rename(values: Mapping[str, Any]) -> dict[str, Any]:
        return dict(zip(paths, values.values(), strict=False))

    return replace(
        seen,
        weights=rename(seen.weights),
        variables=rename(seen.variables),
        constraints=rename(seen.constraints),
    )


def _differing(a: dict[str, Any], b: dict[str, Any]) -> list[str]:
    return [path for path in a if path in b and not _equal(a[path], b[path])]


def _loss_changes(a: _Seen, b: _Seen, implied: bool) -> list[str]:
    old, new = sum(a.losses), sum(b.losses)
    if len(a.losses) != len(b.losses):
        verb = "adds" if len(b.losses) > len(a.losses) else "drops"
        return [f"{verb} loss {format_value(abs(new - old), 3)}"]
    if not implied and not np.isclose(old, new, rtol=1e-5):
        return [f"loss {format_value(old, 3)} → {format_value(new, 3)}"]
    return []


def _mask_changes(a: list[_Leaf], b: list[_Leaf]) -> list[str]:
    masks = [[leaf.mask for leaf in leaves if leaf.mask is not None] for leaves in (a, b)]
    if len(masks[0]) != len(masks[1]):
        return ["adds a mask" if len(masks[0]) < len(masks[1]) else "drops the mask"]
    same = all(_equal(x, y) for x, y in zip(*masks, strict=True))
    return [] if same else ["mask values"]


def _names(names: list[str], many: str = "values") -> str:
    """A few names, or their number."""
    text = ", ".join(names)
    return text if len(text) <= 45 else f"{len(names)} {many}"
