"""Where in the book each part of the API is taught or exercised."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from knotes.pipeline.api.coverage import Coverage, Place
from knotes.pipeline.api.inventory import Inventory

INDEX_PAGE = "book/reference/api"


@dataclass(frozen=True)
class Target:
    """A place in the book: page, anchor, and the words of a link to it."""

    page: str
    anchor: str
    text: str


@dataclass(frozen=True)
class Directory:
    """The API in one build of the site: what exists, what it is for, and where it is seen.

    `jobs` says what each symbol is for; `coverage` is that of the pages, `titles` theirs; `taught`
    are the sections under the labels of symbols, ``(name, "")``, and of their parameters.
    """

    inventory: Inventory
    jobs: Mapping[str, str]
    coverage: Coverage
    titles: Mapping[str, str]
    taught: dict[tuple[str, str], Target] = field(default_factory=dict)

    def link(self, name: str) -> Target | None:
        """Where a symbol is taught, or else first exercised."""
        return self.taught.get((name, "")) or self._first(name, self.coverage.exercised(name))

    def proof(self, name: str, parameter: str) -> Target | None:
        """The cell that exercises a parameter."""
        return self._first(name, self.coverage.pairs.get((name, parameter), ()))

    def _first(self, name: str, places: Sequence[Place]) -> Target | None:
        """The first of some cells, on the page that teaches the symbol if there is one."""
        home = self.taught.get((name, ""))
        places = sorted(places, key=lambda place: home is None or place.page != home.page)
        return self.cell(places[0]) if places else None

    def cell(self, place: Place) -> Target:
        """The target of a code cell."""
        text = f"{self.titles[place.page]}, cell {place.cell}"
        return Target(place.page, f"cell-{place.cell}", text)

    def entry(self, key: tuple[str, str]) -> Target:
        """Where a name in code leads, with a tooltip: its section, or its entry in the index."""
        name, below = key
        tip = f"{name}.{below}" if below else f"{name}: {self.jobs.get(name, '')}".rstrip(": ")
        home = self.taught.get(key) or self.taught.get((name, ""))
        return Target(home.page, home.anchor, tip) if home else Target(INDEX_PAGE, name, tip)
