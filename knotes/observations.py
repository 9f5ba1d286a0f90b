"""What one run of a layer, loss, metric, function … shows: outputs, weights, losses, config.

Runs are made comparable: each starts from the same random state and the same automatic names, and
leaves both as they were.
"""

import copy
import inspect
import json
import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

import numpy as np

from knotes import private
from knotes.describe import describe
from knotes.outputs import Outputs, leaves
from knotes.tables import path_below

_SEED = 20_231_128


@dataclass
class Seen:
    """What one run shows."""

    noun: str = "output"
    values: str = "output values"
    second: str = "output values of a second call"
    outputs: Outputs | None = None
    again: Outputs | None = None
    training: Outputs | None = None
    weights: dict[str, Any] = field(default_factory=dict)  # path -> initial values
    variables: dict[str, str] = field(default_factory=dict)  # path -> trainable flag
    constraints: dict[str, str] = field(default_factory=dict)
    updated: dict[str, Any] = field(default_factory=dict)  # path -> values after a training call
    losses: list[float] = field(default_factory=list)
    dtypes: dict[str, str] = field(default_factory=dict)
    name: str = ""
    config: str = ""
    attributes: dict[str, str] = field(default_factory=dict)


def observe(make: Any, given: Mapping[str, Any], inputs: tuple[Any, ...], applied: bool) -> Seen:
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
            seen = _observe_layer(made, build(), inputs) if inputs else Seen()
        elif isinstance(made, keras.Metric):
            seen = _observe_metric(made, inputs)
        elif isinstance(made, keras.Optimizer):
            seen = _observe_optimizer(made)
        elif inputs:
            seen = Seen(outputs=leaves(made(*inputs)), again=leaves(made(*inputs)))
        elif hasattr(made, "shape") and hasattr(made, "dtype"):
            seen = Seen(outputs=leaves(made))
        else:
            seen = Seen()
    seen.name = str(getattr(made, "name", ""))
    seen.config = _config(made)
    seen.attributes = _attributes(made)
    for key in ("compute_dtype", "variable_dtype") if hasattr(made, "compute_dtype") else ["dtype"]:
        seen.dtypes[key.replace("_", " ")] = str(getattr(made, key, ""))
    return seen


def _observe_layer(layer: Any, twin: Any, inputs: tuple[Any, ...]) -> Seen:
    """Two calls of `layer` in inference, and one in training of its untouched `twin`."""
    seen = Seen()
    has_training = "training" in inspect.signature(layer.call).parameters
    inference, training = ({"training": mode} if has_training else {} for mode in (False, True))
    seen.outputs = leaves(layer(*inputs, **inference))
    seen.losses = [float(loss) for loss in layer.losses]
    seen.weights = {path_below(w, layer): np.asarray(w) for w in layer.weights}
    for weight in layer.weights:
        path = path_below(weight, layer)
        seen.variables[path] = "trainable" if weight.trainable else "not trainable"
        seen.constraints[path] = describe(getattr(weight, "constraint", None))
    seen.again = leaves(layer(*inputs, **inference))
    if has_training:
        seen.training = leaves(twin(*inputs, **training))
        seen.updated = {path_below(w, twin): np.asarray(w) for w in twin.weights}
    return seen


def _observe_metric(metric: Any, inputs: tuple[Any, ...]) -> Seen:
    seen = Seen("result", "result", "result of a second update")
    if inputs:
        metric.update_state(*inputs)
        seen.outputs = leaves(metric.result())
        metric.update_state(*inputs)
        seen.again = leaves(metric.result())
    return seen


def _observe_optimizer(optimizer: Any) -> Seen:
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
    seen = Seen("w", "values after 3 steps", "values at the end of training", weights=state)
    seen.outputs = leaves(variables)
    optimizer.finalize_variable_values(variables)
    seen.again = leaves(variables)
    return seen


def _observe_call(target: Any, inputs: tuple[Any, ...], given: Mapping[str, Any]) -> Seen:
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
            return Seen("result", "result", outputs=leaves(target.result()))
        outputs = leaves(target(*inputs, **arguments))
        losses = getattr(target, "losses", []) if isinstance(target, keras.Layer) else []
        return Seen(outputs=outputs, losses=[float(loss) for loss in losses])
    finally:
        for variable, value in zip(variables, values, strict=False):
            variable.assign(value)


def is_loss(value: Any) -> bool:
    import keras

    return isinstance(value, keras.Loss)


def _seed() -> None:
    """Start from the same random state, and the same automatic names, as every other run."""
    import keras

    keras.utils.set_random_seed(_SEED)
    private.restart_names()


@contextmanager
def _state_kept() -> Iterator[None]:
    """Put random state and automatic names back, and take chance out of the order of drawing.

    Keras draws the seed of each unseeded initializer and layer from Python's generator, one after
    the other: an argument that draws one seed less would change all that come after it. Here each
    draw gives the same seed.
    """
    import keras

    saved = private.program_state()
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    try:
        with mock.patch.object(random, "randint", return_value=_SEED):
            yield
    finally:
        # for TensorFlow, whose seed cannot be read; the others get back what they had
        keras.utils.set_random_seed(saved["global_random_seed"] or 0)
        private.set_program_state(saved)
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
