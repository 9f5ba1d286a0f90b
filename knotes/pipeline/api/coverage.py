"""Which of the public API the stored pages exercise: ``make coverage``.

    python -m knotes.pipeline.api.coverage [--accept] [PAGE ...]

Prints, and writes to ``_build/coverage.txt``, what is exercised and what is missing, and saves
inventory and coverage in ``api/keras.json``: the tests fail when less is covered than that file
says, or when the installed Keras has a symbol that it does not know and nobody covers. With pages
named, tells what these exercise and writes nothing.

What a page uses was noted when it was recorded (see `knotes.pipeline.api.uses`). It is stored with
each cell, in the metadata of the notebook, and compared again whenever the page is verified.
"""

from __future__ import annotations

import argparse
import difflib
import json
import re
import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from knotes.pipeline import notebooks
from knotes.pipeline.api import uses
from knotes.pipeline.api.inventory import APART, CORE, Symbol
from knotes.pipeline.book import Book, PageError

ROOT = Path(__file__).resolve().parents[3]

SAVED = ROOT / "api" / "keras.json"
REPORT = ROOT / "_build" / "coverage.txt"
LABEL = re.compile(r"^\((keras\.[\w.]+)\)=\s*$", re.MULTILINE)
#: Parts of a note that exercise a symbol, in the order of their worth.
EXERCISED = ("calls", "knotes")


class CoverageError(Exception):
    """A page or a saved coverage that cannot be used; the message names it."""


# --- what a cell uses: from the kernel into the notebook


Note = Mapping[str, Sequence[str]]  # what a cell uses, as described in `knotes.pipeline.api.uses`


def decode(text: str | None) -> list[tuple[str, Note]]:
    """Source and notes of every cell that a kernel has run, from what it reports."""
    return [(source, noted) for source, noted in json.loads(text)] if text else []


