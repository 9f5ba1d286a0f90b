"""What each page exercised when ``make coverage`` ran last, and what is less now.

A file for each page, ``api/exercised/<part>/<page>.txt``, a sorted line for each symbol with the
parameters that were given to it: ``keras.layers.Dense(activation, units)``. They are merged when
they are read, so that pages can be added side by side.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from knotes.pipeline import notebooks
from knotes.pipeline.api import ApiError
from knotes.pipeline.api.coverage import EXERCISED, Coverage, measure
from knotes.pipeline.api.inventory import Inventory
from knotes.pipeline.api.notes import Note
from knotes.pipeline.api.symbols import Symbol, entry, parse
from knotes.pipeline.book import Book

LINE = re.compile(r"keras(\.\w+)+(\(\w+(, \w+)*\))?")


def entries(own: Coverage, cells: Sequence[Note]) -> list[str]:
    """What the cells of a page exercise, a line for each symbol; `own` is the coverage by them."""
    found: dict[str, set[str]] = {
        name: set() for part in own.places.values() for name in part if own.exercised(name)
    }
    for text in (text for note in cells for part in EXERCISED for text in note.get(part, ())):
        name, parameters = parse(text)
        found[name].update(parameters)
    for name, parameter in own.pairs:  # what an override is given
        if name in own.symbols and own.symbols[name].abstract:
            found[name].add(parameter)
    return [entry(name, found[name]) for name in sorted(found) if name in own.symbols]


def of_pages(
    symbols: Mapping[str, Symbol], pages: Mapping[str, Sequence[Note]]
) -> dict[str, list[str]]:
    """The lines of each page that exercises something, from the notes of its cells."""
    lines = {page: entries(measure(symbols, {page: cells}), cells) for page, cells in pages.items()}
    return {page: some for page, some in lines.items() if some}


def load(book: Book) -> dict[str, list[str]]:
    """The saved lines by name of the page; `ApiError` for a line that is none."""
    folder = _folder(book)
    saved = {}
    for path in sorted(folder.glob("**/*.txt")):
        name = path.relative_to(folder).with_suffix("").as_posix()
        saved[f"book/{name}"] = lines = path.read_text("utf8").splitlines()
        for number, line in enumerate(lines, 1):
            if not LINE.fullmatch(line):
                raise ApiError(
                    f"api/exercised/{name}.txt, line {number}: expected a name with parameters, "
                    f"keras.layers.Dense(units), got {line!r}; run: make coverage"
                )
    return saved


def save(book: Book, now: Mapping[str, Sequence[str]]) -> list[str]:
    """Write the files of pages whose lines changed, drop those of other pages than in `now`.

    Returns the names of the pages whose files changed.
    """
    saved = load(book)
    changed = sorted(
        page for page in saved.keys() | now.keys() if saved.get(page, []) != now.get(page, [])
    )
    for page in changed:
        path = _folder(book) / f"{page.removeprefix('book/')}.txt"
        if page in now:
            notebooks.write_atomically(path, "\n".join(now[page]) + "\n")
        else:
            path.unlink()
    return changed


def _folder(book: Book) -> Path:
    return book.root / "api" / "exercised"


def covered(symbols: Mapping[str, Symbol], saved: Mapping[str, Sequence[str]]) -> Coverage:
    """The coverage that saved lines stand for."""
    return measure(symbols, {page: [{"calls": lines}] for page, lines in saved.items()})


def falls(saved: Mapping[str, Sequence[str]], now: Coverage) -> list[str]:
    """What the saved lines exercise and `now` does not, as lines for a reader.

    A symbol or parameter that Keras has no more is none of them.
    """
    before = covered(now.symbols, saved)
    names = [name for name in now.symbols if before.exercised(name) and not now.exercised(name)]
    gone = [
        (name, parameter)
        for name, parameter in sorted(before.pairs.keys() - now.pairs.keys())
        if name in now.symbols and parameter in now.symbols[name].parameters
    ]
    return [
        f"{text}: was exercised, no page exercises it now"
        for text in [*names, *(entry(name, [parameter]) for name, parameter in gone)]
    ]


def news(known: Inventory, installed: Inventory, now: Coverage) -> list[str]:
    """What the installed Keras has lost, or has new and no page exercises, as lines for a reader.

    `known` is the saved inventory, `now` the coverage of the installed one.
    """
    keras = f"Keras {installed.keras}"
    lines = [
        f"{name}: {keras} does not have it any more"
        for name in sorted(known.symbols.keys() - installed.symbols.keys())
    ]
    for name, symbol in installed.symbols.items():
        old = known.symbols.get(name)
        if symbol.apart:
            continue
        if old is None and not now.exercised(name):
            lines.append(f"{name}: new in {keras}, no page exercises it")
        elif old is not None:
            new = [p for p in now.missing_parameters(symbol) if p not in old.parameters]
            lines += [f"{name}({p}): new in {keras}, no page exercises it" for p in new]
    return lines
