"""What is saved of the coverage, a file a page, and what makes a test or the command fail."""

import dataclasses
from pathlib import Path

import pytest

from knotes.pipeline.api import ApiError, coverage, exercised, installed
from knotes.pipeline.api.__main__ import main
from knotes.pipeline.api.inventory import Inventory, load, path_in
from knotes.pipeline.api.symbols import Symbol
from knotes.pipeline.book import Book

from .small_api import DENSE, NOTE, NOTES, RELU, SYMBOLS, stored_page

PAGE = "book/layers/dense"
LINES = {PAGE: ["keras.layers.Dense(name, units, use_bias)"]}
OFFERED = Inventory("3.15.1", SYMBOLS)


@pytest.fixture
def book(tmp_path):
    """A folder that is a book."""
    (tmp_path / "book" / "part").mkdir(parents=True)
    (tmp_path / "_toc.yml").write_text("format: jb-book\nroot: book/index\nparts: []\n")
    return Book(tmp_path)


def measured(notes=NOTES, symbols=SYMBOLS):
    return coverage.measure(symbols, notes)


def files(book):
    """The files of pages and what they hold."""
    return {
        path.relative_to(book.root).as_posix(): path.read_text()
        for path in sorted((book.root / "api" / "exercised").rglob("*"))
        if path.is_file()
    }


# --- a file for each page


def test_a_page_has_a_line_for_each_symbol_with_what_was_given_to_it():
    assert exercised.of_pages(SYMBOLS, NOTES) == LINES


def test_names_that_are_only_given_or_unknown_are_no_lines():
    notes = {"book/none": [{"named": ["keras.activations.relu"], "raised": ["keras.ops.abs"]}]}
    assert exercised.of_pages(SYMBOLS, notes) == {}
    assert exercised.of_pages(SYMBOLS, {"book/gone": [{"calls": ["keras.gone(x)"]}]}) == {}


def test_an_override_is_a_line_that_counts_what_every_override_is_given():
    given = {"inputs": "required", "extra": "None"}
    call = Symbol("keras.Layer.call", "method", "methods of keras.Layer", given, abstract=True)
    symbols = SYMBOLS | {call.name: call}
    notes = {"book/own": [{"subclassed": ["keras.Layer(call)"]}]}
    lines = exercised.of_pages(symbols, notes)
    assert lines == {"book/own": ["keras.Layer.call(inputs)"]}
    now, saved = measured(notes, symbols), exercised.covered(symbols, lines)
    assert saved.pairs.keys() == now.pairs.keys() == {("keras.Layer.call", "inputs")}


def test_pages_are_saved_side_by_side_and_merged_when_read(book):
    lines = LINES | {"book/other/relu": ["keras.activations.relu(x)"]}
    assert exercised.save(book, lines) == sorted(lines)
    assert files(book) == {
        "api/exercised/layers/dense.txt": "keras.layers.Dense(name, units, use_bias)\n",
        "api/exercised/other/relu.txt": "keras.activations.relu(x)\n",
    }
    assert exercised.load(book) == lines
    found = exercised.covered(SYMBOLS, exercised.load(book))
    assert [name for name in SYMBOLS if found.exercised(name)] == [DENSE.name, RELU.name]
    assert ("keras.Layer", "name") in found.pairs  # its base class takes it


def test_only_changed_pages_are_written_and_gone_ones_removed(book):
    lines = LINES | {"book/other/relu": ["keras.activations.relu(x)"], "book/gone": ["keras.Layer"]}
    exercised.save(book, lines)
    kept = book.root / "api" / "exercised" / "layers" / "dense.txt"
    before = kept.stat()
    lines = LINES | {"book/other/relu": ["keras.activations.relu"]}
    assert exercised.save(book, lines) == ["book/gone", "book/other/relu"]
    assert (kept.stat().st_mtime_ns, kept.stat().st_ino) == (before.st_mtime_ns, before.st_ino)
    assert exercised.load(book) == lines


@pytest.mark.parametrize("line", ["<<<<<<< HEAD", "Dense(units)", "keras.layers.Dense(units", ""])
def test_a_line_that_is_none_is_an_error_that_names_its_place(book, line):
    exercised.save(book, LINES)
    path = book.root / "api" / "exercised" / "layers" / "dense.txt"
    path.write_text(f"keras.layers.Dense\n{line}\n")
    with pytest.raises(ApiError, match=r"api/exercised/layers/dense\.txt, line 2: expected a name"):
        exercised.load(book)


# --- less than was saved


def test_no_less_is_no_fall():
    assert exercised.falls(LINES, measured()) == []
    more = NOTES | {"book/more": [{"calls": ["keras.activations.relu(x)"]}]}
    assert exercised.falls(LINES, measured(more)) == []


def test_what_another_page_exercises_is_no_fall():
    assert exercised.falls(LINES, measured({"book/other": NOTES[PAGE]})) == []


