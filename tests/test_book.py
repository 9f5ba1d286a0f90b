"""The book as files: its root, its pages, and their names."""

import pytest

from knotes.pipeline import book as module
from knotes.pipeline.book import Book, PageError
from tests.conftest import ROOT


def test_the_root_is_found_from_a_file_or_the_working_directory(book, write_page, monkeypatch):
    page = write_page("1")
    assert Book.find(page) == book
    monkeypatch.chdir(page.parent)
    assert Book.find() == book


def test_outside_of_a_book_there_is_none(tmp_path):
    with pytest.raises(PageError, match=r"no _toc\.yml in this folder or above: not in a book"):
        Book.find(tmp_path)


def test_pages_are_those_of_the_parts_but_the_reference(book, write_page):
    page = write_page("1")
    (book.folder / "reference").mkdir()
    (book.folder / "reference" / "api.md").write_text("# API\n")
    (book.folder / "index.md").write_text("# Index\n")
    assert book.pages() == [page]
    assert (book.name_of(page), book.page("book/part/sample")) == ("book/part/sample", page)


def test_a_page_is_named_without_a_path_of_the_machine(write_page, tmp_path_factory):
    assert module.name_of(write_page("1")) == "book/part/sample"
    assert module.name_of(tmp_path_factory.mktemp("x") / "page.md") == "page"


def test_pages_are_resolved_by_file_and_folder():
    book = Book(ROOT)
    pages = book.pages()
    assert pages
    first = pages[0]
    for name in (first, first.with_suffix(".ipynb"), first.with_suffix("")):
        assert book.resolve([str(name)]) == [first]
    assert first in book.resolve([str(first.parent)])
    assert book.resolve([str(book.folder)]) == pages
    with pytest.raises(PageError, match=r"'book/none\.md' is not a page"):
        book.resolve(["book/none.md"])


def test_every_listed_page_is_there():
    book = Book(ROOT)
    assert {book.name_of(page) for page in book.pages()} <= set(book.listed())
