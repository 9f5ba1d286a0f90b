"""Figures in one style: same size, fonts and colors everywhere, readable on a phone."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
from cycler import cycler
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

# Okabe and Ito's colors, safe for color-blind readers, without yellow (too pale on white).
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#E69F00", "#56B4E9", "#777777")
# A dash pattern for each color, so that the lines differ in print and without color as well.
DASHES: tuple[Any, ...] = (
    "-",
    (0, (5, 1.6)),
    (0, (1.2, 1.2)),
    (0, (6, 1.5, 1.2, 1.5)),
    (0, (9, 2.5)),
    (0, (3, 1.2)),
    (0, (6, 1.2, 1.2, 1.2, 1.2, 1.2)),
    (0, (1.2, 3)),
)
DARK = "#222222"

# 6.4 inches at 110 dpi are 704 pixels: twice the width of a phone, so 12 points become 9 pixels.
STYLE: dict[Any, Any] = {
    "figure.dpi": 110,
    "savefig.dpi": "figure",
    "savefig.bbox": None,
    "figure.constrained_layout.use": True,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "axes.facecolor": "white",
    "font.family": "DejaVu Sans",
    "font.size": 12,
    "axes.titlesize": 13,
    "figure.titlesize": 13,
    "axes.labelsize": 12,
    "xtick.labelsize": 11,
    "ytick.labelsize": 11,
    "legend.fontsize": 11.5,
    "text.color": DARK,
    "axes.labelcolor": DARK,
    "axes.edgecolor": "#777777",
    "xtick.color": DARK,
    "ytick.color": DARK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#DDDDDD",
    "grid.linewidth": 0.8,
    "lines.linewidth": 2.4,
    "legend.frameon": False,
    "legend.handlelength": 3.2,
    "axes.prop_cycle": cycler(color=COLORS, linestyle=DASHES),
    "image.interpolation": "nearest",
    "image.cmap": "gray",
}


def use_style() -> None:
    """Make the book's style that of every figure from now on, whatever matplotlibrc says."""
    matplotlib.rcdefaults()
    matplotlib.rcParams.update(STYLE)


def figure(width: float = 6.4, height: float = 3.6, **subplots: Any) -> tuple[Figure, Any]:
    """A figure in the book's style, `width` by `height` inches at 110 pixels an inch.

    `subplots` goes to `plt.subplots` (`nrows`, `ncols`, `sharey`, ...). Returns the figure and its
    axes: one, or an array of them. Raises ValueError for a size that is not positive.
    """
    for name, value in (("width", width), ("height", height)):
        if not value > 0:
            raise ValueError(f"{name}: expected a number of inches > 0, got {value!r}")
    use_style()
    return plt.subplots(figsize=(width, height), **subplots)


def curves(
    x: Any,
    lines: Mapping[str, Any],
    *,
    xlabel: str,
    ylabel: str,
    title: str | None = None,
    marks: Sequence[tuple[float, float, str]] = (),
) -> None:
    """Draw lines over a common `x`, each with its own color and dashes, and show the figure.

    `x` has shape (n,); `lines` maps a label to n values (NaN leaves a gap); `marks` are points
    (x, y, text). Raises ValueError for no line, more than eight, or another number of values.
    """
    x = np.asarray(x, dtype=float)
    if x.ndim != 1 or not 1 <= len(lines) <= len(COLORS):
        raise ValueError(
            f"x, lines: expected x of shape (n,) and 1 to {len(COLORS)} lines, "
            f"got x of shape {x.shape} and {len(lines)} lines"
        )
    values = {label: np.asarray(y, dtype=float) for label, y in lines.items()}
    for label, y in values.items():
        if y.shape != x.shape:
            raise ValueError(f"lines[{label!r}]: expected shape {x.shape} as x, got {y.shape}")
    columns, rows = _legend_size(list(lines))
    # heights in tenths of an inch: a whole number of pixels
    fig, axes = figure(height=3.6 + (0.3 * rows if len(lines) > 1 else 0))
    for y in values.values():
        axes.plot(x, y)  # the style gives each its color and dashes
    if marks:
        axes.margins(y=0.16)  # room for text above and below
    for mark in marks:
        _mark(axes, *mark)
    axes.set(xlabel=xlabel, ylabel=ylabel, title=title or "")
    if len(lines) > 1:
        # below the axes it can hide nothing
        fig.legend(axes.lines[: len(lines)], list(lines), loc="outside lower center", ncols=columns)
    plt.show()


