"""Tables: aligned as text, escaped as HTML, and true to the object they describe."""

import html
import re

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import knotes
from knotes.tables import format_value, shape_text

cells = st.text(max_size=12)


@given(st.integers(1, 4).flatmap(lambda n: st.lists(st.lists(cells, min_size=n, max_size=n))))
def test_any_text_is_aligned_and_escaped(rows):
    width = len(rows[0]) if rows else 2
    names = [f"c{i}" for i in range(width)]
    shown = knotes.Table(names, rows)
    assert len(shown) == len(rows)
    lines = repr(shown).split("\n")
    assert len(lines) == len(rows) + 2
    # each column begins at the same place in all lines
    starts = [match.start() for match in re.finditer("-+", lines[1])]
    ends = [match.end() for match in re.finditer("-+", lines[1])]
    for line, row in zip(lines[2:], shown.rows, strict=True):
        padded = line.ljust(len(lines[1]))
        got = [padded[start:end] for start, end in zip(starts, ends, strict=True)]
        assert [cell.strip(" ") for cell in got] == [cell.strip(" ") for cell in row]
    body = re.findall(r"<td[^>]*>([^<>]*)</td>", shown._repr_html_())
    assert [html.unescape(cell) for cell in body] == [
        html.unescape(html.escape(cell)) for row in shown.rows for cell in row
    ]
    assert len(body) == len(rows) * width


def test_html_is_marked_for_the_style_sheet_and_escaped():
    shown = knotes.Table(["<name>", "n"], [("a & b", 1), ('"q"', 20)])
    assert shown._repr_html_() == (
        '<table class="knotes">\n<thead>\n<tr><th scope="col">&lt;name&gt;</th>'
        '<th scope="col" class="number">n</th></tr>\n</thead>\n<tbody>\n'
        '<tr><td>a &amp; b</td><td class="number">1</td></tr>\n'
        '<tr><td>&quot;q&quot;</td><td class="number">20</td></tr>\n</tbody>\n</table>'
    )


def test_text_aligns_numbers_to_the_right():
    shown = knotes.Table(["name", "n"], [("a", 1), ("long name", 200), ("none", "")])
    assert repr(shown) == ("name         n\n---------  ---\na            1\nlong name  200\nnone")
    assert shown.columns == ["name", "n"]
    assert shown.rows[1] == ("long name", "200")


def test_empty_cells_alone_are_no_numbers():
    assert "number" not in knotes.Table(["a"], [("",)])._repr_html_()
    assert "number" not in knotes.Table(["a"], [("1",), ("1 x",)])._repr_html_()


def test_line_breaks_stay_in_their_row():
    shown = knotes.Table(["a"], [("[[1 2]\n   [3 4]]",), ("  indented",)])
    assert shown.rows == [("[[1 2] [3 4]]",), ("  indented",)]


def test_rows_must_fit_the_columns():
    with pytest.raises(ValueError, match="rows: expected 2 cells, got 1 in row 1"):
        knotes.Table(["a", "b"], [(1, 2), (3,)])


def test_table_of_values():
    shown = knotes.table(
        {
            "x": np.array([0.5, 2.0, -1e-9]),
            "n": [1, 2, 3],
            "what": ["a", (2, 3), np.array([[0.25, 1], [2, 3]])],
            "t": keras.ops.ones(3),
        }
    )
    assert shown.columns == ["x", "n", "what", "t"]
    assert shown.rows == [
        ("0.500", "1", "a", "1.000"),
        ("2.000", "2", "(2, 3)", "1.000"),
        ("0.000", "3", "[[0.250 1.000] [2.000 3.000]]", "1.000"),
    ]


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (0.12345, 2, "0.12"),
        (-0.0001, 3, "0.000"),
        (-0.5, 3, "-0.500"),
        (-0.5, 0, "0"),
        (123456789.0, 1, "1.2e+08"),
        (float("inf"), 3, "inf"),
        (float("-inf"), 3, "-inf"),
        (float("nan"), 3, "nan"),
        (np.int64(3), 3, "3"),
        (np.float32(1), 3, "1.000"),
        (True, 3, "True"),
        (np.zeros((0,)), 3, "[]"),
    ],
)
def test_format_value(value, digits, text):
    assert format_value(value, digits) == text


