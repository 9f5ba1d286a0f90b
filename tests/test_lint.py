"""The cells of a page are type-checked as a module."""

from knotes.pipeline import lint


def test_a_wrong_call_in_a_cell_is_told_with_its_cell(book, write_page, capfd):
    good = write_page("import knotes\n\nknotes.setup(seed=3)", name="good")
    bad = write_page("import knotes", "knotes.setup(sed=3)\nmissing + 1", name="bad")
    assert lint.main(book, [good]) == 0
    assert lint.main(book, [good, bad]) == 1
    told = capfd.readouterr().out
    assert 'Unexpected keyword argument "sed" for "setup"' in told
    assert 'Name "missing" is not defined' in told
    module = (book.built / "lint/book_part_bad.py").read_text()
    assert "# book/part/bad: code cell 2\nknotes.setup(sed=3)" in module
