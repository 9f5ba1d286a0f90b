"""Notes of uses: stored with their cells, read back, compared."""

import json

import pytest

from knotes.pipeline import notebooks
from knotes.pipeline.api import ApiError, coverage, notes
from knotes.pipeline.api.symbols import entry, parse
from knotes.pipeline.book import Book

from .small_api import NOTE, stored_page


def test_a_use_is_written_and_read_back():
    text = entry("keras.layers.Dense", {"units", "activation"})
    assert text == "keras.layers.Dense(activation, units)"
    assert parse(text) == ("keras.layers.Dense", ["activation", "units"])
    assert entry("keras.layers.Dense", ()) == "keras.layers.Dense"
    assert parse("keras.layers.Dense") == ("keras.layers.Dense", [])


def test_a_report_is_decoded_and_none_gives_nothing():
    assert notes.decode(json.dumps([["1 + 1", NOTE]])) == [("1 + 1", NOTE)]
    assert notes.decode(None) == notes.decode("") == []


def test_notes_are_stored_with_their_cells(write_page, tmp_path):
    page = stored_page(write_page, NOTE)
    assert coverage.read_pages(Book(tmp_path), [page]) == {"book/part/sample": [NOTE]}


def test_a_record_older_than_its_page_is_an_error(write_page, tmp_path):
    path = stored_page(write_page, NOTE)
    path.write_text(path.read_text().replace("Prose", "Other prose"))
    with pytest.raises(ApiError, match=r"sample: the record .* is older than the page; run: "):
        coverage.read_pages(Book(tmp_path))
    path.with_suffix(".ipynb").unlink()
    with pytest.raises(ApiError, match="stored notebook not readable"):
        coverage.read_pages(Book(tmp_path))


def test_notes_of_other_cells_are_refused(write_page):
    notebook = notebooks.read_text(write_page("1 + 1"))
    with pytest.raises(ApiError, match="for 0 cells, expected 1"):
        notes.store(notebook, [])


def test_what_a_cell_no_longer_uses_is_forgotten(write_page):
    notebook = notebooks.read_text(write_page("1 + 1", "2"))
    notes.store(notebook, [("1 + 1", NOTE), ("2", {})])
    notes.store(notebook, [("1 + 1", {}), ("2", NOTE)])
    assert [notes.stored(cell) for cell in notebooks.code_cells(notebook)] == [{}, NOTE]


def test_cells_that_do_not_run_have_no_notes(write_page):
    notebook = notebooks.read_text(write_page(":tags: [nbval-skip]\n1 / 0", "1 + 1"))
    notes.store(notebook, [("1 + 1", NOTE)])
    assert [notes.stored(cell) for cell in notebooks.code_cells(notebook)] == [{}, NOTE]
    assert notes.differences(notebook, [("1 + 1", NOTE)]) == []
    assert notes.differences(notebook, []) == ["code cell 2: did not run, or its use was not noted"]


def test_other_uses_than_stored_are_told(write_page):
    stored = notebooks.read_stored(stored_page(write_page, NOTE).with_suffix(".ipynb"))
    assert notes.differences(stored, [("1 + 1", NOTE)]) == []
    new = {"calls": ["keras.layers.Dense(units, use_bias)"]}
    assert notes.differences(stored, [("1 + 1", new)]) == [
        "code cell 1: stored, not used now: calls: keras.layers.Dense(units)",
        "code cell 1: used now, not stored: calls: keras.layers.Dense(units, use_bias)",
    ]


def test_a_cell_that_did_not_run_is_told_after_those_that_did(write_page):
    notebook = notebooks.read_text(write_page("1 + 1", "2", "1 + 1"))
    notes.store(notebook, [("1 + 1", NOTE), ("2", {}), ("1 + 1", NOTE)])
    assert notes.differences(notebook, [("1 + 1", NOTE), ("1 + 1", NOTE)]) == [
        "code cell 2: did not run, or its use was not noted"
    ]
