"""The notes of what a page uses: from the kernel into the notebook, and compared with it.

A parameter counts when it is required or was given a value other than its default, in a call that
did not raise. For each cell the note is, empty parts left out:

    {"calls": ["keras.layers.Dense(activation, units)"],   called by the page
     "knotes": […],                                        called by knotes for the page
     "named": ["keras.activations.relu"],                  given by name: activation="relu"
     "subclassed": ["keras.Layer(build, call)"],           subclassed, with what it overrides
     "raised": ["keras.layers.Dense"]}                     calls that raised

The note of a cell is stored in its metadata.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from knotes.pipeline import notebooks
from knotes.pipeline.api import ApiError

Note = Mapping[str, Sequence[str]]


def decode(report: str | None) -> list[tuple[str, Note]]:
    """Source and note of every cell that a kernel has run; none if there is no report.

    `report` is that of `knotes.pipeline.api.uses`.
    """
    return [(source, note) for source, note in json.loads(report)] if report else []


def store(notebook: Any, noted: Sequence[tuple[str, Note]]) -> None:
    """Put the notes into the metadata of the cells they are about.

    Raises `ApiError` if they are not about the cells of this notebook that run.
    """
    cells = [cell for cell in notebook.cells if notebooks.is_run(cell)]
    if [cell.source for cell in cells] != [source for source, _ in noted]:
        raise ApiError(
            f"the kernel noted the use of the API for {len(noted)} cells, expected {len(cells)}"
        )
    for cell, (_, note) in zip(cells, noted, strict=True):
        cell.metadata.pop("knotes", None)
        if note:
            cell.metadata["knotes"] = note


def stored(cell: Any) -> Note:
    """What a stored cell uses."""
    note: Note = cell.metadata.get("knotes", {})
    return note


def differences(notebook: Any, noted: Sequence[tuple[str, Note]]) -> list[str]:
    """How the use of the API differs from what is stored, as lines for a reader."""
    lines: list[str] = []
    ran = iter(noted)
    for number, cell in enumerate(notebooks.code_cells(notebook), 1):
        if not notebooks.is_run(cell):
            continue
        note = next((note for source, note in ran if source == cell.source), None)
        if note is None:
            return [*lines, f"code cell {number}: did not run, or its use was not noted"]
        old, new = (
            {f"{part}: {entry}" for part, entries in some.items() for entry in entries}
            for some in (stored(cell), note)
        )
        lines += [f"code cell {number}: stored, not used now: {line}" for line in sorted(old - new)]
        lines += [f"code cell {number}: used now, not stored: {line}" for line in sorted(new - old)]
    return lines
