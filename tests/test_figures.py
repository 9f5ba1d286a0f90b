"""Figures: what is drawn, in one size, with the same bytes each time."""

import io

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image

import knotes
from knotes import figures

X = np.linspace(-2, 2, 41)


@pytest.fixture(autouse=True)
def clean():
    """Draw without a screen, and leave matplotlib as it was."""
    plt.switch_backend("agg")
    with mpl.rc_context():
        yield
        plt.close("all")


def last():
    fig = plt.gcf()
    fig.canvas.draw()
    return fig


def png(fig):
    buffer = io.BytesIO()
    fig.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def draw_curves():
    knotes.curves(X, {"a": X, "b": X**2}, xlabel="x", ylabel="y", title="T", marks=[(0, 0, "zero")])


def draw_histograms():
    values = np.random.default_rng(0).normal(size=500)
    knotes.histograms(
        {"normal": values, "half": values / 2},
        xlabel="value",
        density={"normal": lambda x: np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi)},
        title="T",
    )


def draw_images():
    knotes.images([np.eye(3), -np.ones((2, 3))], titles=["eye", "minus"], numbers=True)


@pytest.mark.parametrize("draw", [draw_curves, draw_histograms, draw_images])
def test_bytes_and_size_are_the_same_each_time(draw):
    pictures = []
    for _ in range(2):
        draw()
        pictures.append(png(last()))
        plt.close("all")
    assert pictures[0] == pictures[1]
    image = Image.open(io.BytesIO(pictures[0]))
    assert image.width == 704
    assert "Software" not in image.info


@pytest.mark.parametrize("draw", [draw_curves, draw_histograms, draw_images])
def test_text_stays_inside_the_figure_and_does_not_overlap(draw):
    draw()
    fig = last()
    renderer = fig.canvas.get_renderer()
    boxes = [
        (text.get_text(), text.get_window_extent(renderer))
        for text in fig.findobj(mpl.text.Text)
        if text.get_visible() and text.get_text() and not hasattr(text, "arrow_patch")
    ]
    shown = [(text, box) for text, box in boxes if box.width and box.height]
    named = [(text, box) for text, box in shown if any(c.isalpha() for c in text)]
    assert len(named) >= 3
    for text, box in named:
        assert box.x0 >= 0, text
        assert box.y0 >= 0, text
        assert box.x1 <= fig.bbox.width, text
        assert box.y1 <= fig.bbox.height, text
    for i, (text, box) in enumerate(named):
        for other, other_box in named[i + 1 :]:
            assert not box.overlaps(other_box), (text, other)


def test_the_style_wins_over_a_matplotlibrc():
    mpl.rcParams["axes.facecolor"] = "red"
    mpl.rcParams["lines.marker"] = "x"
    _fig, axes = knotes.figure()
    assert axes.get_facecolor() == (1, 1, 1, 1)
    assert mpl.rcParams["lines.marker"] == "None"


def test_figure_has_the_asked_size_and_panels():
    fig, axes = knotes.figure(5, 2, ncols=2)
    assert png(fig)
    assert Image.open(io.BytesIO(png(fig))).size == (550, 220)
    assert axes.shape == (2,)


@pytest.mark.parametrize("size", [(0, 1), (1, -1)])
def test_figure_refuses_other_sizes(size):
    with pytest.raises(ValueError, match=r"(width|height): expected a number of inches > 0, got"):
        knotes.figure(*size)


def test_each_line_has_its_own_color_and_dashes():
    labels = [f"line {number}" for number in range(8)]
    knotes.curves(X, {label: X * i for i, label in enumerate(labels)}, xlabel="x", ylabel="y")
    fig = last()
    lines = fig.axes[0].lines
    assert len({line.get_color() for line in lines}) == 8
    assert len({str(line._dash_pattern) for line in lines}) == 8
    assert [text.get_text() for text in fig.legends[0].get_texts()] == labels
    box = fig.legends[0].get_window_extent()
    assert box.x0 >= 0
    assert box.x1 <= fig.bbox.width
    assert not box.overlaps(fig.axes[0].bbox)


