"""The coverage as text: numbers, what is missing, and what each page exercises."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

from knotes.pipeline.api import exercised
from knotes.pipeline.api.coverage import Coverage, measure
from knotes.pipeline.api.notes import Note
from knotes.pipeline.api.symbols import Symbol
from knotes.pipeline.api.totals import Row, core, rows, total

_STATES = {
    "missing": "missing",
    "named": "only given by name",
    "subclassed": "only subclassed",
}


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


def page_report(symbols: Mapping[str, Symbol], page: str, cells: Sequence[Note]) -> str:
    """What one page exercises, as text."""
    own = measure(symbols, {page: cells})
    texts = exercised.entries(own, cells)
    lines = [_wrapped(f"{page}: {len(texts)} symbols, {len(own.pairs)} parameters", texts)]
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
