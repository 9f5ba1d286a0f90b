"""What counts as a use of the API, and what does not; on code as a page would have it."""

import ast
import builtins
import functools
import random
import textwrap

import pytest

from knotes.pipeline import notebooks, record, warm
from knotes.pipeline.api import coverage, uses

IMPORTS = """
import keras
import numpy as np
import tensorflow as tf
from keras import layers
x = np.ones((2, 3), "float32")
"""


@pytest.fixture
def noted(monkeypatch):
    """Run code as a cell of a page; returns what was noted: {part: entries}."""
    recorder = uses.Recorder()
    monkeypatch.setattr(builtins, uses.MARK, recorder.mark, raising=False)
    helper = functools.partial(recorder.mark, part="knotes")
    monkeypatch.setattr(builtins, uses.HELPER_MARK, helper, raising=False)
    monkeypatch.setattr(builtins, uses.CLASS_MARK, recorder.mark_class, raising=False)
    from keras.src.trainers import compile_utils
    from tensorflow.python.autograph.impl import api

    for module, name in (
        (api, "converted_call"),
        (compile_utils, "get_loss"),
        (compile_utils, "get_metric"),
    ):
        monkeypatch.setattr(module, name, getattr(module, name))  # put back afterwards
    space = {}
    exec(IMPORTS, space)

    def run(source, marker=None):
        source = textwrap.dedent(source)
        tree = (marker or uses.Marker()).visit(ast.parse(source))
        recorder.start_cell(source)
        try:
            exec(compile(tree, "<cell>", "exec"), space)
        finally:
            space["noted"] = uses._sorted(recorder.cells[-1][1])
        return space["noted"]

    run.space = space
    return run


# --- what must not count


def test_a_mention_is_no_use(noted):
    assert noted("'layers.Dense(3)'\n[layers.Dense, keras.activations.relu]\nkeras.Model.fit") == {}


def test_what_keras_calls_itself_is_no_use(noted):
    found = noted("layers.LSTM(2)(x[None])")
    assert found == {
        "calls": [
            "keras.Layer.__call__",
            "keras.layers.LSTM(units)",
            "keras.layers.LSTM.call(sequences)",
        ]
    }


@pytest.mark.parametrize(
    "call",
    [
        "layers.Dense(3, activation=None, use_bias=True)",
        "layers.Dense(3, kernel_initializer='glorot_uniform')",
        "layers.Dense(3, kernel_initializer='GlorotUniform')",
        "layers.Dense(3, kernel_initializer=keras.initializers.GlorotUniform())",
        "layers.Dense(3, bias_initializer='zeros', name=None)",
    ],
)
def test_a_parameter_at_its_default_does_not_count(noted, call):
    assert "keras.layers.Dense(units)" in noted(call)["calls"]


@pytest.mark.parametrize(
    ("value", "default", "expected"),
    [
        (1, (1, 1), False),
        ([1, 1], (1, 1), False),
        (2, (1, 1), True),
        ((2, 2), [2, 2], False),
        (1.0, 1, False),
        (True, None, True),
        (None, None, False),
        ("tanh", "TanH", False),
        ("tanh", "relu", True),
        (0, "zeros", True),
        (object(), None, True),
    ],
)
def test_ways_to_write_a_default_are_the_default(value, default, expected):
    assert uses.differs(value, default) is expected


def test_a_call_that_raises_is_listed_apart(noted):
    found = noted("try:\n    layers.Dense(0, use_bias=False)\nexcept ValueError:\n    pass")
    assert found == {"raised": ["keras.layers.Dense"]}


def test_marking_changes_no_random_state_and_no_object(noted):
    code = "layer = layers.Dense(2, 'relu', kernel_initializer='he_normal')\nlayer.build((1, 3))"
    random.seed(3)
    exec(code, noted.space)
    plain = random.getstate()
    random.seed(3)
    noted(code)
    assert random.getstate() == plain
    assert noted.space["layer"].activation is noted.space["keras"].activations.relu


def test_frames_and_names_are_those_of_the_page(noted):
    noted(
        """
        class Base:
            def __init__(self):
                self.made = True
        class Below(Base):
            def __init__(self):
                super().__init__()
                self.local = sorted(locals())
        below = Below()
        here = eval("x.shape")
        """
    )
    below = noted.space["below"]
    assert (below.made, below.local) == (True, ["__class__", "self"])
    assert noted.space["here"] == (2, 3)


# --- what must count


