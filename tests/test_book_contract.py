"""Every page of the book keeps the contract (rules: knotes/pipeline/contract.py)."""

import pytest

from knotes.pipeline import contract, notebooks
from knotes.pipeline.book import Book
from tests.conftest import ROOT

BOOK = Book(ROOT)
PAGES = BOOK.pages()


@pytest.mark.parametrize("rule", contract.RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("path", PAGES, ids=BOOK.name_of)
def test_page(path, rule):
    assert list(rule(contract.Page(path, BOOK))) == []


def test_every_stored_notebook_has_a_text():
    found = BOOK.folder.glob("**/*.ipynb")
    stored = {BOOK.name_of(path) for path in found if not path.parent.name.startswith(".")}
    assert stored == {BOOK.name_of(p) for p in PAGES}


def test_opt_outs_stay_under_one_percent_of_the_cells():
    cells = [cell for path in PAGES for cell in contract.Page(path, BOOK).code]
    opt_outs = [cell for cell in cells if contract.OPT_OUTS & set(notebooks.tags_of(cell))]
    assert len(opt_outs) <= len(cells) / 100


def test_no_notebook_is_larger_than_a_megabyte():
    large = [p.name for p in BOOK.folder.glob("*/*.ipynb") if p.stat().st_size > 1_000_000]
    assert large == []
