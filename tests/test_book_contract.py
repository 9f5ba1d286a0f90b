"""Every page of the book keeps the contract (rules: knotes/pipeline/contract.py)."""

import pytest

from knotes.pipeline import contract, notebooks

PAGES = notebooks.text_pages()


@pytest.mark.parametrize("rule", contract.RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("path", PAGES, ids=notebooks.name_of)
def test_page(path, rule):
    assert list(rule(contract.Page(path))) == []


def test_every_stored_notebook_has_a_text():
    found = notebooks.BOOK.glob("**/*.ipynb")
    stored = {notebooks.name_of(path) for path in found if not path.parent.name.startswith(".")}
    assert stored == {notebooks.name_of(p) for p in PAGES}


def test_opt_outs_stay_under_one_percent_of_the_cells():
    cells = [cell for path in PAGES for cell in contract.Page(path).code]
    opt_outs = [cell for cell in cells if contract.OPT_OUTS & set(notebooks.tags_of(cell))]
    assert len(opt_outs) <= len(cells) / 100


def test_no_notebook_is_larger_than_a_megabyte():
    large = [p.name for p in notebooks.BOOK.glob("*/*.ipynb") if p.stat().st_size > 1_000_000]
    assert large == []
