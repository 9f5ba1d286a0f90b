"""Compare the outputs a page stores with the outputs of a fresh run.

Text is compared exactly, but for floating-point numbers, which may differ by `RTOL`: on another
CPU or GPU the same program rounds differently in the last digits. Measured over 4847 printed
values with oneDNN on and off, the largest relative difference was 1.5e-6; a number printed with
up to five significant digits is therefore compared exactly. Integers, shapes, names, order and
white space must be equal.

Figures are compared pixel by pixel. With the pinned matplotlib the same numbers give the same
bytes; rounding may shade an edge by a few of 255 levels, so a pixel may differ by `LEVELS`.
"""

from __future__ import annotations

import base64
import difflib
import io
import json
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

RTOL = 1e-5
LEVELS = 16
#: The most pixels of a figure: a page shows some hundred thousand.
PIXELS = 4_000_000
LINE = 200  # characters of a line that a message shows

# A floating-point literal: has a point or an exponent, and is not part of a name or of a
# dotted sequence such as a version.
FLOAT = re.compile(
    r"(?<![\w.])[-+]?(?:\d+\.\d*|\.\d+|\d+(?=[eE][-+]?\d))(?:[eE][-+]?\d+)?(?!\.?\w)"
)
ANSI = re.compile(r"\x1b\[[0-9;]*m")
IMAGES = ("image/png", "image/jpeg")

Pixels = np.ndarray[Any, np.dtype[np.int16]]


@dataclass(frozen=True)
class Difference:
    """One difference between a stored and a new output, told to a reader."""

    what: str
    detail: str = ""
    picture: Path | None = None

    def __str__(self) -> str:
        lines = [self.what, self.detail]
        if self.picture is not None:
            lines.append(f"stored | new | difference: {self.picture}")
        return "\n".join(line for line in lines if line)


def same_text(stored: str, new: str, rtol: float = RTOL) -> bool:
    """Whether two texts are equal but for rounding of floating-point numbers."""
    if stored == new:
        return True
    old, fresh = FLOAT.findall(stored), FLOAT.findall(new)
    if len(old) != len(fresh):
        return False
    between = FLOAT.split(stored), FLOAT.split(new)
    if any(len(a) != len(b) for a, b in zip(old, fresh, strict=True)):
        # A number of another length moves the padding of its neighbors.
        between = tuple([re.sub(" +", " ", part) for part in side] for side in between)  # type: ignore[assignment]
    return between[0] == between[1] and all(
        _close(float(a), float(b), rtol) for a, b in zip(old, fresh, strict=True)
    )


def _close(a: float, b: float, rtol: float) -> bool:
    return a == b or abs(a - b) <= rtol * max(abs(a), abs(b))


def text_diff(stored: str, new: str, context: int = 1, limit: int = 30) -> str:
    """A small line diff, stored lines with ``-`` and new lines with ``+``."""
    lines = difflib.unified_diff(stored.splitlines(), new.splitlines(), lineterm="", n=context)
    shown = [clipped(line) for line in lines if not line.startswith(("---", "+++"))]
    if len(shown) > limit:
        shown = [*shown[:limit], f"… {len(shown) - limit} more lines"]
    return "\n".join(shown)


def clipped(line: str, length: int = LINE) -> str:
    """A line that is not longer than a message can bear."""
    return line if len(line) <= length else f"{line[:length]}… {len(line) - length} more characters"


