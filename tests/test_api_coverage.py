"""Coverage: what is counted, how it is summed up and told, and what labels promise."""

import nbformat

from knotes.pipeline.api import claims, coverage, report, totals
from knotes.pipeline.api.coverage import Coverage, Place
from knotes.pipeline.api.symbols import Symbol, spelled

from .small_api import DENSE, NOTES, SYMBOLS


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
    every = totals.rows(measured())
    assert {
        row.group: (row.exercised, row.symbols, row.pairs, row.parameters) for row in every
    } == {
        "keras": (0, 1, 1, 1),
        "keras.layers": (1, 1, 2, 2),
        "keras.activations": (0, 1, 0, 1),
        "keras.ops": (0, 1, 0, 1),
    }
    target = totals.total((row for row in every if not row.apart), "all")
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
    text = report.report(measured(), NOTES)
    assert "keras.layers         1 / 1  100 %" in text
    assert "keras.activations, only given by name (1):\n    relu" in text
    assert "book/layers/dense: 1 symbols, 3 parameters (1):" in text
    assert "raised (1):\n    keras.layers.Dense" in text


def test_a_share_is_rounded_down():
    assert (report._percent(199, 200), report._percent(2, 2)) == ("99 %", "100 %")


def test_an_empty_coverage_exercises_nothing():
    empty = Coverage(SYMBOLS)
    assert empty.exercised("keras.layers.Dense") == []
    assert empty.missing_parameters(DENSE) == ["units", "use_bias"]


# --- labels


def labels(text):
    cell = nbformat.v4.new_markdown_cell(text)
    return claims.labels_of(nbformat.v4.new_notebook(cells=[cell]))


def test_labels_are_read_from_the_text_with_their_case():
    text = "(keras.layers.Dense)=\n(dense-own)=\n# Dense\n\n(keras.layers.dense)= no\n"
    assert labels(text) == ["keras.layers.Dense"]


def test_a_label_of_nothing_is_told_with_what_is_near():
    names = spelled(SYMBOLS)
    (told,) = claims.unknown(["keras.layers.Dens", "keras.layers.D.kernel"], names)
    assert told.startswith("label (keras.layers.Dens)=: Keras has no such symbol")
    assert "is it keras.layers.Dense?" in told


def test_a_label_needs_a_cell_that_exercises_it():
    names = spelled(SYMBOLS)
    claimed = ["keras.layers.Dense", "keras.layers.Dense.units", "keras.layers.Dense.kernel"]
    assert list(claims.unproven(claimed, names, measured())) == []
    less = measured({"p": [{"calls": ["keras.layers.Dense"]}]})
    (told,) = claims.unproven(claimed, names, less)
    assert told == "label (keras.layers.Dense.units)=: no cell of the page exercises it"
    (told,) = claims.unproven(["keras.activations.relu"], names, measured())
    assert "relu" in told
