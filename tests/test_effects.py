"""arguments: each change is noticed, named once, and nothing else is claimed."""

import random

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers

import knotes
from knotes import outputs, private

rng = np.random.default_rng(0)
X = rng.normal(size=(2, 4)).astype(np.float32)
SEQUENCE = rng.normal(size=(2, 5, 3)).astype(np.float32)
IMAGE = rng.normal(size=(1, 6, 6, 4)).astype(np.float32)
IDS = np.array([[1, 2, 0]])
TRUE = np.array([[0.0, 1.0], [1.0, 0.0]])
PREDICTED = np.array([[0.2, 0.7], [0.6, 0.4]])
L2 = keras.regularizers.L2(0.1)


def changes(make, tried, *inputs, base=None):
    shown = knotes.arguments(make, tried, *inputs, base=base)
    assert shown.columns == ["argument", "default", "tried", "what changed"]
    assert [row[0] for row in shown.rows] == list(tried)
    return {row[0]: row[3] for row in shown.rows}


def test_dense():
    tried = {
        "units": 5,
        "activation": "relu",
        "use_bias": False,
        "kernel_initializer": "he_normal",
        "bias_initializer": "ones",
        "kernel_regularizer": L2,
        "bias_regularizer": "l2",
        "activity_regularizer": keras.regularizers.L1(0.02),
        "kernel_constraint": keras.constraints.MaxNorm(1.0),
        "bias_constraint": "non_neg",
        "lora_rank": 2,
        "dtype": "float64",
        "trainable": False,
        "autocast": False,
        "name": "first",
    }
    seen = changes(layers.Dense, tried, X, base={"units": 3})
    assert seen.pop("kernel_regularizer").startswith("adds loss 0.")
    assert seen.pop("activity_regularizer").startswith("adds loss 0.0")
    assert seen == {
        "units": "output shape (2, 3) → (2, 5); parameters 15 → 25",
        "activation": "output values",
        "use_bias": "drops bias",
        "kernel_initializer": "kernel initial values",
        "bias_initializer": "bias initial values",
        "bias_regularizer": "adds loss 0.000",
        "kernel_constraint": "constraint on kernel",
        "bias_constraint": "constraint on bias",
        "lora_rank": "adds lora_kernel_a, lora_kernel_b; trainable weights 2 → 3",
        "dtype": "compute, variable, output dtype float32 → float64",
        "trainable": "trainable weights 2 → 0",
        "autocast": "attribute autocast",
        "name": "name",
    }


def test_the_other_columns():
    shown = knotes.arguments(
        layers.Dense, {"units": 5, "kernel_regularizer": L2, "name": "a"}, X, base={"units": 3}
    )
    assert [row[1:3] for row in shown.rows] == [
        ("required", "5"),
        ("None", "L2(l2=0.1)"),
        ("None", '"a"'),
    ]


def test_convolution():
    tried = {"strides": 2, "padding": "same", "groups": 2, "dtype": "mixed_float16"}
    assert changes(layers.Conv2D, tried, IMAGE, base={"filters": 2, "kernel_size": 3}) == {
        "strides": "output shape (1, 4, 4, 2) → (1, 2, 2, 2)",
        "padding": "output shape (1, 4, 4, 2) → (1, 6, 6, 2)",
        "groups": "parameters 74 → 38",
        "dtype": "compute, output dtype float32 → float16",
    }


def test_recurrent():
    tried = {
        "activation": "relu",
        "kernel_initializer": "zeros",
        "unit_forget_bias": False,
        "dropout": 0.5,
        "recurrent_dropout": 0.5,
        "seed": 1,
        "return_sequences": True,
        "return_state": True,
        "stateful": True,
        "unroll": True,
        "trainable": False,
    }
    assert changes(layers.LSTM, tried, SEQUENCE, base={"units": 3}) == {
        "activation": "output values",
        # the recurrent kernel keeps its values, although one seed less is drawn before it
        "kernel_initializer": "lstm_cell/kernel initial values",
        "unit_forget_bias": "lstm_cell/bias initial values",
        "dropout": "output values in training",
        "recurrent_dropout": "output values in training",
        "seed": "config",
        "return_sequences": "output shape (2, 3) → (2, 5, 3)",
        "return_state": "output shape (2, 3) → [(2, 3), (2, 3), (2, 3)]",
        "stateful": "output values of a second call",
        "unroll": "config",
        "trainable": "trainable weights 3 → 0",
    }