def store(notebook: Any, noted: Sequence[tuple[str, Note]]) -> None:
    """Put the notes into the metadata of the cells they are about.

    Raises `CoverageError` if they are not about the cells of this notebook.
    """
    cells = notebooks.code_cells(notebook)
    if [cell.source for cell in cells] != [source for source, _ in noted]:
        raise CoverageError(
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
    cells = notebooks.code_cells(notebook)
    ran = iter(noted)
    for number, cell in enumerate(cells, 1):
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


# --- what all pages use


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
                for name, parameters in map(uses.parse, entries):
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


def read_pages(pages: Iterable[Path] | None = None) -> dict[str, list[Note]]:
    """The notes of each stored page, cell by cell, by the name of the page.

    Raises `CoverageError` for a page whose notes are older than its text.
    """
    found = {}
    for page in Book(ROOT).pages() if pages is None else pages:
        found[notebooks.name_of(page)] = [stored(cell) for cell in up_to_date(page)]
    return found


def up_to_date(page: Path) -> list[Any]:
    """The stored code cells of a page; `CoverageError` if its text has changed since."""
    name = notebooks.name_of(page)
    try:
        notebook = notebooks.read_stored(page.with_suffix(".ipynb"))
    except PageError as error:
        raise CoverageError(str(error)) from error
    if notebook.metadata.get("knotes", {}).get("source") != notebooks.digest(page):
        raise CoverageError(
            f"{name}: the record of what it uses is older than the page; "
            f"run: make outputs PAGES={name}.md"
        )
    return notebooks.code_cells(notebook)


def measure(symbols: Mapping[str, Symbol], notes: Mapping[str, Sequence[Note]]) -> Coverage:
    """The coverage of an inventory by the notes of pages."""
    coverage = Coverage(symbols)
    for page, cells in notes.items():
        coverage.add(page, cells)
    return coverage


# --- what pages claim to teach


def labels_of(notebook: Any) -> list[str]:
    """The names of the API that the labels of a page claim, ``(keras.layers.Dense)=``, in order."""
    text = "\n\n".join(c.source for c in notebook.cells if c.cell_type == "markdown")
    return LABEL.findall(text)


def unknown_labels(labels: Iterable[str], names: Mapping[str, tuple[str, str]]) -> Iterator[str]:
    """A message for each label that is the name of nothing in the API."""
    for label in labels:
        if label not in names:
            close = difflib.get_close_matches(label, names, 1)
            hint = f"; is it {close[0]}?" if close else ""
            yield f"label ({label})=: Keras has no such symbol, parameter or attribute{hint}"


def unproven_labels(
    labels: Iterable[str], names: Mapping[str, tuple[str, str]], coverage: Coverage
) -> Iterator[str]:
    """A message for each label whose symbol or parameter no cell of the page exercises.

    `coverage` is that of the page alone. A base class may be subclassed instead. A parameter may
    be exercised in any symbol: pages stack the labels of a family, functions beside classes.
    """
    parameters = {parameter for _, parameter in coverage.pairs}
    for label in labels:
        name, below = names.get(label, ("", ""))
        symbol = coverage.symbols.get(name)
        if symbol is None or below in (*symbol.attributes, *parameters):
            continue
        if coverage.state(name) not in ("exercised", "subclassed") or below in symbol.parameters:
            yield f"label ({label})=: no cell of the page exercises it"


# --- told


@dataclass(frozen=True)
class Row:
    """The numbers of one group of symbols."""

    group: str
    apart: str
    states: Mapping[str, int]
    symbols: int
    pairs: int
    parameters: int

    @property
    def exercised(self) -> int:
        """How many symbols are exercised."""
        return self.states.get("exercised", 0)


def rows(coverage: Coverage) -> list[Row]:
    """Each group of symbols with its numbers: first the target, then what is listed apart."""
    groups: dict[tuple[str, str], list[Symbol]] = {}
    for symbol in coverage.symbols.values():
        group = symbol.group
        if symbol.apart:  # keras.applications.vgg16 and its like together
            group = next((s for s in APART if f"{group}.".startswith(f"{s}.")), group)
        groups.setdefault((symbol.apart, group), []).append(symbol)
    result = []
    for (apart, group), members in sorted(groups.items()):
        states: dict[str, int] = {}
        for symbol in members:
            state = coverage.state(symbol.name)
            states[state] = states.get(state, 0) + 1
        parameters = sum(len(symbol.parameters) for symbol in members)
        absent = sum(len(coverage.missing_parameters(symbol)) for symbol in members)
        result.append(Row(group, apart, states, len(members), parameters - absent, parameters))
    return result


def total(some: Iterable[Row], name: str) -> Row:
    """The sum of rows."""
    some = list(some)
    states: dict[str, int] = {}
    for row in some:
        for state, number in row.states.items():
            states[state] = states.get(state, 0) + number
    return Row(
        name, "", states, sum(r.symbols for r in some), sum(r.pairs for r in some),
        sum(r.parameters for r in some),
    )  # fmt: skip


def core(some: Iterable[Row]) -> Row:
    """The sum over the namespaces that hold most of the API."""
    names = {f"keras.{name}" for name in CORE}
    return total((row for row in some if row.group in names), "core")


def report(coverage: Coverage, notes: Mapping[str, Sequence[Note]]) -> str:
    """All of it as text: the numbers, what is missing, and what each page exercises."""
    every = rows(coverage)
    target = [row for row in every if not row.apart]
    lines = [_table([*target, total(target, "all of these"), core(every)])]
    lines += ["", "Listed apart:", _table([row for row in every if row.apart])]
    for row in target:
        members = [s for s in coverage.symbols.values() if (s.group, s.apart) == (row.group, "")]
        for state in ("missing", "named", "subclassed"):
            found = [s.short for s in members if coverage.state(s.name) == state]
            if found:
                lines += ["", _wrapped(f"{row.group}, {_STATES[state]}", found)]
        absent = [
            f"{symbol.short}({', '.join(gone)})"
            for symbol in members
            if coverage.exercised(symbol.name) and (gone := coverage.missing_parameters(symbol))
        ]
        if absent:
            lines += ["", _wrapped(f"{row.group}, parameters missing", absent)]
    for page, cells in notes.items():
        lines += ["", page_report(coverage.symbols, page, cells)]
    return "\n".join(lines) + "\n"


_STATES = {
    "missing": "missing",
    "named": "only given by name",
    "subclassed": "only subclassed",
}


def page_report(symbols: Mapping[str, Symbol], page: str, cells: Sequence[Note]) -> str:
    """What one page exercises, as text."""
    own = measure(symbols, {page: cells})
    found: dict[str, set[str]] = {}
    for entry in (entry for cell in cells for part in EXERCISED for entry in cell.get(part, ())):
        name, parameters = uses.parse(entry)
        found.setdefault(name, set()).update(parameters)
    texts = [f"{name}({', '.join(sorted(given))})" for name, given in sorted(found.items())]
    lines = [_wrapped(f"{page}: {len(found)} symbols, {len(own.pairs)} parameters", texts)]
    for part, title in (("named", "by name"), ("subclassed", "subclassed"), ("raised", "raised")):
        if part in own.places:
            lines.append(_wrapped(f"  {title}", sorted(own.places[part])))
    return "\n".join(lines)


def _table(some: Sequence[Row]) -> str:
    head = ("namespace", "symbols", "", "by name", "subclassed", "parameters", "")
    cells = [
        (
            row.group if not row.apart else f"{row.group} ({row.apart})",
            f"{row.exercised} / {row.symbols}",
            _percent(row.exercised, row.symbols),
            str(row.states.get("named", 0) or ""),
            str(row.states.get("subclassed", 0) or ""),
            f"{row.pairs} / {row.parameters}",
            _percent(row.pairs, row.parameters),
        )
        for row in some
    ]
    widths = [max(len(line[i]) for line in [head, *cells]) for i in range(len(head))]
    return "\n".join(
        "  ".join(
            text.ljust(width) if not i else text.rjust(width)
            for i, (text, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in [head, *cells]
    )


def _percent(part: int, whole: int) -> str:
    # rounded down: 100 % means all
    return f"{100 * part // whole} %" if whole else ""


def _wrapped(title: str, texts: Sequence[str]) -> str:
    body = textwrap.fill(
        ", ".join(texts), 100, initial_indent="    ", subsequent_indent="    ",
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip
    return f"{title} ({len(texts)}):\n{body}"


# --- saved


@dataclass(frozen=True)
class Saved:
    """What ``api/keras.json`` holds: inventory and coverage of the last ``make coverage``."""

    keras: str
    symbols: Mapping[str, Symbol]
    exercised: Sequence[str]
    parameters: Mapping[str, Sequence[str]]

    def write(self, path: Path) -> None:
        """Write the file, whole or not at all: a line for each symbol, so that diffs are read."""
        parts = []
        for key, entries in (("symbols", self.symbols), ("parameters", self.parameters)):
            lines = [
                f"  {json.dumps(name)}: {json.dumps(_plain(entry))}"
                for name, entry in sorted(entries.items())
            ]
            parts.append(f' "{key}": {{\n' + ",\n".join(lines) + "\n }")
        head = f' "keras": {json.dumps(self.keras)}'
        lines = [f"  {json.dumps(name)}" for name in sorted(self.exercised)]
        parts.append(' "exercised": [\n' + ",\n".join(lines) + "\n ]")
        notebooks.write_atomically(path, "{\n" + ",\n".join([head, *parts]) + "\n}\n")


def _plain(entry: Any) -> Any:
    if not isinstance(entry, Symbol):
        return list(entry)
    return {k: v for k, v in asdict(entry).items() if k != "name" and v not in ("", (), {}, False)}


def load(path: Path | None = None) -> Saved:
    """Read the saved inventory and coverage; `CoverageError` if it is not of the right form."""
    path = path or SAVED
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
        return Saved(data["keras"], symbols, data["exercised"], data["parameters"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CoverageError(
            f"{path.parent.name}/{path.name}: expected what make coverage writes: {error!r}"
        ) from error


def current(coverage: Coverage) -> Saved:
    """What would be saved now."""
    parameters: dict[str, list[str]] = {}
    for name, parameter in sorted(coverage.pairs):
        if name in coverage.symbols and parameter in coverage.symbols[name].parameters:
            parameters.setdefault(name, []).append(parameter)
    exercised = [name for name in coverage.symbols if coverage.exercised(name)]
    return Saved(version("keras"), coverage.symbols, exercised, parameters)


def faults(saved: Saved, coverage: Coverage) -> list[str]:
    """What is worse than what was saved, one line each; `coverage` is of the installed Keras."""
    now = current(coverage)
    lines = [
        f"{name}: was exercised, no page exercises it now"
        for name in saved.exercised
        if name in now.symbols and name not in now.exercised
    ]
    for name, parameters in saved.parameters.items():
        known = now.symbols[name].parameters if name in now.symbols else {}
        gone = [p for p in parameters if p in known and (name, p) not in coverage.pairs]
        lines += [f"{name}({p}): was exercised, no page exercises it now" for p in gone]
    for name in saved.symbols.keys() - now.symbols.keys():
        lines.append(f"{name}: Keras {now.keras} does not have it any more")
    for name, symbol in now.symbols.items():
        if symbol.apart:
            continue
        old = saved.symbols.get(name)
        if old is None and not coverage.exercised(name):
            lines.append(f"{name}: new in Keras {now.keras}, no page exercises it")
        elif old is not None:
            new = [p for p in symbol.parameters if p not in old.parameters]
            new = [p for p in new if (name, p) not in coverage.pairs]
            lines += [f"{name}({p}): new in Keras {now.keras}, no page exercises it" for p in new]
    return lines


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status: 0, or 1 if coverage fell or a page is not current."""
    parser = argparse.ArgumentParser(prog="knotes.pipeline.api.coverage", description=__doc__)
    parser.add_argument("pages", nargs="*", metavar="PAGE", help="tell what these pages exercise")
    parser.add_argument("--accept", action="store_true", help="save even if coverage fell")
    options = parser.parse_args(arguments)
    try:
        if options.pages:
            symbols = load().symbols
            named = read_pages(Book(ROOT).resolve(options.pages))
            print("\n\n".join(page_report(symbols, page, named[page]) for page in named))
            return 0
        notes = read_pages()
    except (CoverageError, PageError) as error:
        print(error, file=sys.stderr)
        return 1
    from knotes.pipeline.api import inventory

    coverage = measure(inventory.read(), notes)
    text = report(coverage, notes)
    notebooks.write_atomically(REPORT, text)
    print(text)
    found = faults(load(), coverage) if SAVED.is_file() else []
    if found:
        print("Less than before:", *found, sep="\n  ", file=sys.stderr)
        if not options.accept:
            print("Nothing saved. If this is meant: make coverage ACCEPT=1", file=sys.stderr)
            return 1
    current(coverage).write(SAVED)
    print(f"Saved: {SAVED.relative_to(ROOT)}, {REPORT.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