@pytest.mark.parametrize(
    ("code", "entry"),
    [
        (
            "layers.Dense(3, use_bias=False, name='head')",
            "keras.layers.Dense(name, units, use_bias)",
        ),
        ("layers.MaxPool2D(3)", "keras.layers.MaxPooling2D(pool_size)"),
        ("[layers.Dense(n) for n in (1, 2)]", "keras.layers.Dense(units)"),
        ("f'{keras.activations.relu(x)}'", "keras.activations.relu(x)"),
        ("f = lambda: layers.ReLU(max_value=6)\nf()", "keras.layers.ReLU(max_value)"),
        ("for f in [keras.ops.abs]:\n    f(x)", "keras.ops.abs(x)"),
        ("layer = layers.Dense(2)\nlayer.build((1, 3))", "keras.Layer.build(input_shape)"),
        ("layers.Dense(2).get_config()", "keras.Layer.get_config"),
        ("layers.Layer.build(layers.Dense(2), (1, 3))", "keras.Layer.build(input_shape)"),
        ("layers.Dense.from_config({'units': 2})", "keras.Layer.from_config(config)"),
        (
            "layers.GRU(2)(x[None], initial_state=np.ones((1, 2), 'float32'))",
            "keras.layers.GRU.call(initial_state, sequences)",
        ),
        (
            "keras.losses.MeanSquaredError()(x, x, sample_weight=x[:, 0])",
            "keras.Loss.__call__(sample_weight, y_pred, y_true)",
        ),
        (
            "vec = layers.TextVectorization()\nvec.adapt(['a b'])",
            "keras.layers.TextVectorization.adapt(data)",
        ),
        (
            "i = keras.Input((3,))\nkeras.Model(inputs=i, outputs=layers.Dense(1)(i))",
            "keras.Model(inputs, outputs)",
        ),
        ("i = keras.Input((3,))\nkeras.Model(i, [i, -i])", "keras.Model(inputs, outputs)"),
        (
            "@keras.saving.register_keras_serializable(package='p')\nclass C(layers.Layer): pass",
            "keras.saving.register_keras_serializable(package)",
        ),
        ("@tf.function\ndef f(t):\n    return keras.ops.square(t)\nf(x)", ""),
    ],
)
def test_a_call_counts_with_its_parameters(noted, code, entry):
    if entry:
        assert entry in noted(code)["calls"]


def test_what_tf_function_has_translated_counts(noted, tmp_path, monkeypatch):
    path = tmp_path / "translated.py"  # the translation reads the source from a file
    path.write_text("import keras\ndef f(t):\n    return keras.ops.square(t)\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert (
        "keras.ops.square(x)" in noted("import translated\ntf.function(translated.f)(x)")["calls"]
    )


def test_names_and_functions_given_to_others_are_kept_apart(noted):
    found = noted(
        "layers.Dense(2, activation='relu', kernel_initializer='he_normal', dtype='float64')\n"
        "layers.Dense(2, keras.activations.tanh, kernel_regularizer='l2')\n"
        "keras.constraints.get('non_neg')"
    )
    assert found["named"] == [
        "keras.DTypePolicy",
        "keras.activations.relu",
        "keras.activations.tanh",
        "keras.constraints.NonNeg",
        "keras.initializers.HeNormal",
        "keras.regularizers.L2",
    ]
    assert not any("activations" in entry for entry in found["calls"])


def test_names_given_to_compile_count_as_what_they_become(noted):
    noted(
        "model = keras.Sequential([layers.Dense(1, 'sigmoid')])\n"
        "model.compile('sgd', 'binary_crossentropy', metrics=['accuracy', 'mse'])"
    )
    assert noted.space["noted"]["named"] == ["keras.activations.sigmoid", "keras.optimizers.SGD"]
    found = noted("_ = model.fit(x, x[:, :1], verbose=0)")
    assert found["named"] == [
        "keras.metrics.BinaryAccuracy",
        "keras.metrics.MeanSquaredError",
        "keras.metrics.binary_crossentropy",
    ]
    assert found["calls"] == ["keras.Model.fit(verbose, x, y)"]


def test_a_subclass_counts_as_such(noted):
    found = noted(
        """
        class Mine(layers.Layer):
            def build(self, shape):
                self.w = self.add_weight(shape=(3,))
            def call(self, x):
                return x * self.w
            def own(self):
                pass
        mine = Mine()
        mine(x)
        mine.call(x)
        """
    )
    assert found["subclassed"] == ["keras.Layer(build, call)"]
    assert found["calls"] == ["keras.Layer.__call__", "keras.Layer.add_weight(shape)"]


def test_a_constructor_called_by_a_subclass_counts(noted):
    found = noted(
        """
        class Mine(layers.Dense):
            def __init__(self):
                super().__init__(4, use_bias=False)
        Mine()
        """
    )
    assert found["calls"] == ["keras.layers.Dense(units, use_bias)"]
    assert found["subclassed"] == ["keras.layers.Dense(__init__)"]


def test_a_helper_counts_for_what_the_page_hands_to_it(noted):
    marker = uses.Marker(uses.HELPER_MARK, only_names=True)
    found = noted(
        "import keras as k\nmake = layers.Dense\nlayer = make(2)\nlayer.get_config()", marker
    )
    assert found == {"knotes": ["keras.layers.Dense(units)"]}


def test_entries_can_be_read_back():
    assert uses.parse("keras.layers.Dense(activation, units)") == (
        "keras.layers.Dense",
        ["activation", "units"],
    )
    assert uses.parse("keras.layers.Dense") == ("keras.layers.Dense", [])


# --- in a kernel


def test_a_recorded_page_stores_its_uses_cell_by_cell(write_page, monkeypatch):
    for name, value in warm.environment.VARIABLES.items():
        monkeypatch.setenv(name, value)
    path = write_page(
        "import knotes\n\nknotes.setup()\n\nimport numpy as np\nfrom keras import layers",
        "knotes.shapes(lambda: layers.Dense(2), [(None, 3)])",
        "knotes.arguments(layers.Dense, {'use_bias': False}, np.ones((1, 3)), base={'units': 2})",
        "1 + 1",
    )
    warm.enable("warm")
    try:
        notebook = record.run(path)
    finally:
        warm.enable("cold", tracing=False)
    first, shapes, arguments, last = map(coverage.stored, notebooks.code_cells(notebook))
    assert (first, last) == ({}, {})
    assert shapes["calls"] == ["keras.layers.Dense(units)"]
    assert shapes["knotes"] == ["keras.Layer.__call__", "keras.layers.Dense.call(inputs)"]
    assert "calls" not in arguments
    assert "keras.layers.Dense(units, use_bias)" in arguments["knotes"]
