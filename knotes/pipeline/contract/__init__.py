"""The contract of a page: what must hold for its text and its stored notebook, without running.

Every rule is a function of a `Page` that yields faults, each one line that says where and what
to do. The rules are those of CONTRIBUTING.md; ``tests/test_book_contract.py`` applies them all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from knotes.pipeline.book import Book
from knotes.pipeline.contract.code import alone, arguments, helpers, labels
from knotes.pipeline.contract.form import (
    REQUIRED,
    SECTIONS,
    in_contents,
    in_short,
    old_notes,
    structure,
    style,
)
from knotes.pipeline.contract.load import load, rhythm
from knotes.pipeline.contract.outputs import (
    OPT_OUTS,
    clean_outputs,
    figures,
    in_step,
    nothing_foreign,
    reason_of,
    tags,
)
from knotes.pipeline.contract.page import Page
from knotes.pipeline.contract.pending import pairs

__all__ = ["OPT_OUTS", "REQUIRED", "RULES", "SECTIONS", "Page", "faults", "reason_of"]

RULES: tuple[Callable[[Page], Iterator[str]], ...] = (
    in_step,
    clean_outputs,
    tags,
    rhythm,
    figures,
    structure,
    in_short,
    load,
    style,
    old_notes,
    nothing_foreign,
    labels,
    arguments,
    helpers,
    alone,
    in_contents,
)


def faults(path: Path, book: Book) -> list[str]:
    """All faults of a text page, each one line; empty if the page keeps the contract.

    Rules that the page is known to break are left out (see `knotes.pipeline.contract.pending`).
    """
    page = Page(path, book)
    known = {rule for name, rule in pairs() if name == book.name_of(path)}
    return [fault for rule in RULES if rule.__name__ not in known for fault in rule(page)]