def test_a_fall_is_told_for_symbol_and_parameter():
    less = {PAGE: [{}, {"knotes": ["keras.layers.Dense(use_bias)"]}]}
    assert exercised.falls(LINES, measured(less)) == [
        "keras.Layer(name): was exercised, no page exercises it now",
        "keras.layers.Dense(units): was exercised, no page exercises it now",
    ]
    none = exercised.falls(LINES, measured({}))
    assert "keras.layers.Dense: was exercised, no page exercises it now" in none


def test_what_keras_has_no_more_is_no_fall():
    less = dataclasses.replace(DENSE, parameters={"units": "required"})
    symbols = SYMBOLS | {DENSE.name: less}
    notes = {PAGE: [{"calls": ["keras.layers.Dense(name, units)"]}]}
    assert exercised.falls(LINES, measured(notes, symbols)) == []
    gone = {name: symbol for name, symbol in SYMBOLS.items() if symbol is not DENSE}
    assert exercised.falls(LINES, measured({}, gone)) == []


# --- another Keras


def news(symbols, notes=NOTES):
    return exercised.news(OFFERED, Inventory("4.0", symbols), measured(notes, symbols))


def test_what_a_new_keras_brings_is_told_unless_covered():
    wider = dataclasses.replace(DENSE, parameters={**DENSE.parameters, "turbo": "False"})
    new = Symbol("keras.layers.New", "class", "keras.layers", {})
    apart = Symbol("keras.ops.new", "function", "keras.ops", {}, apart="a subject")
    symbols = SYMBOLS | {wider.name: wider, new.name: new, apart.name: apart}
    assert news(symbols) == [
        "keras.layers.Dense(turbo): new in Keras 4.0, no page exercises it",
        "keras.layers.New: new in Keras 4.0, no page exercises it",
    ]
    covered = {"book/new": [{"calls": ["keras.layers.New", "keras.layers.Dense(turbo)"]}]}
    assert news(symbols, NOTES | covered) == []


def test_what_a_new_keras_drops_is_told():
    symbols = {name: s for name, s in SYMBOLS.items() if s is not RELU}
    assert news(symbols) == ["keras.activations.relu: Keras 4.0 does not have it any more"]


# --- the book


def test_the_book_covers_no_less_than_is_saved():
    book = Book.find(Path(__file__))
    offered = installed.read()
    now = coverage.measure(offered.symbols, coverage.read_pages(book))
    found = exercised.falls(exercised.load(book), now)
    found += exercised.news(load(book), offered, now)
    assert found == [], "if this is meant: make coverage ACCEPT=1"


# --- the command


@pytest.fixture
def command(book, monkeypatch, write_page):
    """`make coverage` in a book of one page and four symbols; returns a call of it."""
    stored_page(write_page, NOTE)
    monkeypatch.chdir(book.root)
    monkeypatch.setattr(installed, "read", lambda: OFFERED)
    return lambda *arguments: main(list(arguments))


def test_the_command_saves_inventory_pages_and_report(command, book, capsys):
    assert command() == 0
    assert load(book) == OFFERED
    assert files(book) == {"api/exercised/part/sample.txt": "keras.layers.Dense(units)\n"}
    assert "1 / 1  100 %" in (book.built / "coverage.txt").read_text()
    assert "book/part/sample changed" in capsys.readouterr().out
    before = path_in(book).stat().st_ino
    assert command() == 0
    assert path_in(book).stat().st_ino == before
    assert "no page changed" in capsys.readouterr().out


def test_the_command_refuses_a_fall_unless_it_is_accepted(command, book, write_page, capsys):
    command()
    saved = files(book)
    stored_page(write_page, {})
    assert command() == 1
    told = capsys.readouterr().err
    assert "keras.layers.Dense: was exercised" in told
    assert "make coverage ACCEPT=1" in told
    assert files(book) == saved
    assert command("--accept") == 0
    assert files(book) == {}


def test_the_command_refuses_what_a_new_keras_brings_unless_it_is_accepted(
    command, book, monkeypatch
):
    command()
    new = Symbol("keras.layers.New", "class", "keras.layers", {})
    newer = Inventory("4.0", SYMBOLS | {new.name: new})
    monkeypatch.setattr(installed, "read", lambda: newer)
    assert command() == 1
    assert load(book) == OFFERED
    assert command("--accept") == 0
    assert load(book) == newer


def test_the_command_tells_of_a_page_and_writes_nothing(command, book, capsys):
    OFFERED.write(book)
    assert command("book/part/sample.md") == 0
    assert "book/part/sample: 1 symbols, 1 parameters (1):" in capsys.readouterr().out
    assert files(book) == {}
    assert command("book/part/none.md") == 1
    assert "'book/part/none.md' is not a page" in capsys.readouterr().err


def test_the_command_names_a_page_that_is_not_current(command, book, capsys):
    text = book.page("book/part/sample")
    text.write_text(text.read_text() + "\nMore.\n")
    assert command() == 1
    assert "is older than the page" in capsys.readouterr().err
    assert not (book.root / "api").exists()


def test_the_command_needs_a_book(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main([]) == 1
    assert "not in a book" in capsys.readouterr().err