def _legend_size(labels: list[str], width: float = 6.2) -> tuple[int, int]:
    """Columns and rows of a legend that fits `width` inches."""
    entry = 0.85 + 0.095 * max(map(len, labels))
    columns = max(1, min(len(labels), int(width / entry)))
    return columns, -(-len(labels) // columns)


def _mark(axes: Any, x: float, y: float, text: str) -> None:
    """A point with its text in the corner around it where the fewest points of lines lie."""
    axes.autoscale_view()  # the limits, and with them places in pixels, are computed late
    lines = np.concatenate([line.get_xydata() for line in axes.lines])
    points = axes.transData.transform(lines[np.isfinite(lines).all(axis=1)])
    center = axes.transData.transform((x, y))
    # in pixels; a character is about 0.6 of its 12 points wide
    width, height = (size * axes.figure.dpi / 72 for size in (0.6 * 12 * len(text) + 12, 24))

    def crowd(corner: tuple[int, int]) -> float:
        away = (points - center) * corner
        covered = ((away > 0) & (away < (width, height))).all(axis=1).sum()
        outside = not axes.bbox.contains(*(center + np.array(corner) * (width, height)))
        return float(covered + len(points) * outside)

    right, up = min([(1, 1), (-1, 1), (1, -1), (-1, -1)], key=crowd)
    axes.plot([x], [y], marker="o", markersize=8, color=DARK, markeredgecolor="white", zorder=5)
    axes.annotate(
        text,
        (x, y),
        xytext=(9 * right, 9 * up),
        textcoords="offset points",
        ha="left" if right > 0 else "right",
        va="bottom" if up > 0 else "top",
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5, "alpha": 0.85},
        zorder=6,
    )


def histograms(
    samples: Mapping[str, Any],
    *,
    xlabel: str,
    bins: int = 40,
    density: Mapping[str, Callable[[Any], Any]] | None = None,
    title: str | None = None,
) -> None:
    """Draw the distribution of each sample in its own panel, on shared axes, and show the figure.

    `samples` maps a label to 1-D values; heights are densities (area 1); `density` maps a label to
    its theoretical density, a function of an array, drawn as a line. Raises ValueError for no
    sample, an empty or infinite one, or a density without a sample.
    """
    values = {label: np.asarray(sample, dtype=float) for label, sample in samples.items()}
    density = density or {}
    if not values or bins < 1:
        raise ValueError(f"samples, bins: expected one of each, got {len(values)} and {bins!r}")
    for label, sample in values.items():
        if sample.ndim != 1 or not sample.size or not np.isfinite(sample).all():
            raise ValueError(
                f"samples[{label!r}]: expected finite values of shape (n,), n >= 1, "
                f"got shape {sample.shape}"
            )
    if unknown := [label for label in density if label not in values]:
        raise ValueError(f"density: no sample called {unknown}; there are {list(values)}")
    edges = np.histogram_bin_edges(np.concatenate(list(values.values())), bins)
    rows, columns = _grid(len(values))
    fig, axes = figure(
        height=0.7 + 2.3 * rows, nrows=rows, ncols=columns, sharex=True, sharey=True, squeeze=False
    )
    grid = np.linspace(edges[0], edges[-1], 401)
    for number, (panel, (label, sample)) in enumerate(zip(axes.flat, values.items(), strict=False)):
        panel.hist(sample, edges, density=True, color="#8EC1DE", edgecolor="#8EC1DE")
        if label in density:
            panel.plot(grid, density[label](grid), color=COLORS[1], linestyle="-")
        panel.set_title(label)
        panel.xaxis.set_major_locator(MaxNLocator(3))
        panel.tick_params(labelbottom=number + columns >= len(values))
    for panel in axes.flat[len(values) :]:
        panel.remove()
    fig.supxlabel(xlabel, fontsize=12)
    fig.supylabel("density", fontsize=12)
    if title:
        fig.suptitle(title)
    plt.show()