def pixels(data: str) -> Pixels:
    """RGB values, shape (height, width, 3), of a base64 PNG or JPEG on a white ground.

    Raises ValueError for data that is no such figure, or one of more than `PIXELS`.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            file = Image.open(io.BytesIO(base64.b64decode(data)))
        width, height = file.size
        if width * height > PIXELS:
            raise ValueError(f"{width} × {height} pixels; at most {PIXELS / 1e6:g} million")
        image = file.convert("RGBA")
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"cannot be decoded: {clipped(str(error))}") from error
    ground = Image.new("RGBA", image.size, "white")
    return np.asarray(Image.alpha_composite(ground, image).convert("RGB")).astype(np.int16)


def compare_images(stored: str, new: str, picture: Path, levels: int = LEVELS) -> Difference | None:
    """Compare two base64 images; on a difference write stored, new, difference to `picture`."""
    if stored == new:
        return None
    try:
        old, fresh = pixels(stored), pixels(new)
    except ValueError as error:
        return Difference(f"figure that is not equal byte for byte {error}")
    if old.shape != fresh.shape:
        what = f"figure size (height, width): stored {old.shape[:2]}, new {fresh.shape[:2]}"
    else:
        off = np.abs(old - fresh).max(axis=-1)
        if off.max() <= levels:
            return None
        rows, columns = np.nonzero(off > levels)
        what = (
            f"figure differs in {rows.size} pixels, by up to {off.max()} of 255 levels, "
            f"in rows {rows.min()}–{rows.max()}, columns {columns.min()}–{columns.max()}"
        )
    return Difference(what, picture=_draw(old, fresh, picture))


def _draw(old: Pixels, new: Pixels, picture: Path) -> Path:
    height = max(old.shape[0], new.shape[0])
    width = max(old.shape[1], new.shape[1])
    sides = np.full((3, height, width, 3), 255, np.int16)
    for side, image in zip(sides, (old, new), strict=False):
        side[: image.shape[0], : image.shape[1]] = image
    sides[2] = 255 - np.abs(sides[0] - sides[1])
    gap = np.zeros((height, 6, 3), np.int16)
    joined = np.hstack([sides[0], gap, sides[1], gap, sides[2]])
    picture.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(joined.astype(np.uint8)).save(picture)
    return picture


def summary(output: Any) -> str:
    """Kind of an output in a few words: ``stdout``, ``error ValueError``, ``text/html, …``.

    The value of a cell's last line is told by its kinds alone, what is displayed by ``display of``.
    """
    if output["output_type"] == "stream":
        return str(output["name"])
    if output["output_type"] == "error":
        return f"error {output['ename']}"
    kinds = ", ".join(sorted(data_of(output))) or "no data"
    return kinds if output["output_type"] == "execute_result" else f"display of {kinds}"


def data_of(output: Any) -> dict[str, Any]:
    """What an output shows, by kind; nothing for a stream or an error."""
    data: dict[str, Any] = output.get("data") or {}
    return data


def compare_outputs(stored: Sequence[Any], new: Sequence[Any], picture: Path) -> list[Difference]:
    """All differences between the stored and the new outputs of one cell (empty: they agree).

    `picture` is where the comparison of a differing figure goes; the number of the output is
    added to its stem.
    """
    kinds = [[summary(o) for o in side] for side in (stored, new)]
    if kinds[0] != kinds[1]:
        old, fresh = ("; ".join(side) or "no output" for side in kinds)
        return [Difference(f"outputs: stored [{old}], new [{fresh}]", _texts(stored, new))]
    found: list[Difference] = []
    for number, (a, b) in enumerate(zip(stored, new, strict=True), 1):
        for name, old_part, new_part in parts(a, b):
            if name in IMAGES:
                path = picture.with_name(f"{picture.stem}-{number}.png")
                difference = compare_images(old_part, new_part, path)
                if difference:
                    found.append(difference)
            elif not same_text(old_part, new_part):
                found.append(Difference(f"{name} differs", text_diff(old_part, new_part)))
    return found


def parts(a: Any, b: Any) -> list[tuple[str, str, str]]:
    """Name, stored part, new part of two outputs of the same kind: all that a reader can see."""
    if a["output_type"] == "stream":
        return [(a["name"], a["text"], b["text"])]
    if a["output_type"] == "error":
        name = a["ename"]
        old, new = (ANSI.sub("", "\n".join(o.get("traceback", []))) for o in (a, b))
        message = (f"message of {name}", a["evalue"], b["evalue"])
        return [message, (f"traceback of {name}", old, new)]
    data = data_of(a), data_of(b)
    shown = [(m, _as_text(data[0][m]), _as_text(data[1][m])) for m in sorted(data[0])]
    # the width of a figure, for instance
    old, new = (_as_text(output.get("metadata") or {}) for output in (a, b))
    return shown if old == new == "{}" else [*shown, ("metadata", old, new)]


def _as_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(line, str) for line in value):
        return "".join(value)
    return json.dumps(value, indent=1, sort_keys=True)


def _texts(stored: Sequence[Any], new: Sequence[Any]) -> str:
    def text(outputs: Sequence[Any]) -> str:
        shown = [part for output in outputs for part in parts(output, output)[:1]]
        return "\n".join(part if name not in IMAGES else name for name, part, _ in shown)

    return text_diff(text(stored), text(new), limit=12)
