"""How much a page asks of its reader, and the alarms: a limit is no target."""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from knotes.pipeline import sections
from knotes.pipeline.contract import names
from knotes.pipeline.contract.outputs import drawn
from knotes.pipeline.contract.page import Page, lines_of

CELLS = (10, 45)
LINES = 200  # of code, on a page about a symbol
LINES_GUIDE = 230
LINES_90 = 12  # nine cells of ten have at most so many
MOST_LINES = 20
MOST_LINES_LONG = 25  # class definitions and plots
WIDTH = 72
PHRASES = 5
LONG = re.compile(r"^\s*class |plt\.|axes?\b|knotes\.(curves|histograms|images|figure)", re.M)


@dataclass(frozen=True)
class Load:
    """What is measured of a page; lines are lines of code without comments and empty lines."""

    cells: int
    lines: int
    words_a_line: float  # of prose, for each line of code
    lines_90: int  # of the cell that nine of ten do not exceed
    longest: int
    too_wide: int
    helpers: int
    alone: float  # share of the sections with code that need no other section
    figures: int
    phrases: int
    to_snippet: int | None  # lines from the title to the snippet; None without one


def measure(page: Page) -> Load:
    """The load of a page."""
    sizes = sorted(lines_of(cell.source) for cell in page.cells)
    with_code = [section for section in page.sections if section.cells]
    alone = [not (section.continues or lacking(page, section)) for section in with_code]
    return Load(
        cells=len(sizes),
        lines=sum(sizes),
        words_a_line=len(page.prose.split()) / max(1, sum(sizes)),
        lines_90=sizes[math.ceil(0.9 * len(sizes)) - 1],
        longest=sizes[-1],
        too_wide=sum(len(wide(cell.source)) for cell in page.cells),
        helpers=len(list(helpers_of(page.cells))),
        alone=sum(alone) / max(1, len(alone)),
        figures=sum(drawn(cell) for cell in page.code),
        phrases=len(page.phrases),
        to_snippet=page.lines_to_snippet if page.snippet else None,
    )


def wide(source: str) -> list[str]:
    """The lines of a cell that are wider than the column of the site."""
    return [line for line in source.splitlines() if len(line) > WIDTH]


def helpers_of(cells: Iterable[sections.Cell]) -> Iterator[tuple[str, sections.Cell]]:
    """The functions that cells define at their top level, with their cells."""
    for cell in cells:
        for node in names.tree(cell.source).body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield node.name, cell


def lacking(page: Page, section: sections.Section) -> dict[str, tuple[int, int]]:
    """The names that a section takes from other sections: the cell that needs, and that made it."""
    found = {}
    for name, number in names.lacking(section.cells, section.before).items():
        makers = [cell.number for cell in page.cells[: number - 1] if name in names.made([cell])]
        if makers:  # a name that nobody made is an error that the page shows
            found[name] = number, makers[-1]
    return found


def load(page: Page) -> Iterator[str]:
    """An amount that a reader takes in; something to see; words to be found by."""
    found = measure(page)
    most = LINES_GUIDE if page.is_guide else LINES
    if not CELLS[0] <= found.cells <= CELLS[1]:
        yield f"{found.cells} code cells; expected {CELLS[0]} to {CELLS[1]}"
    if found.lines > most:
        yield f"{found.lines} lines of code; at most {most}: make a second page, or drop doubles"
    if found.lines_90 > LINES_90:
        yield f"a tenth of the cells has {found.lines_90} lines or more; at most {LINES_90}: split"
    for cell in page.cells:
        limit = MOST_LINES_LONG if LONG.search(cell.source) else MOST_LINES
        if (size := lines_of(cell.source)) > limit:
            yield f"cell {cell.number}: {size} lines; at most {limit}"
        for line in wide(cell.source)[:1]:
            start = line.strip()[:30]
            yield f"cell {cell.number}: {len(line)} characters in {start!r}…; at most {WIDTH}"
    if not found.figures:
        yield "no figure; draw the mechanism under Why"
    if found.phrases < PHRASES:
        yield (
            f"{found.phrases} search phrases; expected {PHRASES} or more: "
            "a directive ```{index} ! words people type, ! others``` under the heading that answers"
        )


def rhythm(page: Page) -> Iterator[str]:
    """Prose between any two code cells."""
    number, before = 0, None
    for cell in page.text.cells:
        number += cell.cell_type == "code"
        if cell.cell_type == before == "code":
            yield f"cell {number}: follows a code cell; say between them what to look for"
        before = cell.cell_type


def table(loads: Sequence[tuple[str, Load]]) -> str:
    """The loads of pages as text, one line a page."""
    rows = [["page", "cells", "lines", "words/line", "p90", "longest", f">{WIDTH}", "helpers"]]
    rows[0] += ["alone", "figures", "phrases", "to snippet"]
    for name, one in loads:
        row = [name.removeprefix("book/"), one.cells, one.lines, f"{one.words_a_line:.0f}"]
        row += [one.lines_90, one.longest, one.too_wide, one.helpers, f"{one.alone:.0%}"]
        row += [one.figures, one.phrases, "–" if one.to_snippet is None else one.to_snippet]
        rows.append([str(cell) for cell in row])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for first, *others in rows:
        cells = (f"{cell:>{n}}" for cell, n in zip(others, widths[1:], strict=True))
        lines.append("  ".join((first.ljust(widths[0]), *cells)))
    return "\n".join(lines)
