"""The inventory of the API: against Keras itself, and against what is saved for the site."""

import inspect
from pathlib import Path

import keras
import pytest
import yaml

from knotes.pipeline.api import ApiError, coverage, installed, inventory, public, signatures, totals
from knotes.pipeline.api.symbols import spelled
from knotes.pipeline.book import Book

from .small_api import SYMBOLS

BOOK = Book.find(Path(__file__))


@pytest.fixture(scope="module")
def symbols():
    return installed.read().symbols


def test_each_public_object_is_there_once(symbols):
    spelled = [
        name for s in symbols.values() for name in (s.name, *s.aliases) if s.kind != "method"
    ]
    assert len(spelled) == len(set(spelled))
    for namespace in (keras, keras.layers, keras.losses, keras.optimizers.schedules, keras.tree):
        path = namespace.__name__
        for name in dir(namespace):
            value = getattr(namespace, name)
            if not name.startswith("_") and (inspect.isclass(value) or inspect.isfunction(value)):
                assert f"{path}.{name}" in spelled


def test_aliases_are_folded(symbols):
    assert "keras.layers.MaxPool2D" in symbols["keras.layers.MaxPooling2D"].aliases
    assert "keras.layers.MaxPool2D" not in symbols
    assert "keras.models.Model" in symbols["keras.Model"].aliases


@pytest.mark.parametrize(
    ("name", "has", "has_not"),
    [
        # from private bases, through **kwargs
        ("keras.layers.RandomRotation", {"factor", "bounding_box_format"}, {"dtype"}),
        ("keras.layers.Conv1DTranspose", {"filters", "output_padding"}, {"rank", "trainable_x"}),
        ("keras.layers.IntegerLookup", {"max_tokens", "oov_token"}, set()),
        # a base class takes it: counted there, once
        ("keras.layers.Dense", {"units", "lora_rank"}, {"name", "dtype", "trainable"}),
        ("keras.Layer", {"name", "dtype", "trainable", "autocast"}, set()),
        # what a class gives its private base itself cannot be given to it
        ("keras.layers.MaxPooling2D", {"pool_size"}, {"pool_mode", "pool_dimensions"}),
        ("keras.Model", {"inputs", "outputs"}, set()),
        ("keras.Model.fit", {"x", "validation_freq"}, {"self"}),
        ("keras.optimizers.Adam", {"learning_rate", "clipnorm"}, set()),
    ],
)
def test_parameters_are_those_that_can_be_given(symbols, name, has, has_not):
    parameters = set(symbols[name].parameters)
    assert has <= parameters
    assert not has_not & parameters


def test_every_constructor_parameter_is_accepted(symbols):
    """A parameter that reaches a layer through a private base is really taken by it."""
    layer = keras.layers.RandomRotation(0.1, bounding_box_format="xyxy")
    assert layer.bounding_box_format == "xyxy"
    assert symbols["keras.layers.Dense"].inherited["name"] == "keras.Layer"
    with pytest.raises(TypeError, match="multiple values"):
        keras.layers.MaxPooling2D(pool_mode="average")


def test_methods_belong_to_the_most_general_class(symbols):
    assert "keras.Layer.get_config" in symbols
    assert "keras.Model.get_config" not in symbols
    assert "keras.layers.Dense.build" not in symbols
    assert symbols["keras.layers.LSTM.call"].parameters["initial_state"] == "None"
    assert symbols["keras.layers.TextVectorization.adapt"].apart


def test_methods_that_only_raise_are_marked(symbols):
    marked = {name for name, symbol in symbols.items() if symbol.abstract}
    assert {"keras.Layer.call", "keras.Loss.call", "keras.Layer.add_metric"} <= marked
    assert not {"keras.Layer.build", "keras.Model.get_layer", "keras.Layer"} & marked


def test_what_has_no_source_is_no_obstacle():
    space = {}
    exec("class Made:\n    def __init__(self, size, *args, **kwargs): pass", space)
    assert list(signatures.parameters_of(space["Made"])) == ["size"]
    assert not installed._only_raises(len)


def test_the_core_has_the_size_that_was_counted_for_it(symbols):
    core = totals.core(totals.rows(coverage.Coverage(symbols)))
    # An independent count of Keras 3.15.1 gave 367 objects and 1803 parameters.
    assert core.symbols == 367
    assert abs(core.parameters - 1803) <= 3


def test_names_of_all_kinds_are_known(symbols):
    names = spelled(symbols)
    assert names["keras.models.Model.fit"] == ("keras.Model.fit", "")
    assert names["keras.layers.MaxPool2D.pool_size"] == ("keras.layers.MaxPooling2D", "pool_size")
    assert names["keras.layers.Dense.kernel"] == ("keras.layers.Dense", "kernel")
    assert names["keras.layers.Dense.name"] == ("keras.layers.Dense", "name")
    assert names["keras.layers.LSTM.initial_state"] == ("keras.layers.LSTM", "initial_state")
    assert names["keras.losses.Huber.sample_weight"] == ("keras.losses.Huber", "sample_weight")
    assert names["keras.Sequential.fit"] == ("keras.Sequential", "fit")
    assert "keras.layers.Dens" not in names


def test_the_saved_inventory_is_that_of_the_installed_keras(symbols):
    saved = inventory.load(BOOK)
    assert saved.keras == keras.__version__
    assert saved.symbols == symbols, "run: make coverage"


def test_what_is_saved_is_read_back(tmp_path):
    saved = inventory.Inventory("3.15.1", SYMBOLS)
    saved.write(Book(tmp_path))
    assert inventory.load(Book(tmp_path)) == saved
    lines = (tmp_path / "api" / "inventory.json").read_text().splitlines()
    assert sum("keras." in line for line in lines) == len(SYMBOLS)


@pytest.mark.parametrize("text", [None, "", "{}", "[]", '{"symbols": [], "keras": "3"}'])
def test_a_file_that_is_broken_or_missing_is_an_error_that_names_it(tmp_path, text):
    path = tmp_path / "api" / "inventory.json"
    path.parent.mkdir()
    if text is not None:
        path.write_text(text)
    with pytest.raises(ApiError, match=r"inventory\.json: expected what make coverage writes"):
        inventory.load(Book(tmp_path))


def test_every_symbol_has_its_one_line_job(symbols):
    jobs = yaml.safe_load((BOOK.root / "api" / "jobs.yml").read_text("utf8"))
    own = {s.name for s in symbols.values() if s.kind != "method" or not s.apart}
    assert set(jobs) == own
    bad = [n for n, text in jobs.items() if not (20 <= len(text) <= 115 and text.endswith("."))]
    assert bad == []


def test_no_job_is_copied_from_a_docstring(symbols):
    jobs = yaml.safe_load((BOOK.root / "api" / "jobs.yml").read_text("utf8"))

    def words(text):
        return " ".join("".join(c if c.isalnum() else " " for c in text.lower()).split())

    copied = []
    for name, value in public.public_objects().items():
        doc = (inspect.getdoc(value) or "").split("\n\n")[0]
        if len(doc) > 30 and words(jobs[name]) == words(doc):
            copied.append(name)
    assert copied == []