def test_layers_as_arguments_are_made_anew():
    cell, cells = layers.LSTMCell(3), [layers.LSTMCell(2), layers.LSTMCell(3)]
    seen = changes(
        layers.RNN,
        {"cell": cells, "go_backwards": True},
        SEQUENCE,
        base={"cell": cell},
    )
    assert seen["cell"] == "drops 3 weights; adds 6 weights; output values"
    assert seen["go_backwards"] == "output values"
    assert not any(one.built for one in (cell, *cells))
    seen = changes(
        layers.Bidirectional,
        {"backward_layer": layers.LSTM(3, "relu", go_backwards=True), "merge_mode": "sum"},
        SEQUENCE,
        base={"layer": layers.LSTM(3)},
    )
    # another name of the backward layer is no other weight
    assert seen == {
        "backward_layer": "output values",
        "merge_mode": "output shape (2, 6) → (2, 3)",
    }


def test_dropout():
    tried = {"rate": 0.2, "noise_shape": (2, 1), "seed": 1}
    assert changes(layers.Dropout, tried, X, base={"rate": 0.5}) == dict.fromkeys(
        tried, "output values in training"
    )


def test_batch_normalization():
    tried = {
        "momentum": 0.5,
        "epsilon": 0.1,
        "center": False,
        "gamma_initializer": "zeros",
        "gamma_regularizer": L2,
        "synchronized": True,
    }
    assert changes(layers.BatchNormalization, tried, X) == {
        "momentum": "moving_mean, moving_variance after a training call",
        "epsilon": "output values",
        "center": "drops beta",
        "gamma_initializer": "gamma initial values",
        "gamma_regularizer": "adds loss 0.400",
        "synchronized": "config",
    }


def test_losses_changed_or_dropped():
    base = {"units": 3, "kernel_initializer": "ones", "kernel_regularizer": L2}
    assert changes(layers.Dense, {"kernel_regularizer": "l2"}, X, base=base) == {
        "kernel_regularizer": "loss 1.200 → 0.120"
    }
    assert changes(layers.Dense, {"kernel_regularizer": None}, X, base=base) == {
        "kernel_regularizer": "drops loss 1.200"
    }


def test_embedding_and_masks():
    base = {"input_dim": 5, "output_dim": 2}
    tried = {"mask_zero": True, "input_dim": 6, "embeddings_constraint": "unit_norm"}
    assert changes(layers.Embedding, tried, IDS, base=base) == {
        "mask_zero": "adds a mask",
        "input_dim": "parameters 10 → 12",
        "embeddings_constraint": "constraint on embeddings",
    }
    assert changes(layers.Embedding, {"mask_zero": False}, IDS, base={**base, "mask_zero": True})[
        "mask_zero"
    ] == ("drops the mask")
    steps = np.array([[[1.0], [0.0]]], np.float32)
    assert changes(layers.Masking, {"mask_value": 1.0}, steps)["mask_value"].endswith("mask values")


def test_output_types_of_preprocessing_layers():
    base = {"bin_boundaries": [1.5], "output_mode": "one_hot"}
    assert changes(layers.Discretization, {"sparse": True}, np.array([[1.0, 2.0]]), base=base) == {
        "sparse": "output type dense → sparse"
    }
    seen = changes(
        layers.TextVectorization,
        {"ragged": True, "standardize": None},
        np.array(["a B", "b"]),
        base={"vocabulary": ["a", "b"]},
    )
    assert seen["ragged"] == "output shape (2, 2) → (2, None); output type dense → ragged"
    assert seen["standardize"] == "output values"


def test_losses():
    tried = {
        "from_logits": True,
        "label_smoothing": 0.2,
        "axis": 0,
        "reduction": None,
        "name": "mine",
        "dtype": "float64",
    }
    assert changes(keras.losses.CategoricalCrossentropy, tried, TRUE, PREDICTED) == {
        "from_logits": "output values",
        "label_smoothing": "output values",
        "axis": "output values",
        "reduction": "output shape () → (2,)",
        "name": "name",
        "dtype": "output dtype float32 → float64",
    }
    loss = keras.losses.BinaryCrossentropy()
    assert changes(loss, {"sample_weight": np.array([1.0, 3.0])}, TRUE, PREDICTED) == {
        "sample_weight": "output values"
    }


def test_metrics():
    tried = {"thresholds": [0.3, 0.65], "name": "p", "dtype": "float64", "class_id": 0}
    assert changes(keras.metrics.Precision, tried, TRUE, PREDICTED) == {
        "thresholds": "result shape () → (2,)",
        "name": "name",
        "dtype": "dtype float32 → float64",
        "class_id": "config",
    }
    assert changes(keras.metrics.Mean, {"name": "m"}) == {"name": "name"}
    metric = keras.metrics.Mean()
    assert changes(metric, {"sample_weight": [1, 0, 0]}, [1.0, 2.0, 3.0]) == {
        "sample_weight": "result"
    }
    assert float(metric.result()) == 0


