"""The saved inventory of the API, ``api/inventory.json``: what one version of Keras offers.

It changes only with a release of Keras. `knotes.pipeline.api.installed` reads the inventory of the
installed one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from knotes.pipeline import notebooks
from knotes.pipeline.api import ApiError
from knotes.pipeline.api.symbols import Symbol
from knotes.pipeline.book import Book


@dataclass(frozen=True)
class Inventory:
    """The symbols of one version of Keras, by name."""

    keras: str
    symbols: Mapping[str, Symbol]

    def write(self, book: Book) -> None:
        """Write the file, whole or not at all: a line for each symbol, so that diffs are read."""
        lines = [
            f"  {json.dumps(name)}: {json.dumps(_plain(symbol))}"
            for name, symbol in sorted(self.symbols.items())
        ]
        head = f' "keras": {json.dumps(self.keras)},\n "symbols": {{\n'
        text = "{\n" + head + ",\n".join(lines) + "\n }\n}\n"
        notebooks.write_atomically(path_in(book), text)


def _plain(symbol: Symbol) -> dict[str, object]:
    entry = asdict(symbol)
    return {k: v for k, v in entry.items() if k != "name" and v not in ("", (), {}, False)}


def path_in(book: Book) -> Path:
    """Where the inventory of a book is saved."""
    return book.root / "api" / "inventory.json"


def load(book: Book) -> Inventory:
    """Read the saved inventory; `ApiError` if it is missing or not of the right form."""
    path = path_in(book)
    try:
        data = json.loads(path.read_text(encoding="utf8"))
        symbols = {
            name: Symbol(
                name,
                entry["kind"],
                entry["group"],
                entry.get("parameters", {}),
                inherited=entry.get("inherited", {}),
                abstract=entry.get("abstract", False),
                apart=entry.get("apart", ""),
                **{key: tuple(entry.get(key, ())) for key in ("aliases", "attributes", "bases")},
            )
            for name, entry in data["symbols"].items()
        }
        return Inventory(data["keras"], symbols)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ApiError(f"api/{path.name}: expected what make coverage writes: {error!r}") from error
