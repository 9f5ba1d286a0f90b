"""Coverage: what is counted, what is saved, and what makes a test fail."""

import asyncio
import dataclasses

import pytest

from knotes.pipeline import notebooks
from knotes.pipeline.api import coverage, inventory
from knotes.pipeline.api.coverage import Coverage, CoverageError, Place
from knotes.pipeline.api.inventory import Symbol

DENSE = Symbol(
    "keras.layers.Dense", "class", "keras.layers", {"units": "required", "use_bias": "True"},
    aliases=("keras.layers.D",), inherited={"name": "keras.Layer"}, attributes=("kernel",),
    bases=("keras.Layer",),
)  # fmt: skip
LAYER = Symbol("keras.Layer", "class", "keras", {"name": "None"})
RELU = Symbol("keras.activations.relu", "function", "keras.activations", {"x": "required"})
ABS = Symbol("keras.ops.abs", "function", "keras.ops", {"x": "required"}, apart="a subject")
SYMBOLS = {symbol.name: symbol for symbol in (DENSE, LAYER, RELU, ABS)}
NOTES = {
    "book/layers/dense": [
        {},
        {"calls": ["keras.layers.Dense(name, units)"], "named": ["keras.activations.relu"]},
        {"knotes": ["keras.layers.Dense(use_bias)"], "raised": ["keras.layers.Dense"]},
    ]
}


def measured(notes=NOTES, symbols=SYMBOLS):
    return coverage.measure(symbols, notes)


# --- counting


def test_symbols_and_parameters_are_counted_with_their_cells():
    found = measured()
    page = "book/layers/dense"
    assert found.exercised("keras.layers.Dense") == [Place(page, 2), Place(page, 3)]
    assert found.pairs["keras.layers.Dense", "use_bias"] == [Place(page, 3)]
    assert found.pairs["keras.Layer", "name"] == [Place(page, 2)]  # its base class takes it
    states = {name: found.state(name) for name in SYMBOLS}
    assert states == {
        "keras.layers.Dense": "exercised",
        "keras.Layer": "missing",
        "keras.activations.relu": "named",
        "keras.ops.abs": "missing",
    }


def test_rows_add_up_and_what_is_apart_is_no_part_of_the_target():
    every = coverage.rows(measured())
    assert {
        row.group: (row.exercised, row.symbols, row.pairs, row.parameters) for row in every
    } == {
        "keras": (0, 1, 1, 1),
        "keras.layers": (1, 1, 2, 2),
        "keras.activations": (0, 1, 0, 1),
        "keras.ops": (0, 1, 0, 1),
    }
    target = coverage.total((row for row in every if not row.apart), "all")
    assert (target.exercised, target.symbols, target.states["named"]) == (1, 3, 1)


def test_a_method_that_only_raises_is_exercised_by_an_override_or_its_error():
    def method(name, **kind):
        given = {"inputs": "required", "extra": "None"}
        return Symbol(f"keras.Layer.{name}", "method", "methods of keras.Layer", given, **kind)

    methods = [method("call", abstract=True), method("add_metric", abstract=True), method("build")]
    symbols = SYMBOLS | {symbol.name: symbol for symbol in methods}
    notes = {
        "book/own": [
            {"subclassed": ["keras.layers.Dense(build, call)"]},
            {"raised": ["keras.Layer.add_metric", "keras.Layer.build"]},
        ]
    }
    found = measured(notes, symbols)
    assert found.exercised("keras.Layer.call") == [Place("book/own", 1)]
    assert found.exercised("keras.Layer.add_metric") == [Place("book/own", 2)]
    assert found.exercised("keras.Layer.build") == []  # it does something by itself
    assert found.pairs == {("keras.Layer.call", "inputs"): [Place("book/own", 1)]}


def test_the_report_lists_numbers_what_is_missing_and_pages():
    text = coverage.report(measured(), NOTES)
    assert "keras.layers         1 / 1  100 %" in text
    assert "keras.activations, only given by name (1):\n    relu" in text
    assert "book/layers/dense: 1 symbols, 3 parameters (1):" in text
    assert "raised (1):\n    keras.layers.Dense" in text


def test_a_share_is_rounded_down():
    assert (coverage._percent(199, 200), coverage._percent(2, 2)) == ("99 %", "100 %")