@given(st.floats(-1e6, 1e6), st.integers(0, 5))
def test_formatted_floats_are_within_half_a_digit_and_never_minus_zero(value, digits):
    text = format_value(value, digits)
    assert abs(float(text) - value) <= 0.5 * 10**-digits * (1 + 1e-9)
    assert not (text.startswith("-") and float(text) == 0)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({}, "columns: expected at least one column"),
        ({"a": [1], "b": [1, 2]}, r"columns: expected equal lengths, got \{'a': 1, 'b': 2\}"),
    ],
)
def test_table_refuses(columns, message):
    with pytest.raises(ValueError, match=message):
        knotes.table(columns)


def test_signature_reads_the_object():
    shown = knotes.signature(keras.layers.Dense, skip=("bias_constraint",))
    assert shown.columns == ["argument", "default"]
    assert shown.rows[0] == ("units", "required")
    assert ("kernel_initializer", '"glorot_uniform"') in shown.rows
    assert ("bias_constraint", "None") not in shown.rows
    assert shown.rows[-1] == ("**kwargs", "")


def test_signature_of_functions():
    def function(x, *rest, rate=0.5):
        """Not called."""

    assert knotes.signature(function).rows == [
        ("x", "required"),
        ("*rest", ""),
        ("rate", "0.5"),
    ]


@pytest.mark.parametrize("skip", ["unit", ("units", "unit")])
def test_signature_skips_only_what_exists(skip):
    with pytest.raises(ValueError, match=r"skip: no such argument \['unit'\]; there are \['units'"):
        knotes.signature(keras.layers.Dense, skip=skip)


def test_signature_skips_one_name():
    assert "units" not in str(knotes.signature(keras.layers.Dense, skip="units"))


def test_weights_of_a_layer():
    layer = keras.layers.BatchNormalization()
    layer.build((None, 3))
    assert knotes.weights(layer).rows == [
        ("gamma", "(3,)", "float32", "yes", "3"),
        ("beta", "(3,)", "float32", "yes", "3"),
        ("moving_mean", "(3,)", "float32", "no", "3"),
        ("moving_variance", "(3,)", "float32", "no", "3"),
        ("total", "", "", "", "12"),
    ]


def test_weights_of_a_model_are_named_below_it():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3, name="first")])
    paths = [row[0] for row in knotes.weights(model).rows]
    assert paths == ["first/kernel", "first/bias", "total"]
    assert knotes.weights(model).rows[-1][-1] == str(model.count_params())


def test_weights_need_a_built_layer():
    with pytest.raises(ValueError, match=r"'early' is not built.* call build\(input_shape\)"):
        knotes.weights(keras.layers.Dense(3, name="early"))


def test_shapes_of_fresh_layers():
    made = []

    def make():
        made.append(keras.layers.Dense(5))
        return made[-1]

    shown = knotes.shapes(make, [(2, 3), (None, None, 4)])
    assert shown.rows == [
        ("(2, 3)", "(2, 5)", "20"),
        ("(None, None, 4)", "(None, None, 5)", "25"),
    ]
    assert len(made) == 2


def test_shapes_shows_what_is_refused():
    shown = knotes.shapes(lambda: keras.layers.LSTM(2), [(1, 4, 3), (1, 3)])
    assert shown.rows[0] == ("(1, 4, 3)", "(1, 2)", "48")
    assert shown.rows[1][1].startswith("ValueError: ")
    assert "expected ndim=3, found ndim=2" in shown.rows[1][1]
    assert shown.rows[1][2] == ""


def test_shapes_of_several_inputs_and_outputs():
    shown = knotes.shapes(keras.layers.Concatenate, [[(2, 3), (2, 4)]])
    assert shown.rows == [("[(2, 3), (2, 4)]", "(2, 7)", "0")]
    shown = knotes.shapes(lambda: keras.layers.GRU(2, return_state=True), [(1, 4, 3)])
    assert shown.rows[0][1] == "[(1, 2), (1, 2)]"


def test_shapes_needs_a_shape():
    with pytest.raises(ValueError, match="input_shapes: expected at least one shape"):
        knotes.shapes(keras.layers.Flatten, [])


def test_shape_text_of_nested_values():
    nested = {"a": np.zeros((2, 1)), "b": [np.zeros(3), 1.0]}
    assert shape_text(nested) == "{a: (2, 1), b: [(3,), ()]}"
