"""Sections of a page run alone: what a reader gets who comes by a deep link."""

import pytest

from knotes.pipeline import alone, notebooks
from knotes.pipeline.engine import Run

IMPORTS = "import random\n\nimport numpy as np"


@pytest.fixture(scope="module")
def run():
    with Run() as one:
        yield one


@pytest.fixture
def stored(write_page, run):
    """Write a page and store its outputs; returns its path."""

    def store(*cells):
        page = write_page(IMPORTS, *cells)
        result = run.page(notebooks.read_text(page), page.parent)
        made = notebooks.normalize(result.notebook, notebooks.digest(page))
        notebooks.write(made, page.with_suffix(".ipynb"))
        return page

    return store


@pytest.fixture
def told(stored, run):
    """What is told of the sections of a page with these cells."""
    return lambda *cells: alone.faults(stored(*cells), run)


def test_sections_that_stand_alone_are_not_told(told):
    assert told("value = 2\nprint(value)", "print(np.arange(3))\nvalue = 4") == []


def test_what_a_section_needs_of_another_is_told(told):
    told_of = told("value = 2", "print(value)", "value = 3")
    assert told_of == ["## Step 3: code cell 3: NameError: name 'value' is not defined"]


def test_an_output_that_hangs_on_another_section_is_told(told):
    (line,) = told("np.set_printoptions(precision=2)", "print(np.array([1 / 3]))")
    assert line.startswith("## Step 3: code cell 3: shows stdout differs")
    assert "-[0.33]" in line


def test_a_section_that_draws_without_a_seed_has_only_to_run(told):
    draw = "import keras\nprint(float(keras.random.uniform(())))"
    seed = "import keras\nkeras.utils.set_random_seed(0)\n"
    assert told(seed + draw, draw) == []
    assert told(seed + draw, seed + draw) == []


def test_numbers_that_keras_counts_up_are_no_difference(told):
    made = "import keras\nprint(keras.layers.Dense(1).name)"
    wrong = ":tags: [raises-exception]\nimport keras\nkeras.Model()(keras.Input((3,)).name)"
    assert told(made, made, wrong, wrong) == []


def test_the_command_names_pages_and_counts_them(book, stored, monkeypatch, capsys):
    stored("value = 2", "print(value)")
    monkeypatch.chdir(book.root)
    assert alone.main([]) == 1
    out = capsys.readouterr().out
    assert "book/part/sample, ## Step 3: code cell 3: NameError" in out
    assert "0 of 1 pages have sections that run alone." in out
    assert alone.main(["book/part/x"]) == 1
    assert "book/part/x" in capsys.readouterr().err