def test_one_line_needs_no_legend():
    knotes.curves(X, {"a": X}, xlabel="input", ylabel="output")
    fig = last()
    assert not fig.legends
    assert (fig.axes[0].get_xlabel(), fig.axes[0].get_ylabel()) == ("input", "output")
    np.testing.assert_array_equal(fig.axes[0].lines[0].get_ydata(), X)


def test_long_labels_are_stacked():
    assert figures._legend_size(["a" * 60, "b"]) == (1, 2)
    assert figures._legend_size(["a", "b", "c"]) == (3, 1)


@pytest.mark.parametrize(("x", "y"), [(2, 2), (-2, -2), (2, -2), (-2, 2), (0, 0)])
def test_marks_stay_inside_and_off_the_line(x, y):
    line = X if x * y >= 0 else -X
    knotes.curves(X, {"a": line}, xlabel="x", ylabel="y", marks=[(x, y, f"({x}, {y})")])
    fig = last()
    axes = fig.axes[0]
    (note,) = axes.texts
    box = note.get_window_extent()
    assert note.get_text() == f"({x}, {y})"
    assert axes.bbox.x0 <= box.x0
    assert box.x1 <= axes.bbox.x1
    assert axes.bbox.y0 <= box.y0
    assert box.y1 <= axes.bbox.y1
    points = axes.transData.transform(axes.lines[0].get_xydata())
    assert not any(box.contains(*point) for point in points)


def test_a_gap_in_a_line_is_allowed():
    knotes.curves([0, 1, 2], {"a": [0, np.nan, 1]}, xlabel="x", ylabel="y", marks=[(0, 0, "start")])
    assert len(last().axes[0].texts) == 1


@pytest.mark.parametrize(
    ("x", "lines", "message"),
    [
        (X, {}, "1 to 8 lines, got .* 0 lines"),
        (X, {str(i): X for i in range(9)}, "9 lines"),
        (np.ones((2, 2)), {"a": np.ones((2, 2))}, r"got x of shape \(2, 2\)"),
        (X, {"a": X[:-1]}, r"lines\['a'\]: expected shape \(41,\) as x, got \(40,\)"),
    ],
)
def test_curves_refuses(x, lines, message):
    with pytest.raises(ValueError, match=message):
        knotes.curves(x, lines, xlabel="x", ylabel="y")


def test_histograms_have_area_one_on_shared_axes():
    draw_histograms()
    normal, half = last().axes
    for panel in (normal, half):
        areas = [patch.get_width() * patch.get_height() for patch in panel.patches]
        assert len(areas) == 40
        assert sum(areas) == pytest.approx(1)
    assert normal.get_xlim() == half.get_xlim()
    assert normal.get_ylim() == half.get_ylim()
    assert [panel.get_title() for panel in (normal, half)] == ["normal", "half"]
    assert (len(normal.lines), len(half.lines)) == (1, 0)
    assert normal.lines[0].get_ydata().max() == pytest.approx(0.399, abs=1e-3)


@pytest.mark.parametrize(("count", "grid"), [(1, (1, 1)), (3, (1, 3)), (4, (2, 2)), (5, (2, 3))])
def test_panels_fill_rows_evenly(count, grid):
    knotes.histograms({str(i): np.arange(9.0) for i in range(count)}, xlabel="x", bins=3)
    fig = last()
    assert len(fig.axes) == count
    gridspec = fig.axes[0].get_subplotspec().get_gridspec()
    assert (gridspec.nrows, gridspec.ncols) == grid
    # a panel with none below shows its numbers
    bottom = fig.axes[-gridspec.ncols :]
    assert all(panel.xaxis.get_tick_params()["labelbottom"] for panel in bottom)
    assert not any(p.xaxis.get_tick_params()["labelbottom"] for p in fig.axes[: -len(bottom)])


