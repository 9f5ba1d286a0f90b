"""Every page of the book keeps the contract (rules: knotes/pipeline/contract)."""

import functools

import pytest

from knotes.pipeline import contract, notebooks
from knotes.pipeline.book import Book
from knotes.pipeline.contract.pending import pairs
from tests.conftest import ROOT

BOOK = Book(ROOT)
PAGES = BOOK.pages()
PENDING = pairs()
MOST_PENDING = 214  # as many as when the rules came
view = functools.cache(lambda path: contract.Page(path, BOOK))


@pytest.mark.parametrize("rule", contract.RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("path", PAGES, ids=BOOK.name_of)
def test_page(path, rule):
    found = list(rule(view(path)))
    if (BOOK.name_of(path), rule.__name__) in PENDING:
        assert found, "no fault any more: take it out of knotes/pipeline/contract/pending.txt"
    else:
        assert found == []


def test_the_list_of_pending_pages_only_shrinks():
    known = {(BOOK.name_of(path), rule.__name__) for path in PAGES for rule in contract.RULES}
    assert sorted(set(PENDING)) == PENDING, "one line for each page and rule, sorted"
    assert set(PENDING) <= known, "no such page or rule: take it out"
    assert len(PENDING) <= MOST_PENDING


def test_every_stored_notebook_has_a_text():
    found = BOOK.folder.glob("**/*.ipynb")
    stored = {BOOK.name_of(path) for path in found if not path.parent.name.startswith(".")}
    assert stored == {BOOK.name_of(p) for p in PAGES}


def test_opt_outs_stay_under_one_percent_of_the_cells():
    cells = [cell for path in PAGES for cell in view(path).code]
    opt_outs = [cell for cell in cells if contract.OPT_OUTS & set(notebooks.tags_of(cell))]
    assert len(opt_outs) <= len(cells) / 100


def test_no_notebook_is_larger_than_a_megabyte():
    large = [p.name for p in BOOK.folder.glob("*/*.ipynb") if p.stat().st_size > 1_000_000]
    assert large == []
