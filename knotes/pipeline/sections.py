"""The sections of a page: what stands in each, and which cells have to run before it.

A section starts at a ``##`` heading. It runs after the import cell, which is the first of the page,
and at most one common cell, which has the tag `common`. A section may continue an earlier one: its
first code cell has the tag `continues`, and its first line says so and links to that section.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from knotes.pipeline import notebooks

COMMON = "common"
CONTINUES = "continues"
IN_SHORT = "In short"

HEADING = re.compile(r"(#{1,6})\s+(.*?)\s*#*$")
LABEL = re.compile(r"\(([^)\s]+)\)=\s*$")
LINK = re.compile(r"\[([^\]]+)\]\(#([^)\s]+)\)")


@dataclass(frozen=True)
class Cell:
    """A code cell: its number on the page, counted from 1 among code cells."""

    number: int
    source: str
    tags: tuple[str, ...]


@dataclass(frozen=True)
class Section:
    """A section: from its heading to the next heading of the same or a higher level."""

    heading: str
    level: int
    labels: tuple[str, ...]  # those above its heading
    text: tuple[str, ...]  # the lines of its Markdown, headings and labels included
    cells: tuple[Cell, ...]
    before: tuple[Cell, ...] = ()  # the cells that have to run before its own
    continues: bool = False


@dataclass
class _Part:
    """What stands under one heading, up to the next one of any level."""

    level: int
    heading: str
    labels: tuple[str, ...]
    items: list[str | Cell] = field(default_factory=list)


def of(notebook: Any) -> list[Section]:
    """The ``##`` sections of a page, in order; cells before the first belong to none.

    `Section.before` holds the import cell, the common cell if it stands above, and what sections
    that this one continues hold and need. **In short** needs the import cell alone.
    """
    cells = cells_of(notebook)
    common = next((cell for cell in cells[1:] if COMMON in cell.tags), None)
    found: list[Section] = []
    for section in _sections(_parts(notebook), {2}):
        own = {cell.number for cell in section.cells}
        needed = {cell.number: cell for cell in cells[:1]}
        first = min(own, default=len(cells) + 1)
        if common and common.number < first and section.heading != IN_SHORT:
            needed[common.number] = common
        continues = bool(section.cells) and CONTINUES in section.cells[0].tags
        base = continued(section, found) if continues else None
        if base:
            needed |= {cell.number: cell for cell in (*base.before, *base.cells)}
        before = tuple(needed[number] for number in sorted(needed) if number not in own)
        found.append(replace(section, before=before, continues=continues))
    return found


def continued(section: Section, earlier: Iterable[Section]) -> Section | None:
    """The earlier section that the first line of a section links to as the one it continues."""
    lines = (line for line in section.text if not HEADING.match(line) and not LABEL.match(line))
    first = next(filter(str.strip, lines), "")
    if CONTINUES not in first.lower():
        return None
    targets = [label for _, label in LINK.findall(first)]
    for candidate in earlier:
        labels = {found[1] for line in candidate.text if (found := LABEL.match(line))}
        if labels & set(targets):
            return candidate
    return None


def labeled(notebook: Any) -> Iterator[tuple[str, Section]]:
    """Each label of a page with the section that it names.

    That of a label above a heading is the section of that heading; a label above a paragraph
    names what stands from there to the next heading.
    """
    parts = _parts(notebook)
    for section in _sections(parts, {1, 2, 3, 4, 5, 6}):
        yield from ((label, section) for label in section.labels)
    for part in parts:
        for place, item in enumerate(part.items):
            if isinstance(item, str) and (found := LABEL.match(item)):
                rest = _Part(part.level, part.heading, (), part.items[place:])
                yield found[1], _section([rest])


def cells_of(notebook: Any) -> list[Cell]:
    """The code cells of a page, numbered."""
    cells = notebooks.code_cells(notebook)
    return [Cell(n, c.source, tuple(notebooks.tags_of(c))) for n, c in enumerate(cells, 1)]


def _sections(parts: list[_Part], levels: set[int]) -> Iterator[Section]:
    for place, part in enumerate(parts):
        if part.level in levels:
            end = place + 1
            while end < len(parts) and parts[end].level > part.level:
                end += 1
            yield _section(parts[place:end])


def _section(parts: list[_Part]) -> Section:
    text: list[str] = []
    cells: list[Cell] = []
    for part in parts:
        text += [f"({label})=" for label in part.labels]
        text += [f"{'#' * part.level} {part.heading}"]
        text += [item for item in part.items if isinstance(item, str)]
        cells += [item for item in part.items if isinstance(item, Cell)]
    first = parts[0]
    return Section(first.heading, first.level, first.labels, tuple(text), tuple(cells))


def _parts(notebook: Any) -> list[_Part]:
    parts = [_Part(0, "", ())]
    numbered = iter(cells_of(notebook))
    for cell in notebook.cells:
        if cell.cell_type == "code":
            parts[-1].items.append(next(numbered))
        elif cell.cell_type == "markdown":
            fenced = False
            for line in cell.source.splitlines():
                fenced ^= line.lstrip().startswith(("```", ":::"))
                heading = None if fenced else HEADING.match(line)
                if heading:
                    labels = _labels_at_the_end(parts[-1].items)
                    parts.append(_Part(len(heading[1]), heading[2], labels))
                else:
                    parts[-1].items.append(line)
    return parts


def _labels_at_the_end(items: list[str | Cell]) -> tuple[str, ...]:
    """Take the labels off the end of a part: they name the heading that follows."""
    labels: list[str] = []
    while items and isinstance(items[-1], str):
        found = LABEL.match(items[-1])
        if not found and items[-1].strip():
            break
        if found:
            labels.insert(0, found[1])
        items.pop()
    return tuple(labels)
