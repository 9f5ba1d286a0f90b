"""describe: short texts, the same in each run."""

import functools

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from knotes.describe import arguments_of, default_of, describe


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "None"),
        (True, "True"),
        (3, "3"),
        ("relu", '"relu"'),
        (0.1, "0.1"),
        (1e-07, "1e-07"),
        (1 / 3, "0.333"),
        (0.999, "0.999"),
        (float("inf"), "inf"),
        ((1,), "(1,)"),
        ((1, 2), "(1, 2)"),
        ((), "()"),
        ([1, "a"], '[1, "a"]'),
        ([1, 2, 3, 4, 5], "[1, 2, 3, 4, …]"),
        ({"d", "b", "a", "c"}, '{"a", "b", "c", "d"}'),
        ({"a": 1, "b": None}, '{"a": 1, "b": None}'),
        (len, "len"),
        (keras.activations.relu, "relu"),
        (lambda x: x, "lambda"),
        (functools.partial(keras.activations.relu, threshold=1), "relu"),
        (keras.layers.Dense, "Dense"),
        (np.float32(0.5), "0.5"),
        (np.array([1, 2]), "[1, 2]"),
        (np.zeros((2, 3)), "array (2, 3)"),
        (np.float32, "float32"),
        (np.dtype("int8"), "int8"),
        (object(), "object"),
        (keras.KerasTensor((None, 2)), "symbolic (None, 2)"),
        (keras.DTypePolicy("mixed_float16"), '"mixed_float16"'),
        (keras.regularizers.L2(0.1), "L2(l2=0.1)"),
        (keras.regularizers.L2(), "L2()"),
        (keras.initializers.GlorotUniform(), "GlorotUniform()"),
        (keras.initializers.Constant(2.0), "Constant(value=2.0)"),
        (keras.layers.LSTM(3, name="first"), "LSTM(units=3)"),
        (keras.layers.Dense(3, dtype="float16", trainable=False), "Dense(units=3)"),
        (
            keras.layers.Dense(3, "relu", kernel_regularizer=keras.regularizers.L1(0.5)),
            'Dense(units=3, activation="relu", kernel_regularizer=L1(l1=0.5))',
        ),
        (keras.layers.Conv2D(2, 3), "Conv2D(filters=2, kernel_size=(3, 3))"),
        (
            keras.optimizers.SGD(keras.optimizers.schedules.PolynomialDecay(0.1, 10)),
            "SGD(learning_rate=PolynomialDecay(initial_learning_rate=0.1, decay_steps=10))",
        ),
    ],
)
def test_describe(value, text):
    assert describe(value) == text


def test_functions_and_policies_inside_a_config():
    assert describe(keras.layers.Dense(3, keras.ops.sin)) == "Dense(units=3, activation=sin)"
    inner = keras.layers.Dense(3, dtype="mixed_float16")
    assert describe(keras.layers.TimeDistributed(inner)) == "TimeDistributed(layer=Dense(units=3))"


def test_a_policy_as_a_setting():
    class Holder:
        def __init__(self, policy=None):
            self.policy = policy

        def get_config(self):
            return {"policy": keras.saving.serialize_keras_object(self.policy)}

    assert describe(Holder(keras.DTypePolicy("float16"))) == 'Holder(policy="float16")'


def test_a_class_that_keras_cannot_import_is_named():
    class Mine(keras.layers.Layer):
        def get_config(self):
            return super().get_config()

    assert "layer=Mine" in describe(keras.layers.TimeDistributed(Mine()))


def test_a_class_without_a_config():
    class Odd:
        def get_config(self):
            raise NotImplementedError

    assert describe(Odd()) == "Odd"


@given(st.recursive(st.none() | st.floats() | st.text() | st.integers(), st.lists, max_leaves=30))
def test_no_text_spans_lines_or_repeats_differently(value):
    text = describe(value)
    assert text == describe(value)
    assert "\n" not in text


def test_no_addresses():
    class Plain:
        pass

    for value in (Plain(), Plain, Plain().__init__, [Plain()], keras.losses.MeanSquaredError()):
        assert "0x" not in describe(value)


def test_arguments_of_a_layer_are_those_of_its_constructor():
    assert list(arguments_of(keras.layers.Flatten)) == ["data_format", "kwargs"]
    assert default_of(arguments_of(keras.layers.Flatten)["data_format"]) == "None"
    assert default_of(arguments_of(keras.layers.Flatten)["kwargs"]) == ""


def test_arguments_of_methods_have_no_self():
    layer = keras.layers.Dense(1)
    for target in (layer.call, keras.layers.Dense.call):
        assert list(arguments_of(target)) == ["inputs", "training"]


def test_arguments_of_a_class_without_a_constructor():
    class Plain:
        pass

    assert arguments_of(Plain) == {}


def test_what_cannot_be_called_has_no_arguments():
    with pytest.raises(TypeError, match="obj: expected a class, a function or a callable, got 3"):
        arguments_of(3)
