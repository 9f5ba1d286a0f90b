"""What counts as a difference between a stored and a new output, and what does not."""

import base64
import io

import nbformat
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from knotes.pipeline import compare

output = nbformat.v4.new_output


def stream(text, name="stdout"):
    return output("stream", name=name, text=text)


def result(**data):
    names = {"plain": "text/plain", "html": "text/html", "png": "image/png", "svg": "image/svg+xml"}
    return output("display_data", data={names[k]: v for k, v in data.items()})


def png(draw=lambda canvas: None, size=(80, 60)):
    image = Image.new("RGB", size, "white")
    draw(ImageDraw.Draw(image))
    buffer = io.BytesIO()
    image.save(buffer, "png")
    return base64.b64encode(buffer.getvalue()).decode()


@pytest.mark.parametrize(
    ("stored", "new"),
    [
        ("loss 0.1234567", "loss 0.1234568"),
        ("[1.0000001 2.5]", "[1. 2.5]"),  # the padding follows the width of the number
        ("x = -0.0", "x = 0.0"),
        ("<td>0.3333333</td>", "<td>0.3333334</td>"),
        ("1e-07 and 2.5e+3", "1.000001e-07 and 2500.001"),
    ],
)
def test_rounding_of_floats_is_no_difference(stored, new):
    assert compare.same_text(stored, new)


@pytest.mark.parametrize(
    ("stored", "new"),
    [
        ("0.123", "0.124"),  # third digit
        ("0.12345", "0.12347"),
        ("units=3", "units=4"),
        ("(2, 3)", "(3, 2)"),
        ("12", "12.0"),
        ("100000", "100001"),  # an integer is exact, however large
        ("precision 0.9", "recall 0.9"),
        ("0.5 0.25", "0.25 0.5"),
        ("keras 3.15.1", "keras 3.15.2"),
        ("a  b", "a b"),
        ("0.5\n0.5", "0.5"),
        ("nan", "0.0"),
        ("inf", "-inf"),
        ("1.5", "-1.5"),
        ("float32", "float64"),
    ],
)
def test_anything_else_is_a_difference(stored, new):
    assert not compare.same_text(stored, new)


@given(st.text())
def test_a_text_equals_itself(text):
    assert compare.same_text(text, text)


floats = st.floats(min_value=1e-3, max_value=1e6)


@given(floats, st.floats(min_value=1e-4, max_value=10))
def test_a_relative_change_beyond_the_tolerance_is_seen(value, change):
    stored, new = f"x {value!r} y", f"x {value * (1 + change)!r} y"
    assert not compare.same_text(stored, new)


@given(floats, st.floats(min_value=-1, max_value=1))
def test_a_relative_change_within_the_tolerance_is_not(value, share):
    stored, new = f"x {value!r} y", f"x {value * (1 + 0.9e-5 * share)!r} y"
    assert compare.same_text(stored, new)


def faults(stored, new, tmp_path):
    return compare.compare_outputs(stored, new, tmp_path / "figure.png")


@pytest.mark.parametrize(
    ("stored", "new", "what"),
    [
        ([stream("a")], [], "stored [stdout], new [no output]"),
        ([], [result(png=png())], "stored [no output], new [display of image/png]"),
        (
            [result(plain="F", png=png())],
            [result(plain="F")],
            "stored [display of image/png, text/plain]",
        ),
        ([stream("a")], [stream("a", "stderr")], "new [stderr]"),
        ([stream("a")], [stream("a"), stream("b", "stderr")], "new [stdout; stderr]"),
        ([result(html="<tr>1</tr><tr>2</tr>")], [result(html="<tr>1</tr>")], "text/html differs"),
        ([result(svg="<svg>0.5</svg>")], [result(svg="<svg>0.6</svg>")], "image/svg+xml differs"),
        (
            [output("error", ename="ValueError", evalue="units=0", traceback=[])],
            [output("error", ename="ValueError", evalue="units=1", traceback=[])],
            "message of ValueError differs",
        ),
        (
            [output("error", ename="ValueError", evalue="", traceback=["\x1b[31mValueError"])],
            [output("error", ename="ValueError", evalue="", traceback=["ValueError: more"])],
            "traceback of ValueError differs",
        ),
        (
            [output("error", ename="ValueError", evalue="", traceback=[])],
            [output("error", ename="TypeError", evalue="", traceback=[])],
            "stored [error ValueError], new [error TypeError]",
        ),
    ],
)
def test_differences_are_named(stored, new, what, tmp_path):
    assert what in "\n".join(map(str, faults(stored, new, tmp_path)))


