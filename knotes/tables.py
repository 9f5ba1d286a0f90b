"""Tables that a page shows: of values, and of what Keras itself says about its objects."""

import math
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from html import escape
from typing import Any

from knotes.describe import arguments_of, default_of
from knotes.errors import in_one_line

_NUMBER = re.compile(r"[-+]?(\d[\d,]*(\.\d+)?(e[-+]?\d+)?|inf|nan)")


class Table:
    """Rows of text under column names; a notebook shows it as HTML, `print` as aligned text.

    `rows` is a list of tuples of strings, `columns` a list of strings, `len` counts the rows.
    Columns of numbers are aligned to the right. Raises ValueError when a row has another number
    of cells than there are columns.
    """

    def __init__(self, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        self.columns = [_line(str(column)) for column in columns]
        self.rows = [tuple(_line(str(cell)) for cell in row) for row in rows]
        for number, row in enumerate(self.rows):
            if len(row) != len(self.columns):
                raise ValueError(
                    f"rows: expected {len(self.columns)} cells, got {len(row)} in row {number}"
                )
        self._right = [
            any(row[i] for row in self.rows)
            and all(not row[i] or _NUMBER.fullmatch(row[i]) for row in self.rows)
            for i in range(len(self.columns))
        ]

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        lines = [self.columns, *self.rows]
        widths = [max(len(line[i]) for line in lines) for i in range(len(self.columns))]
        rule = "  ".join("-" * width for width in widths)
        texts = [
            "  ".join(
                cell.rjust(width) if right else cell.ljust(width)
                for cell, width, right in zip(line, widths, self._right, strict=True)
            ).rstrip(" ")
            for line in lines
        ]
        return "\n".join([texts[0], rule, *texts[1:]])

    def _repr_html_(self) -> str:
        marks = [' class="number"' if right else "" for right in self._right]
        head = "".join(
            f'<th scope="col"{mark}>{escape(column)}</th>'
            for column, mark in zip(self.columns, marks, strict=True)
        )
        body = "\n".join(
            "<tr>"
            + "".join(f"<td{m}>{escape(cell)}</td>" for cell, m in zip(row, marks, strict=True))
            + "</tr>"
            for row in self.rows
        )
        return (
            f'<table class="knotes">\n<thead>\n<tr>{head}</tr>\n</thead>\n'
            f"<tbody>\n{body}\n</tbody>\n</table>"
        )


def table(columns: Mapping[str, Sequence[Any]], *, digits: int = 3) -> Table:
    """Show columns of equal length side by side.

    `columns` maps each name to a sequence, a 1-D array or a tensor. Floats get `digits` decimals
    (scientific notation from 1e7 on); arrays in a cell keep NumPy's form with `digits` decimals.
    Raises ValueError when the lengths differ or there is no column.
    """
    if not columns:
        raise ValueError("columns: expected at least one column, got an empty dict")
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"columns: expected equal lengths, got {lengths}")
    cells = [[format_value(value, digits) for value in values] for values in columns.values()]
    return Table(list(columns), list(zip(*cells, strict=True)))


def signature(obj: Any, *, skip: Collection[str] = ()) -> Table:
    """List the arguments and defaults of a class or function, read from the object itself.

    `skip` names arguments to leave out. Raises TypeError when `obj` cannot be called, ValueError
    when `skip` names an argument that does not exist. Source: `inspect.signature`.
    """
    parameters = arguments_of(obj)
    if unknown := sorted(set([skip] if isinstance(skip, str) else skip) - set(parameters)):
        raise ValueError(f"skip: no such argument {unknown}; there are {list(parameters)}")
    stars = {"VAR_POSITIONAL": "*", "VAR_KEYWORD": "**"}
    return Table(
        ["argument", "default"],
        [
            (stars.get(parameter.kind.name, "") + name, default_of(parameter))
            for name, parameter in parameters.items()
            if name not in skip
        ],
    )


def weights(layer: Any) -> Table:
    """List the weights of a built layer or model: path below it, shape, dtype, parameters.

    The last row holds the total. Raises ValueError when the layer has no weights yet because it
    was neither built nor called.
    """
    if not layer.built:
        raise ValueError(
            f"layer: {layer.name!r} is not built, so its weights do not exist yet; "
            "call it on data or call build(input_shape) first"
        )
    rows: list[tuple[object, ...]] = []
    total = 0
    for weight in layer.weights:
        count = math.prod(weight.shape)
        total += count
        trainable = "yes" if weight.trainable else "no"
        shape = tuple(weight.shape)
        rows.append((path_below(weight, layer), shape, weight.dtype, trainable, count))
    rows.append(("total", "", "", "", total))
    return Table(["weight", "shape", "dtype", "trainable", "parameters"], rows)


def shapes(make: Callable[[], Any], input_shapes: Sequence[Any]) -> Table:
    """Send input shapes through fresh layers, symbolically, and list what comes out.

    `make` takes no argument and returns a new layer. An input shape is a tuple, batch included,
    None where unknown; a list of tuples for a layer with several inputs. A shape that the layer
    refuses shows the error in the column `output`. Raises ValueError without input shapes.
    """
    import keras

    if not input_shapes:
        raise ValueError("input_shapes: expected at least one shape, got none")
    rows = []
    for shape in input_shapes:
        many = isinstance(shape, list)
        tensors = [keras.KerasTensor(one) for one in (shape if many else [shape])]
        try:
            layer = make()
            output = layer(tensors if many else tensors[0])
            rows.append((shape, shape_text(output), layer.count_params()))
        except Exception as error:
            rows.append((shape, in_one_line(error), ""))
    return Table(["input", "output", "parameters"], rows)


def format_value(value: Any, digits: int) -> str:
    """One cell: floats with `digits` decimals, arrays in NumPy's form, all else by `str`."""
    if hasattr(value, "__array__"):
        import numpy as np

        array = np.asarray(value)
        if array.ndim:
            return np.array2string(
                array, precision=digits, floatmode="fixed", suppress_small=True, max_line_width=1000
            )
        value = array.item()
    if not isinstance(value, float):
        return str(value)
    if math.isfinite(value) and abs(value) >= 1e7:
        return f"{value:.{digits}e}"
    text = f"{value:.{digits}f}"
    # a rounding error below zero would otherwise show as -0.000
    return text.removeprefix("-") if not text.strip("-0.") else text


def path_below(weight: Any, layer: Any) -> str:
    """The path of a weight without the layer's own part: `kernel`, not `dense/kernel`."""
    path = str(weight.path)
    own = str(layer.path or layer.name) + "/"
    return path.removeprefix(own)


def shape_text(value: Any) -> str:
    """The shape of a tensor, or the shapes of nested tensors in brackets."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {shape_text(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(shape_text(one) for one in value) + "]"
    return str(tuple(getattr(value, "shape", ())))


def _line(text: str) -> str:
    """Text on one line, so that it keeps its row."""
    lines = text.splitlines()
    return text if [text] == lines else " ".join(line.strip() for line in lines)
