"""The book as files: where its root is, which pages it has, and what they are called."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

CONTENTS = "_toc.yml"
#: The part whose pages run nothing: the site makes them from the other pages.
REFERENCE = "reference"


class PageError(Exception):
    """A page that cannot be read, run or stored; the message names the page."""


@dataclass(frozen=True)
class Book:
    """A book: the folder that holds ``_toc.yml``, ``book/`` and what belongs to them."""

    root: Path

    @classmethod
    def find(cls, start: Path | None = None) -> Book:
        """The book that a file or folder (default: the working directory) lies in.

        Raises `PageError` if no folder above it has a table of contents.
        """
        here = (start or Path.cwd()).resolve()
        for folder in (here, *here.parents):
            if (folder / CONTENTS).is_file():
                return cls(folder)
        raise PageError(f"{here.name}: no {CONTENTS} in this folder or above: not in a book")

    @property
    def folder(self) -> Path:
        """Where the pages are."""
        return self.root / "book"

    @property
    def built(self) -> Path:
        """Where everything goes that is made and can be made again."""
        return self.root / "_build"

    def pages(self) -> list[Path]:
        """Every text page in the parts of the book (``book/*/*.md``), sorted."""
        left_out = (".", REFERENCE)
        found = self.folder.glob("*/*.md")
        return sorted(p for p in found if not p.parent.name.startswith(left_out))

    def page(self, name: str) -> Path:
        """The text of a page by its name, ``book/layers/dense``."""
        return self.root / f"{name}.md"

    def name_of(self, path: Path) -> str:
        """Name of a page, ``book/layers/dense``: its path below the root without suffix."""
        return path.resolve().relative_to(self.root).with_suffix("").as_posix()

    def contents(self) -> Any:
        """The table of contents as data."""
        return yaml.safe_load((self.root / CONTENTS).read_text("utf8"))

    def listed(self) -> Iterator[str]:
        """The names of the pages in the table of contents, in their order."""
        for part in self.contents().get("parts", []):
            yield from (chapter["file"] for chapter in part["chapters"])

    def resolve(self, arguments: Iterable[str]) -> list[Path]:
        """Text pages named on a command line: a page (.md, .ipynb or neither), or a folder.

        Raises `PageError` for a name that is none of these.
        """
        every = self.pages()
        pages: list[Path] = []
        for argument in arguments:
            path = Path(argument).resolve()
            if path.is_dir():
                found = [page for page in every if page.is_relative_to(path)]
            else:
                found = [page for page in every if page == path.with_suffix(".md")]
            if not found:
                raise PageError(
                    f"PAGES: {argument!r} is not a page; expected book/<part>/<page>.md"
                )
            pages += found
        return list(dict.fromkeys(pages))


@functools.cache
def _of(folder: Path) -> Book | None:
    try:
        return Book.find(folder)
    except PageError:
        return None


def name_of(path: Path) -> str:
    """Name of a page, for messages: of one outside of any book the stem alone.

    No path of a machine gets into a message.
    """
    book = _of(path.resolve().parent)
    return book.name_of(path) if book else path.stem
