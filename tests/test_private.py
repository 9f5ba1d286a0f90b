"""Each private part of Keras and TensorFlow is where the pinned versions have it."""

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from knotes import private

AT = f"keras {keras.__version__}, tensorflow {tf.__version__}"
#: The versions for which the private parts were looked up.
KNOWN = "keras 3.15.1, tensorflow 2.21.0"
MOVED = f"known: {KNOWN}; installed: {AT}; look the part up anew and mend knotes/private.py"


def test_no_other_module_names_a_private_part():
    here = Path(private.__file__)
    texts = {path: path.read_text("utf8") for path in here.parent.rglob("*.py") if path != here}
    parts = ("keras.src", "tensorflow.python", "_keras_mask", "_keras_history")
    assert [path.name for path, text in texts.items() if any(part in text for part in parts)] == []


@pytest.fixture
def put_back(monkeypatch):
    """Functions that are watched are afterwards what they were."""
    for place, name in private.WATCHED:
        module = import_module(place)
        assert hasattr(module, name), f"{place}.{name}: {MOVED}"
        monkeypatch.setattr(module, name, getattr(module, name))


@pytest.fixture
def program():
    """The state of the program is afterwards what it was."""
    state = private.program_state()
    yield state
    private.set_program_state(state)


def test_the_program_state_decides_seeds_and_names(program):
    keras.utils.set_random_seed(3)
    state = private.program_state()
    assert state["global_random_seed"] == 3, MOVED
    first = [keras.layers.Dense(1).name, keras.layers.Dense(1).name]
    names = dict(private.program_state()["object_name_uids"])
    assert names, MOVED
    drawn = keras.random.SeedGenerator  # the generator exists once something was drawn
    keras.random.normal((1,))
    assert isinstance(private.program_state()["global_seed_generator"], drawn), MOVED
    private.set_program_state({**state, "object_name_uids": names, "global_random_seed": 4})
    assert private.program_state()["global_random_seed"] == 4, MOVED
    assert keras.layers.Dense(1).name not in first, MOVED


def test_names_can_be_restarted(program):
    keras.layers.Dense(1)
    private.restart_names()
    assert [keras.layers.Dense(1).name for _ in range(2)] == ["dense", "dense_1"], MOVED


def test_an_untouched_process_has_started_no_device():
    code = (
        "import os; os.environ['TF_CPP_MIN_LOG_LEVEL'] = '3'\n"
        "import tensorflow as tf; from knotes import private\n"
        "before = private.device_started(); tf.zeros(1); print(before, private.device_started())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["False", "True"], f"{MOVED}\n{done.stderr[-500:]}"


def test_a_started_device_is_seen():
    tf.zeros(1)
    assert private.device_started(), MOVED


def test_the_mask_of_an_output_is_found():
    masked = keras.layers.Masking()(np.array([[[1.0], [0.0]]], "float32"))
    mask = private.mask_of(masked)
    assert mask is not None, MOVED
    assert np.asarray(mask).tolist() == [[True, False]]
    assert private.mask_of(keras.ops.ones(1)) is None


def test_the_first_name_of_an_alias_is_known():
    assert private.first_name(keras.layers.MaxPool2D) == "keras.layers.MaxPooling2D", MOVED
    assert private.first_name(object()) is None


def test_a_model_of_inputs_and_outputs_is_of_the_functional_class():
    inputs = keras.Input((1,))
    assert type(keras.Model(inputs, inputs)) is private.functional_model(), MOVED


def test_preprocessing_layers_have_their_private_bases():
    image, data = private.preprocessing_bases()
    assert issubclass(keras.layers.RandomFlip, image), MOVED
    assert issubclass(keras.layers.Rescaling, data), MOVED
    public = list(vars(keras.layers).values())
    assert not any(one is base for one in public for base in (image, data)), "they are public now"


@pytest.mark.parametrize(
    ("family", "name", "value"),
    [
        ("activations", "relu", keras.activations.relu),
        ("initializers", "he_normal", keras.initializers.HeNormal),
        ("regularizers", "l2", keras.regularizers.L2),
        ("constraints", "non_neg", keras.constraints.NonNeg),
        ("optimizers", "adam", keras.optimizers.Adam),
        ("losses", "mse", keras.losses.mean_squared_error),
        ("metrics", "mse", keras.metrics.MeanSquaredError),
    ],
)
def test_names_in_each_family_are_known(family, name, value):
    assert private.objects_by_name(family)[name] is value, MOVED


def test_a_family_without_a_list_knows_no_names():
    assert private.objects_by_name("tree") == {}


def test_calls_in_translated_code_are_told(put_back, tmp_path, monkeypatch):
    (tmp_path / "told.py").write_text("import keras\ndef f(x):\n    return keras.ops.square(x=x)\n")
    monkeypatch.syspath_prepend(tmp_path)
    told = []
    private.watch_translated(lambda *call: told.append(call))
    tf.function(import_module("told").f)(tf.ones(1))
    calls = [(args, list(given)) for f, args, given in told if f is keras.ops.square]
    assert calls == [((), ["x"])], MOVED


def test_what_compile_was_given_as_text_is_told(put_back):
    told = []
    private.watch_compiled(told.append)
    model = keras.Sequential([keras.layers.Dense(1, "sigmoid")])
    model.compile(loss="mse", metrics=["accuracy", keras.metrics.binary_crossentropy])
    model.evaluate(np.ones((2, 3)), np.ones((2, 1)), verbose=0)
    assert keras.losses.mean_squared_error in told, MOVED
    assert keras.metrics.binary_crossentropy in told, MOVED
    assert keras.metrics.BinaryAccuracy in map(type, told), MOVED


def test_objects_given_to_compile_are_not_told(put_back):
    told = []
    private.watch_compiled(told.append)
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile(loss=keras.losses.MeanSquaredError())
    model.evaluate(np.ones((2, 3)), np.ones((2, 1)), verbose=0)
    assert told == []
