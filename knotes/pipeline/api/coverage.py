"""What all pages exercise of the API: the symbols and parameters, and the cells that do.

What a page uses was noted when it was recorded (see `knotes.pipeline.api.uses`). It is stored with
each cell, in the metadata of the notebook, and compared again whenever the page is verified.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from knotes.pipeline import notebooks
from knotes.pipeline.api import ApiError, notes
from knotes.pipeline.api.notes import Note
from knotes.pipeline.api.symbols import Symbol, parse
from knotes.pipeline.book import Book, PageError

#: Parts of a note that exercise a symbol, in the order of their worth.
EXERCISED = ("calls", "knotes")


@dataclass(frozen=True, order=True)
class Place:
    """A code cell of a page; `cell` counts from 1."""

    page: str
    cell: int


@dataclass
class Coverage:
    """What pages use: for each part of a note the symbols, and the cells that use them.

    `pairs` are the (symbol, parameter) pairs exercised; a parameter that a base class takes is
    the base's.
    """

    symbols: Mapping[str, Symbol]
    places: dict[str, dict[str, list[Place]]] = field(default_factory=dict)
    pairs: dict[tuple[str, str], list[Place]] = field(default_factory=dict)

    def add(self, page: str, notes: Sequence[Note]) -> None:
        """Take up the notes of the code cells of a page."""
        for number, note in enumerate(notes, 1):
            place = Place(page, number)
            for part, entries in note.items():
                for name, parameters in map(parse, entries):
                    self.places.setdefault(part, {}).setdefault(name, []).append(place)
                    for method in parameters if part == "subclassed" else ():
                        self._override(self.owner_of_method(name, method), place)
                    for parameter in parameters if part in EXERCISED else ():
                        pair = self.owner(name, parameter), parameter
                        self.pairs.setdefault(pair, []).append(place)

    def _override(self, method: str, place: Place) -> None:
        """Take up that a page overrides a method; what is required, every override is given."""
        self.places.setdefault("overridden", {}).setdefault(method, []).append(place)
        symbol = self.symbols.get(method)
        if symbol is not None and symbol.abstract:
            for parameter, default in symbol.parameters.items():
                if default == "required":
                    self.pairs.setdefault((method, parameter), []).append(place)

    def owner(self, name: str, parameter: str) -> str:
        """The symbol that a parameter is counted for."""
        symbol = self.symbols.get(name)
        return symbol.inherited.get(parameter, name) if symbol else name

    def owner_of_method(self, name: str, method: str) -> str:
        """The method of a class under the name it is counted by: that of a base class, if any."""
        bases = self.symbols[name].bases if name in self.symbols else ()
        found = (full for base in (name, *bases) if (full := f"{base}.{method}") in self.symbols)
        return next(found, f"{name}.{method}")

    def exercised(self, name: str) -> list[Place]:
        """The cells that call a symbol, those of pages before those through ``knotes``.

        A method that can only raise is also exercised where it is overridden (and so are its
        required parameters) or seen to raise.
        """
        abstract = name in self.symbols and self.symbols[name].abstract
        parts = (*EXERCISED, "overridden", "raised") if abstract else EXERCISED
        return [place for part in parts for place in self.places.get(part, {}).get(name, [])]

    def state(self, name: str) -> str:
        """One of ``exercised``, ``subclassed`` (only), ``named`` (only), ``missing``."""
        if self.exercised(name):
            return "exercised"
        only = ("subclassed", "named")
        return next((part for part in only if name in self.places.get(part, {})), "missing")

    def missing_parameters(self, symbol: Symbol) -> list[str]:
        """Parameters of a symbol that no cell gives a value of their own."""
        return [p for p in symbol.parameters if (symbol.name, p) not in self.pairs]


def measure(symbols: Mapping[str, Symbol], cells: Mapping[str, Sequence[Note]]) -> Coverage:
    """The coverage of an inventory by the notes of the cells of pages."""
    coverage = Coverage(symbols)
    for page, some in cells.items():
        coverage.add(page, some)
    return coverage


def read_pages(book: Book, pages: Iterable[Path] | None = None) -> dict[str, list[Note]]:
    """The notes of stored pages (default: all of the book), cell by cell, by name of the page.

    Raises `ApiError` for a page whose notes are older than its text.
    """
    return {
        name: [notes.stored(cell) for cell in _up_to_date(page, name)]
        for page in (book.pages() if pages is None else pages)
        if (name := book.name_of(page))
    }


def _up_to_date(page: Path, name: str) -> list[Any]:
    """The stored code cells of a page; `ApiError` if its text has changed since."""
    try:
        notebook = notebooks.read_stored(page.with_suffix(".ipynb"))
    except PageError as error:
        raise ApiError(str(error)) from error
    if notebook.metadata.get("knotes", {}).get("source") != notebooks.digest(page):
        raise ApiError(
            f"{name}: the record of what it uses is older than the page; "
            f"run: make outputs PAGES={name}.md"
        )
    return notebooks.code_cells(notebook)
