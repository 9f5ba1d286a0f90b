"""What counts as a use of the API, and what does not; on code as a page would have it."""

import ast
import builtins
import functools
import random
import sys
import textwrap
from importlib import import_module
from types import SimpleNamespace

import keras
import pytest

import knotes
from knotes import private
from knotes.pipeline import notebooks, record
from knotes.pipeline.api import notes, uses
from knotes.pipeline.api.defaults import differs
from knotes.pipeline.api.marking import CLASS_MARK, HELPER_MARK, MARK, Marker
from knotes.pipeline.api.recorder import Recorder
from knotes.pipeline.api.targets import Target
from knotes.pipeline.engine import Run
from knotes.pipeline.tracing import TRACING

IMPORTS = """
import keras
import numpy as np
import tensorflow as tf
from keras import layers
x = np.ones((2, 3), "float32")
"""


@pytest.fixture
def watched(monkeypatch):
    """What a recorder replaces in Keras and TensorFlow is put back afterwards."""
    for place, name in private.WATCHED:
        module = import_module(place)
        monkeypatch.setattr(module, name, getattr(module, name))


@pytest.fixture
def noted(monkeypatch, watched):
    """Run code as a cell of a page; returns what was noted: {part: entries}."""
    recorder = Recorder()
    monkeypatch.setattr(builtins, MARK, recorder.mark, raising=False)
    helper = functools.partial(recorder.mark, part="knotes")
    monkeypatch.setattr(builtins, HELPER_MARK, helper, raising=False)
    monkeypatch.setattr(builtins, CLASS_MARK, recorder.mark_class, raising=False)
    space = {}
    exec(IMPORTS, space)

    def run(source, marker=None):
        source = textwrap.dedent(source)
        tree = (marker or Marker()).visit(ast.parse(source))
        recorder.start_cell(source)
        try:
            exec(compile(tree, "<cell>", "exec"), space)
        finally:
            space["noted"] = recorder.notes()[-1][1]
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
        (keras.activations.relu, "relu", False),
        (keras.activations.relu, "tanh", True),
        (object(), None, True),
    ],
)
def test_ways_to_write_a_default_are_the_default(value, default, expected):
    assert differs(value, default) is expected


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


def test_a_function_without_a_signature_has_no_parameters():
    assert Target("keras.max", False, max).given((1, 2), {}) == {}


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
        ("@tf.function\ndef f(t):\n    return keras.ops.square(t)\nf(x)", "keras.ops.square(x)"),
    ],
)
def test_a_call_counts_with_its_parameters(noted, code, entry):
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


def test_names_inside_a_configuration_count(noted):
    found = noted("keras.initializers.get({'class_name': 'HeNormal', 'config': {}})")
    assert found["named"] == ["keras.initializers.HeNormal"]


def test_names_in_a_list_count(watched):
    def build(activation=None):
        return activation

    recorder = Recorder()
    recorder.knows()
    recorder.note("calls", Target("keras.build", False, build), (["relu", ("tanh",)],), {})
    ((_, note),) = recorder.notes()
    assert note["named"] == ["keras.activations.relu", "keras.activations.tanh"]


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
    marker = Marker(HELPER_MARK, only_names=True)
    found = noted(
        "import keras as k\nmake = layers.Dense\nlayer = make(2)\nlayer.get_config()", marker
    )
    assert found == {"knotes": ["keras.layers.Dense(units)"]}


# --- in a kernel


@pytest.fixture
def shell(monkeypatch, watched):
    """What the extension needs of a shell; modules of the reader's side are put back afterwards."""
    for name in (MARK, HELPER_MARK, CLASS_MARK):
        monkeypatch.setattr(builtins, name, None, raising=False)
    monkeypatch.setattr(uses, "_recorder", None, raising=False)
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path])
    modules = {name: m for name, m in sys.modules.items() if name.startswith("knotes.")}
    names = dict(vars(knotes))
    events = {}
    yield SimpleNamespace(
        ast_transformers=[], events=SimpleNamespace(register=events.__setitem__), registered=events
    )
    for name in [name for name in sys.modules if name.startswith("knotes.")]:
        del sys.modules[name]
    sys.modules.update(modules)
    vars(knotes).clear()
    vars(knotes).update(names)


def test_the_extension_notes_each_cell_that_runs_and_marks_the_helpers(shell):
    uses.load_ipython_extension(shell)
    (marker,) = shell.ast_transformers
    space = {}
    cells = [
        "import keras, knotes",
        "knotes.shapes(lambda: keras.layers.Dense(2), [(None, 3)])",
        "1 + 1",
        "1 + 1",
    ]
    for cell in cells:
        shell.registered["pre_run_cell"](SimpleNamespace(raw_cell=cell))
        exec(compile(marker.visit(ast.parse(cell)), "<cell>", "exec"), space)
    found = notes.decode(uses.report())
    assert [source for source, _ in found] == cells
    assert [note for _, note in found] == [
        {},
        {
            "calls": ["keras.layers.Dense(units)"],
            "knotes": ["keras.Layer.__call__", "keras.layers.Dense.call(inputs)"],
        },
        {},
        {},
    ]


def test_other_modules_are_found_by_the_usual_finders():
    finder = uses._HelperFinder()
    assert finder.find_spec("json") is None
    assert finder.find_spec("knotes.pipeline.book") is None
    assert finder.find_spec("knotes.none", knotes.__path__) is None


def test_what_is_called_before_any_cell_is_kept(watched):
    recorder = Recorder()
    recorder.mark(keras.ops.abs)(-1)
    assert recorder.notes() == [("", {"calls": ["keras.ops.abs(x)"]})]


def test_without_keras_nothing_is_noted_or_replaced(monkeypatch):
    recorder = Recorder()
    monkeypatch.delitem(sys.modules, "keras")
    assert recorder.mark(keras.ops.abs) is keras.ops.abs
    assert recorder.mark_class(Recorder) is Recorder
    assert recorder.notes() == []


def test_a_recorded_page_stores_its_uses_cell_by_cell(write_page):
    path = write_page(
        "import knotes\n\nknotes.setup()\n\nimport numpy as np\nfrom keras import layers",
        "knotes.shapes(lambda: layers.Dense(2), [(None, 3)])",
        "knotes.arguments(layers.Dense, {'use_bias': False}, np.ones((1, 3)), base={'units': 2})",
        "1 + 1",
    )
    with Run(observers=[TRACING]) as run:
        notebook, _ = record.run(path, run)
    first, shapes, arguments, last = map(notes.stored, notebooks.code_cells(notebook))
    assert (first, last) == ({}, {})
    assert shapes["calls"] == ["keras.layers.Dense(units)"]
    assert shapes["knotes"] == ["keras.Layer.__call__", "keras.layers.Dense.call(inputs)"]
    assert "calls" not in arguments
    assert "keras.layers.Dense(units, use_bias)" in arguments["knotes"]
