"""Pages run with other seeds: which of their claims hang on them."""

import pytest

from knotes.pipeline import seeds
from knotes.pipeline.engine import Run
from tests.conftest import notebook_of

SETUP = "import knotes\n\nknotes.setup()\n\nimport keras\nimport numpy as np"
# Each gives the same number in each run of the page, and another one with another seed.
DRAWN = {
    "setup": "np.random.random()",
    "set_random_seed": "[keras.utils.set_random_seed(5), float(keras.random.uniform(()))][1]",
    "default_rng": "np.random.default_rng(5).random()",
    "random_state": "__import__('sklearn.utils').utils.shuffle(range(99), random_state=5)",
}


@pytest.fixture(scope="module")
def warm():
    with Run(weather=seeds.other(0)) as unmoved, Run(weather=seeds.other(1)) as moved:
        yield unmoved, moved


@pytest.mark.parametrize("way", DRAWN)
def test_a_claim_that_hangs_on_a_seed_is_told(way, book, write_page, warm):
    unmoved, moved = warm
    cells = notebook_of(SETUP, f"print({DRAWN[way]})")
    drawn = unmoved.page(cells, book.folder).notebook.cells[-1].outputs[0]["text"]
    page = write_page(SETUP, f"assert str({DRAWN[way]}) == {drawn.strip()!r}")
    assert seeds.faults(page, unmoved) == []
    assert seeds.faults(page, moved) == ["code cell 2 (Step 2), line 1: AssertionError: "]


def test_a_page_that_holds_with_other_seeds(book, write_page, monkeypatch, capsys):
    monkeypatch.chdir(book.root)
    write_page(SETUP, "assert 0 <= np.random.default_rng(0).random() < 1")
    assert seeds.main([]) == 0
    assert "0 of 2 runs hang on their seeds." in capsys.readouterr().out
    write_page("import os", "os._exit(3)", name="dies")
    assert seeds.main(["--seed=1", "book/part/dies"]) == 1
    told = capsys.readouterr().out
    assert "dies, seeds + 1: code cell 2: the kernel ended with exit code 3" in told