@pytest.mark.parametrize(
    ("samples", "arguments", "message"),
    [
        ({}, {}, "expected one of each, got 0"),
        ({"a": [1.0]}, {"bins": 0}, "got 1 and 0"),
        ({"a": []}, {}, r"samples\['a'\]: expected finite values of shape \(n,\)"),
        ({"a": [[1.0]]}, {}, r"got shape \(1, 1\)"),
        ({"a": [np.inf]}, {}, "expected finite values"),
        ({"a": [1.0]}, {"density": {"b": abs}}, r"no sample called \['b'\]; there are \['a'\]"),
    ],
)
def test_histograms_refuses(samples, arguments, message):
    with pytest.raises(ValueError, match=message):
        knotes.histograms(samples, xlabel="x", **arguments)


def test_values_in_0_1_are_gray_without_a_bar():
    knotes.images([np.array([[0.25, 0.5]]), np.full((2, 2, 1), 0.75)], xlabel="key", ylabel="query")
    fig = last()
    assert len(fig.axes) == 2
    for panel in fig.axes:
        assert panel.images[0].get_clim() == (0, 1)
        assert panel.images[0].get_cmap().name == "gray"
        assert panel.get_xlabel() == "key"
    assert [panel.get_ylabel() for panel in fig.axes] == ["query", ""]


def test_larger_values_share_one_scale_with_a_bar():
    knotes.images([np.array([[0, 8]]), np.array([[2, 4]])])
    fig = last()
    assert len(fig.axes) == 3
    assert [panel.images[0].get_clim() for panel in fig.axes[:2]] == [(0, 8), (0, 8)]


def test_negative_values_get_a_symmetric_scale():
    for values in ([[-1.0, 3.0]], [[-3.0, 1.0]]):
        knotes.images([np.array(values)])
        image = last().axes[0].images[0]
        assert image.get_clim() == (-3, 3)
        assert image.get_cmap().name == "RdBu_r"


def test_numbers_are_readable_in_their_cells():
    knotes.images([np.array([[0, 1], [2, 10]])], numbers=True)
    panel = last().axes[0]
    texts = {text.get_position(): text for text in panel.texts}
    assert {place: text.get_text() for place, text in texts.items()} == {
        (0, 0): "0",
        (1, 0): "1",
        (0, 1): "2",
        (1, 1): "10",
    }
    assert texts[0, 0].get_color() == "white"
    assert texts[1, 1].get_color() == "black"
    for text in panel.texts:
        assert text.get_window_extent().width < panel.bbox.width / 2


def test_fractions_are_written_with_two_digits():
    knotes.images([np.full((2, 16), 0.123)], numbers=True)
    panel = last().axes[0]
    assert {text.get_text() for text in panel.texts} == {"0.12"}
    assert panel.texts[0].get_window_extent().width < panel.bbox.width / 16


@pytest.mark.parametrize("scale", [1, 255])
def test_three_channels_are_colors(scale):
    colors = np.array([[[0.0, 0.5, 1.0]]])
    knotes.images([colors * scale])
    np.testing.assert_allclose(last().axes[0].images[0].get_array(), colors)


def test_columns_sets_the_number_in_a_row():
    knotes.images([np.eye(2)] * 3, columns=2)
    fig = last()
    assert len(fig.axes) == 3
    assert [panel.get_xlabel() for panel in fig.axes] == ["", "column", "column"]


@pytest.mark.parametrize(
    ("arrays", "arguments", "message"),
    [
        ([], {}, "got 0 arrays"),
        ([np.eye(2)], {"titles": ["a", "b"]}, r"got 1 arrays and titles=\['a', 'b'\]"),
        ([np.eye(2)], {"columns": 0}, "columns: expected a number >= 1, got 0"),
        ([np.ones(3)], {}, r"arrays\[0\]: .* got shape \(3,\)"),
        ([np.ones((2, 2, 2))], {}, r"got shape \(2, 2, 2\)"),
        ([np.eye(2), np.full((2, 2), np.nan)], {}, r"arrays\[1\]: expected finite values"),
        ([np.ones((0, 2))], {}, "expected finite values"),
    ],
)
def test_images_refuses(arrays, arguments, message):
    with pytest.raises(ValueError, match=message):
        knotes.images(arrays, **arguments)