def test_metrics_that_need_two_batches_to_differ():
    class Last(keras.metrics.Metric):
        def __init__(self, keep=False, name=None):
            super().__init__(name=name)
            self.keep = keep
            self.total = self.add_weight(name="total", initializer="zeros")

        def update_state(self, value):
            self.total.assign(value + (self.total if self.keep else 0))

        def result(self):
            return self.total

    assert changes(Last, {"keep": True}, 1.0) == {"keep": "result of a second update"}


def test_functions():
    x = np.array([-1.0, 0.2, 2.0])
    tried = {"negative_slope": 0.1, "max_value": 1, "threshold": 0.5}
    assert changes(keras.activations.relu, tried, x) == dict.fromkeys(tried, "output values")
    assert changes(keras.ops.sum, {"keepdims": True}, x) == {"keepdims": "output shape () → (1,)"}
    assert changes(lambda units=3: layers.Dense(units), {"units": 2}, X) == {
        "units": "output shape (2, 3) → (2, 2); parameters 15 → 10"
    }
    assert changes(keras.Input, {"batch_size": 2, "name": "i"}, base={"shape": (3,)}) == {
        "batch_size": "output shape (None, 3) → (2, 3)",
        "name": "name",
    }


def test_arguments_of_a_call():
    layer = layers.Dropout(0.5)
    assert changes(layer, {"training": True}, X) == {"training": "output values"}
    fresh = layers.LSTM(3, dropout=0.5, stateful=True)
    seen = changes(
        fresh,
        {"training": True, "mask": np.array([[True, False, False, False, False]] * 2)},
        SEQUENCE,
    )
    assert seen == {"training": "output values", "mask": "output values"}
    with pytest.raises(ValueError, match="training=True changes nothing"):
        changes(layers.LSTM(3, stateful=True), {"training": True}, SEQUENCE)
    attention = layers.MultiHeadAttention(2, 3)
    assert changes(attention, {"return_attention_scores": True}, SEQUENCE, SEQUENCE) == {
        "return_attention_scores": "output shape (2, 5, 3) → [(2, 5, 3), (2, 2, 5, 5)]"
    }


def test_symbolic_inputs():
    assert changes(layers.Dense, {"units": 2}, keras.Input((4,)), base={"units": 3}) == {
        "units": "output shape (None, 3) → (None, 2); parameters 15 → 10"
    }


def test_initializers_regularizers_constraints():
    tried = {"scale": 2.0, "mode": "fan_out", "distribution": "uniform", "seed": 1}
    assert changes(keras.initializers.VarianceScaling, tried, (3, 4)) == dict.fromkeys(
        tried, "output values"
    )
    assert changes(keras.regularizers.L1L2, {"l1": 0.1, "l2": 0.1}, X) == dict.fromkeys(
        ("l1", "l2"), "output values"
    )
    assert changes(keras.constraints.MaxNorm, {"max_value": 0.5, "axis": 1}, X) == {
        "max_value": "output values",
        "axis": "config",
    }


def test_optimizers():
    tried = {
        "learning_rate": keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.9),
        "momentum": 0.9,
        "clipnorm": 0.5,
        "use_ema": True,
        "gradient_accumulation_steps": 2,
        "name": "mine",
    }
    assert changes(keras.optimizers.SGD, tried) == {
        "learning_rate": "values after 3 steps",
        "momentum": "adds w_momentum; values after 3 steps",
        "clipnorm": "values after 3 steps",
        "use_ema": "adds w_average; values at the end of training",
        "gradient_accumulation_steps": "adds w_gradient_accumulator; values after 3 steps",
        "name": "name",
    }
    # Adam does not depend on the scale of gradients
    assert changes(keras.optimizers.Adam, {"loss_scale_factor": 4.0}) == {
        "loss_scale_factor": "config"
    }


def test_callbacks_and_layers_without_inputs():
    tried = {"monitor": "loss", "patience": 2, "mode": "max"}
    assert changes(keras.callbacks.EarlyStopping, tried) == {
        name: f"attribute {name}" for name in tried
    }
    assert changes(layers.Dense, {"activation": "relu"}, base={"units": 3}) == {
        "activation": "config"
    }


def test_objects_of_the_page():
    class Scale:
        def __init__(self, factor=1.0, mode=abs, kind=None):
            self.factor, self.mode, self.kind = factor, mode, kind

    seen = changes(Scale, {"factor": 2.0, "mode": len, "kind": Scale})
    assert seen == {
        "factor": "attribute factor",
        "mode": "attribute mode",
        "kind": "attribute kind",
    }