def test_equal_outputs_have_no_difference(tmp_path):
    outputs = [stream("0.1"), result(plain="x", png=png(), html="<b>1</b>")]
    assert faults(outputs, outputs, tmp_path) == []


def test_colors_of_a_terminal_do_not_count_in_a_traceback(tmp_path):
    traces = ("\x1b[31mE\x1b[0m", "E")
    a, b = (output("error", ename="E", evalue="m", traceback=[t]) for t in traces)
    assert faults([a], [b], tmp_path) == []


def line(width=3, gray=0, y=30):
    return lambda canvas: canvas.line([(5, y), (75, y)], fill=(gray,) * 3, width=width)


@pytest.mark.parametrize(
    "change",
    [line(width=2), line(y=31), line(gray=40), lambda canvas: None],
    ids=["thinner", "moved", "paler", "gone"],
)
def test_a_changed_figure_is_seen_and_drawn(change, tmp_path):
    stored, new = [result(png=png(line()))], [result(png=png(change))]
    (difference,) = faults(stored, new, tmp_path)
    assert "figure differs in" in difference.what
    with Image.open(difference.picture) as picture:
        assert picture.size == (3 * 80 + 12, 60)
        shown = np.asarray(picture.convert("L"))
    assert shown[:, :80].min() == 0  # the stored line
    assert shown[:, 172:].min() < 255  # the difference


def test_a_shade_at_an_edge_is_rounding(tmp_path):
    stored, new = [result(png=png(line(gray=0)))], [result(png=png(line(gray=compare.LEVELS)))]
    assert faults(stored, new, tmp_path) == []
    new = [result(png=png(line(gray=compare.LEVELS + 1)))]
    assert len(faults(stored, new, tmp_path)) == 1


def test_a_figure_of_another_size_is_a_difference(tmp_path):
    stored, new = [result(png=png())], [result(png=png(size=(80, 61)))]
    (difference,) = faults(stored, new, tmp_path)
    assert difference.what == "figure size (height, width): stored (60, 80), new (61, 80)"


def test_a_transparent_figure_is_compared_on_white():
    image = Image.new("RGBA", (2, 2), (0, 0, 0, 0))
    buffer = io.BytesIO()
    image.save(buffer, "png")
    assert compare.pixels(base64.b64encode(buffer.getvalue()).decode()).min() == 255


def test_the_diff_is_small():
    stored = "\n".join(f"line {i}" for i in range(100))
    new = stored.replace("line 50", "line fifty")
    assert compare.text_diff(stored, new).splitlines() == [
        "@@ -50,3 +50,3 @@",
        " line 49",
        "-line 50",
        "+line fifty",
        " line 51",
    ]
    assert compare.text_diff(stored, "").endswith("more lines")


def test_a_value_and_a_display_are_told_apart(tmp_path):
    value = output("execute_result", data={"text/plain": "1"}, execution_count=1)
    (told,) = faults([result(plain="1")], [value], tmp_path)
    assert told.what == "outputs: stored [display of text/plain], new [text/plain]"


def test_metadata_are_compared_and_an_output_without_data_is_no_crash(tmp_path):
    wide, narrow = result(png=png()), result(png=png())
    wide.metadata["image/png"] = {"width": 40}
    (told,) = faults([wide], [narrow], tmp_path)
    assert told.what == "metadata differs"
    empty = output("display_data", data={})
    assert faults([empty], [empty], tmp_path) == []
    (told,) = faults([wide], [empty], tmp_path)
    assert "new [display of no data]" in told.what


def test_messages_stay_short(tmp_path):
    long = stream("x" * 744_261)
    (told,) = faults([long], [stream("y" * 744_261)], tmp_path)
    assert len(str(told)) < 1000
    assert "more characters" in str(told)


def test_a_figure_that_cannot_be_decoded_is_a_difference(tmp_path):
    broken = result(png=base64.b64encode(b"no picture").decode())
    (told,) = faults([broken], [result(png=png())], tmp_path)
    assert "cannot be decoded" in told.what
    assert faults([broken], [broken], tmp_path) == []