# --- saved, and compared


@pytest.fixture
def saved():
    return coverage.current(measured())


def test_what_is_saved_is_read_back(saved, tmp_path):
    saved.write(tmp_path / "keras.json")
    assert coverage.load(tmp_path / "keras.json") == saved
    assert saved.exercised == ["keras.layers.Dense"]


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"symbols": [], "keras": "3"}'])
def test_a_broken_file_is_an_error_that_names_it(tmp_path, text):
    (tmp_path / "keras.json").write_text(text)
    with pytest.raises(CoverageError, match=r"keras\.json: expected what make coverage writes"):
        coverage.load(tmp_path / "keras.json")


def test_no_less_is_no_fault(saved):
    assert coverage.faults(saved, measured()) == []
    more = NOTES | {"book/more": [{"calls": ["keras.activations.relu(x)"]}]}
    assert coverage.faults(saved, measured(more)) == []


def test_a_fall_is_a_fault_for_symbol_and_parameter(saved):
    less = {"book/layers/dense": [{}, {"knotes": ["keras.layers.Dense(use_bias)"]}]}
    assert coverage.faults(saved, measured(less)) == [
        "keras.Layer(name): was exercised, no page exercises it now",
        "keras.layers.Dense(units): was exercised, no page exercises it now",
    ]
    none = coverage.faults(saved, measured({}))
    assert "keras.layers.Dense: was exercised, no page exercises it now" in none


def test_what_a_new_keras_brings_is_a_fault_unless_covered(saved):
    wider = dataclasses.replace(DENSE, parameters={**DENSE.parameters, "turbo": "False"})
    new = Symbol("keras.layers.New", "class", "keras.layers", {})
    apart = Symbol("keras.ops.new", "function", "keras.ops", {}, apart="a subject")
    symbols = SYMBOLS | {wider.name: wider, new.name: new, apart.name: apart}
    told = "\n".join(coverage.faults(saved, measured(NOTES, symbols)))
    assert "keras.layers.New: new in Keras" in told
    assert "keras.layers.Dense(turbo): new in Keras" in told
    assert "ops" not in told
    covered = {"book/new": [{"calls": ["keras.layers.New", "keras.layers.Dense(turbo)"]}]}
    assert coverage.faults(saved, measured(NOTES | covered, symbols)) == []


def test_what_a_new_keras_drops_is_a_fault(saved):
    symbols = {name: s for name, s in SYMBOLS.items() if s is not RELU}
    (told,) = coverage.faults(saved, measured(NOTES, symbols))
    assert "keras.activations.relu: Keras" in told
    assert "does not have it any more" in told


def test_the_book_covers_no_less_than_is_saved():
    found = coverage.faults(coverage.load(), measured(coverage.read_pages(), inventory.read()))
    assert found == [], "if this is meant: make coverage ACCEPT=1"


# --- pages


def page(write_page, note):
    """A text page and a stored notebook whose one cell has a note."""
    path = write_page("1 + 1")
    notebook = notebooks.read_text(path)
    coverage.store(notebook, [("1 + 1", note)])
    notebooks.write(notebooks.normalize(notebook, path), path.with_suffix(".ipynb"))
    return path


NOTE = {"calls": ["keras.layers.Dense(units)"]}


def test_notes_are_stored_with_their_cells(write_page):
    assert coverage.read_pages([page(write_page, NOTE)]) == {"sample": [NOTE]}


def test_a_record_older_than_its_page_is_an_error(write_page):
    path = page(write_page, NOTE)
    path.write_text(path.read_text().replace("Prose", "Other prose"))
    with pytest.raises(CoverageError, match=r"sample: the record .* is older than the page; run: "):
        coverage.read_pages([path])
    path.with_suffix(".ipynb").unlink()
    with pytest.raises(CoverageError, match="stored notebook not readable"):
        coverage.read_pages([path])


def test_notes_of_other_cells_are_refused(write_page):
    notebook = notebooks.read_text(write_page("1 + 1"))
    with pytest.raises(CoverageError, match="for 0 cells, expected 1"):
        coverage.store(notebook, [])