def _grid(panels: int, columns: int | None = None) -> tuple[int, int]:
    """Rows and columns of panels: at most three side by side, as evenly filled as possible."""
    rows = -(-panels // min(panels, columns or 3))
    return rows, min(panels, columns or -(-panels // rows))


def images(
    arrays: Sequence[Any],
    *,
    titles: Sequence[str] | None = None,
    xlabel: str = "column",
    ylabel: str = "row",
    numbers: bool = False,
    columns: int | None = None,
) -> None:
    """Show arrays as pictures side by side on one color scale, and show the figure.

    Each array has shape (rows, columns), (rows, columns, 1) or (rows, columns, 3); three channels
    are colors in 0..1 or 0..255. Values in 0..1 are shown gray, without a color bar; negative
    ones blue and positive ones red on a symmetric scale. `numbers` writes the values into the
    cells. `columns` is the number of panels in a row (3 if there are many). Raises ValueError for
    no array, another shape, values that are not finite or another number of titles.
    """
    pictures = [_picture(array, number) for number, array in enumerate(arrays)]
    if not pictures or (titles is not None and len(titles) != len(pictures)):
        raise ValueError(
            "arrays, titles: expected at least one array and a title for each, "
            f"got {len(pictures)} arrays and titles={titles!r}"
        )
    if columns is not None and columns < 1:
        raise ValueError(f"columns: expected a number >= 1, got {columns!r}")
    down, across = _grid(len(pictures), columns)
    scale, bar = _scale([picture for picture in pictures if picture.ndim == 2])
    shape = max(p.shape[0] for p in pictures) / max(p.shape[1] for p in pictures)
    width = (4.8 if bar else 5.7) / across - 0.15
    height = 0.6 + down * (0.4 + min(width * shape, 4.0))
    fig, axes = figure(height=round(height, 1), nrows=down, ncols=across, squeeze=False)
    for number, (panel, picture) in enumerate(zip(axes.flat, pictures, strict=False)):
        shown = panel.imshow(picture, **scale)
        panel.grid(False)
        panel.spines[["top", "right"]].set_visible(True)
        for axis, size in ((panel.xaxis, picture.shape[1]), (panel.yaxis, picture.shape[0])):
            axis.set_ticks(range(0, size, -(-size // 6)))
        panel.set_title(titles[number] if titles else "")
        panel.set(xlabel=xlabel if number + across >= len(pictures) else "")
        panel.set(ylabel=ylabel if number % across == 0 else "")
        if numbers and picture.ndim == 2:
            _write_numbers(panel, picture, shown, min(width, 4.0 / shape))
    for panel in axes.flat[len(pictures) :]:
        panel.remove()
    if bar:
        colors = ScalarMappable(Normalize(scale["vmin"], scale["vmax"]), scale["cmap"])
        fig.colorbar(colors, ax=fig.axes, shrink=0.85)
    plt.show()


def _picture(array: Any, number: int) -> Any:
    """One array as (rows, columns) floats, or as (rows, columns, 3) colors in 0..1."""
    picture = np.asarray(array, dtype=float)
    if picture.ndim == 3 and picture.shape[-1] == 1:
        picture = picture[..., 0]
    colored = picture.ndim == 3 and picture.shape[-1] == 3
    if not (picture.ndim == 2 or colored) or not picture.size or not np.isfinite(picture).all():
        raise ValueError(
            f"arrays[{number}]: expected finite values of shape (rows, columns) or "
            f"(rows, columns, 1 or 3), got shape {np.shape(array)}"
        )
    if colored:
        return np.clip(picture / (255 if picture.max() > 1 else 1), 0, 1)
    return picture


def _scale(pictures: list[Any]) -> tuple[dict[str, Any], bool]:
    """Limits and color map common to all pictures, and whether they need a color bar."""
    low = min((float(p.min()) for p in pictures), default=0.0)
    high = max((float(p.max()) for p in pictures), default=1.0)
    if low < 0:
        limit = max(-low, high)
        return {"vmin": -limit, "vmax": limit, "cmap": "RdBu_r"}, True
    return {"vmin": 0.0, "vmax": max(high, 1.0), "cmap": "gray"}, high > 1


def _write_numbers(panel: Any, picture: Any, shown: Any, width: float) -> None:
    """Write each value into its cell, dark on light cells and light on dark ones.

    `width` is that of the picture in inches.
    """
    digits = 0 if (picture == picture.round()).all() else 2
    texts = np.vectorize(lambda value: f"{value:.{digits}f}", otypes=[object])(picture)
    widest = max(len(text) for text in texts.flat)
    # a cell of `width / columns` inches holds its widest number: 0.62 em a character
    size = min(13.0, 72 * 0.9 * width / picture.shape[1] / (0.62 * max(widest, 2)))
    colors = shown.cmap(shown.norm(picture))[..., :3] @ [0.299, 0.587, 0.114]
    for (row, column), text in np.ndenumerate(texts):
        ink = "black" if colors[row, column] > 0.5 else "white"
        panel.text(column, row, text, ha="center", va="center", color=ink, fontsize=size)