def test_objects_that_cannot_be_made_anew_are_copied():
    class Half(keras.regularizers.Regularizer):
        def __init__(self, factor):
            self.factor = factor

        def __call__(self, x):
            return self.factor * keras.ops.sum(x)

        def get_config(self):
            return {}

    seen = changes(
        layers.Dense,
        {"kernel_regularizer": Half(0.5)},
        X,
        base={"units": 3, "kernel_initializer": "ones"},
    )
    assert seen == {"kernel_regularizer": "adds loss 6.000"}


def test_many_weights_are_counted():
    base = {"num_heads": 2, "key_dim": 4}
    assert (
        changes(layers.MultiHeadAttention, {"use_bias": False}, SEQUENCE, SEQUENCE, base=base)[
            "use_bias"
        ]
        == "drops 4 weights"
    )


@settings(deadline=None, max_examples=10)
@given(st.floats(0.001, 0.999), st.floats(0.001, 0.999))
def test_a_change_is_seen_exactly_when_there_is_one(slope, other):
    x = np.array([-1.0, 1.0])
    run = lambda: changes(  # noqa: E731
        keras.activations.leaky_relu, {"negative_slope": other}, x, base={"negative_slope": slope}
    )
    if abs(slope - other) <= 0.5e-6:
        with pytest.raises(ValueError, match="changes nothing"):
            run()
    elif abs(slope - other) > 1e-4:
        assert run() == {"negative_slope": "output values"}


def test_equal_within_rounding():
    a = np.array([1.0, 1000.0], np.float32)
    assert outputs.equal(a, a * np.float32(1 + 1e-6))
    assert not outputs.equal(a, a * np.float32(1 + 1e-4))
    assert outputs.equal(np.array([np.nan]), np.array([np.nan]))
    assert not outputs.equal(np.array([1]), np.array([2]))
    assert not outputs.equal(None, a)
    assert outputs.equal(None, None)


def test_the_same_table_each_time_and_no_trace_of_it():
    keras.utils.set_random_seed(5)
    layers.Dense(1)
    np.random.rand()  # noqa: NPY002
    names = dict(private.program_state()["object_name_uids"])
    python, numpy = random.getstate(), np.random.get_state()[1].tolist()  # noqa: NPY002
    tables = [
        repr(knotes.arguments(layers.Dropout, {"seed": 3, "rate": 0.1}, X, base={"rate": 0.5}))
        for _ in range(2)
    ]
    assert tables[0] == tables[1]
    assert dict(private.program_state()["object_name_uids"]) == names
    assert random.getstate() == python
    assert np.random.get_state()[1].tolist() == numpy  # noqa: NPY002
    keras.utils.set_random_seed(5)
    expected = keras.random.normal((2,))
    keras.utils.set_random_seed(5)
    knotes.arguments(layers.Dropout, {"rate": 0.1}, X, base={"rate": 0.5})
    np.testing.assert_array_equal(keras.random.normal((2,)), expected)


@pytest.mark.parametrize(
    ("tried", "base", "message"),
    [
        ({"unit": 5}, {"units": 3}, "tried: Dense has no argument 'unit'; .* like units"),
        ({"units": 5}, {"unit": 3}, "base: Dense has no argument 'unit'"),
        ({"zzz": 5}, {"units": 3}, "no argument 'zzz'; expected one like units, activation"),
        ({"units": 5}, {}, r"base: Dense needs a value for units, got \[\]"),
        ({}, {"units": 3}, "tried: expected at least one argument, got none"),
        ({"units": 3}, {"units": 3}, "units=3 changes nothing in Dense .* from 3, which base"),
        ({"use_bias": True}, {"units": 3}, "changes nothing .* from the default, True"),
        ({"activation": "linear"}, {"units": 3}, "changes nothing .* from the default, None"),
        ({"activation": keras.activations.linear}, {"units": 3}, "activation=linear changes"),
        ({"kernel_initializer": "GlorotUniform"}, {"units": 3}, "changes nothing"),
    ],
)
def test_refused(tried, base, message):
    with pytest.raises(ValueError, match=message):
        knotes.arguments(layers.Dense, tried, X, base=base)


def test_an_error_of_keras_says_what_was_tried():
    with pytest.raises(ValueError, match="units") as failure:
        knotes.arguments(layers.Dense, {"units": -1}, X, base={"units": 3})
    assert failure.value.__notes__ == ["knotes.arguments was trying units=-1"]


def test_a_function_needs_its_inputs():
    with pytest.raises(ValueError, match="base: relu needs a value for x"):
        knotes.arguments(keras.activations.relu, {"threshold": 1.0})