def test_other_uses_than_stored_are_told(write_page):
    stored = notebooks.read_stored(page(write_page, NOTE).with_suffix(".ipynb"))
    assert coverage.differences(stored, [("1 + 1", NOTE)]) == []
    new = {"calls": ["keras.layers.Dense(units, use_bias)"]}
    assert coverage.differences(stored, [("1 + 1", new)]) == [
        "code cell 1: stored, not used now: calls: keras.layers.Dense(units)",
        "code cell 1: used now, not stored: calls: keras.layers.Dense(units, use_bias)",
    ]
    assert coverage.differences(stored, []) == [
        "code cell 1: did not run, or its use was not noted"
    ]


def test_a_kernel_that_notes_nothing_gives_nothing():
    class Client:
        def execute(self, *_, **__):
            return "1"

        def get_shell_msg(self, timeout):
            return {
                "parent_header": {"msg_id": "1"},
                "content": {"user_expressions": {"it": {"status": "error"}}},
            }

    assert asyncio.run(coverage.ask(Client())) == []


# --- labels


def labels(text):
    cell = notebooks.nbformat.v4.new_markdown_cell(text)
    return coverage.labels_of(notebooks.nbformat.v4.new_notebook(cells=[cell]))


def test_labels_are_read_from_the_text_with_their_case():
    text = "(keras.layers.Dense)=\n(dense-own)=\n# Dense\n\n(keras.layers.dense)= no\n"
    assert labels(text) == ["keras.layers.Dense"]


def test_a_label_of_nothing_is_told_with_what_is_near():
    names = inventory.spelled(SYMBOLS)
    (told,) = coverage.unknown_labels(["keras.layers.Dens", "keras.layers.D.kernel"], names)
    assert told.startswith("label (keras.layers.Dens)=: Keras has no such symbol")
    assert "is it keras.layers.Dense?" in told


def test_a_label_needs_a_cell_that_exercises_it():
    names = inventory.spelled(SYMBOLS)
    claimed = ["keras.layers.Dense", "keras.layers.Dense.units", "keras.layers.Dense.kernel"]
    assert list(coverage.unproven_labels(claimed, names, measured())) == []
    less = measured({"p": [{"calls": ["keras.layers.Dense"]}]})
    (told,) = coverage.unproven_labels(claimed, names, less)
    assert told == "label (keras.layers.Dense.units)=: no cell of the page exercises it"
    (told,) = coverage.unproven_labels(["keras.activations.relu"], names, measured())
    assert "relu" in told


# --- the command


@pytest.fixture
def command(monkeypatch, tmp_path, write_page):
    """`make coverage` on a book of one page and four symbols; returns a call of it."""
    path = page(write_page, NOTE)
    monkeypatch.setattr(coverage, "ROOT", tmp_path)
    monkeypatch.setattr(coverage, "SAVED", tmp_path / "api" / "keras.json")
    monkeypatch.setattr(coverage, "REPORT", tmp_path / "_build" / "coverage.txt")
    monkeypatch.setattr(notebooks, "text_pages", lambda: [path])
    monkeypatch.setattr(inventory, "read", lambda: SYMBOLS)
    return lambda *arguments: coverage.main(list(arguments))


def test_the_command_saves_and_refuses_a_fall(command, tmp_path, write_page, capsys):
    assert command() == 0
    saved = (tmp_path / "api" / "keras.json").read_text()
    assert "1 / 1  100 %" in (tmp_path / "_build" / "coverage.txt").read_text()
    page(write_page, {})
    assert command() == 1
    assert "keras.layers.Dense: was exercised" in capsys.readouterr().err
    assert (tmp_path / "api" / "keras.json").read_text() == saved
    assert command("--accept") == 0
    assert (tmp_path / "api" / "keras.json").read_text() != saved


def test_the_command_names_a_page_that_is_not_current(command, tmp_path, capsys):
    text = tmp_path / "book" / "part" / "sample.md"
    text.write_text(text.read_text() + "\nMore.\n")
    assert command() == 1
    assert "is older than the page" in capsys.readouterr().err
    assert not (tmp_path / "api").exists()


def test_an_empty_coverage_exercises_nothing():
    empty = Coverage(SYMBOLS)
    assert empty.exercised("keras.layers.Dense") == []
    assert empty.missing_parameters(DENSE) == ["units", "use_bias"]
