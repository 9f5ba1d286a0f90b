"""A page as the rules see it: its text, its stored notebook, its sections, its prose."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from knotes.pipeline import notebooks
from knotes.pipeline import sections as parts
from knotes.pipeline.book import Book

#: Parts whose pages are about a symbol and follow the anatomy; the pages of others are guides.
API_PARTS = frozenset(
    (
        "activations",
        "constraints",
        "initializers",
        "layers",
        "losses",
        "metrics",
        "optimizers",
        "regularizers",
    )
)
#: The part that is about the old notes, and may speak of them.
OLD_NOTES = "old-notes"
SCREEN = 90  # characters of prose in a line on the site
# The entries of an index directive, to the end of the directive.
INDEX = re.compile(r"^(`{3,}|:{3,})\{index\}(.*?)^\1\s*$", re.MULTILINE | re.DOTALL)
ROLE = re.compile(r"\{index\}`([^`]+)`")


@dataclass(frozen=True)
class Page:
    """A text page with its stored notebook, read once."""

    path: Path
    book: Book

    @property
    def part(self) -> str:
        return self.path.parent.name

    @property
    def is_guide(self) -> bool:
        return self.part not in API_PARTS

    @cached_property
    def text(self) -> Any:
        return notebooks.read_text(self.path)

    @cached_property
    def stored(self) -> Any:
        return notebooks.read_stored(self.path.with_suffix(".ipynb"))

    @cached_property
    def code(self) -> list[Any]:
        """The stored code cells, with their outputs."""
        return notebooks.code_cells(self.stored)

    @cached_property
    def cells(self) -> list[parts.Cell]:
        """The code cells of the text, numbered."""
        return parts.cells_of(self.text)

    @cached_property
    def sections(self) -> list[parts.Section]:
        return parts.of(self.text)

    @cached_property
    def markdown(self) -> str:
        return "\n\n".join(c.source for c in self.text.cells if c.cell_type == "markdown")

    @cached_property
    def prose(self) -> str:
        """Text that people read: Markdown without code, math, URLs and directive options."""
        joined = self.markdown
        for pattern in (r"(?ms)^```.*?^```", r"(?s)\$\$.*?\$\$", r"\$[^$\n]+\$", r"`+[^`]+`+"):
            joined = re.sub(pattern, " ", joined)
        return re.sub(r"\]\([^)]*\)|<[^>]*>|^:.*$", "]", joined, flags=re.MULTILINE)

    @cached_property
    def phrases(self) -> list[str]:
        """The search phrases that the page declares: its index entries with a `!`."""
        directives = [
            entry for _, body in INDEX.findall(self.markdown) for entry in body.split(",")
        ]
        entries = [entry.strip() for entry in (*directives, *ROLE.findall(self.markdown))]
        return [entry[1:].strip() for entry in entries if entry.startswith("!")]

    @cached_property
    def snippet(self) -> parts.Cell | None:
        """The first code cell of In short, which has to be the first section."""
        first = self.sections[0] if self.sections else None
        wanted = first and first.heading == parts.IN_SHORT and first.cells
        return first.cells[0] if first and wanted else None

    @cached_property
    def lines_to_snippet(self) -> int:
        """Lines that a reader sees from below the title to the first line of the snippet.

        Empty lines, labels and index entries are not seen; a line of prose counts as often as
        the site breaks it.
        """
        count, number = 0, 0
        for cell in self.text.cells:
            if cell.cell_type == "code":
                number += 1
                if self.snippet and number == self.snippet.number:
                    return count + 1
                count += lines_of(cell.source)
            else:
                seen = INDEX.sub("", cell.source).splitlines()
                seen = [s for s in seen if s.strip() and not parts.LABEL.match(s)]
                seen = [s for s in seen if not s.startswith("# ")]
                count += sum(math.ceil(len(line) / SCREEN) for line in seen)
        return count


def lines_of(source: str) -> int:
    """Lines of code: without empty ones and those that hold a comment alone."""
    lines = (line.strip() for line in source.splitlines())
    return sum(bool(line) and not line.startswith("#") for line in lines)
