"""The benchmark: which pages, which ways, and what it makes of the seconds."""

import pytest

from knotes.pipeline import bench
from knotes.pipeline.bench import Took


@pytest.fixture
def measured(book, write_page, monkeypatch):
    """Three pages, and seconds that are made up; notes what was to be measured."""
    for name in "abc":
        write_page("1", name=name)
    seconds = {1: Took(12.0, 10.0, True), 2: Took(6.0, 10.0, True), 3: Took(24.0, 0.0, False)}
    asked = []

    def measure(book, pages, options):
        asked.append(([page.name for page in pages], list(options)))
        return seconds[len(asked)]

    monkeypatch.chdir(book.root)
    monkeypatch.setattr(bench, "measure", measure)
    monkeypatch.setattr(bench, "start_of_server", lambda: 1.0)
    return asked


def test_the_ratios_are_those_of_the_seconds(measured, capsys):
    assert bench.main(["--number=2"]) == 0
    assert [pages for pages, _ in measured] == [["a.ipynb", "b.ipynb"]] * 3
    told = capsys.readouterr().out
    assert "one worker, without the start, over the cells: 1.10" in told
    assert "two workers over one: 0.50" in told
    assert "plain nbval over one worker: 2.00" in told
    assert "plain nbval               24.0 s  FAIL" in told


def test_a_page_that_is_not_there_is_told(measured, capsys):
    assert bench.main(["book/part/x"]) == 1
    assert "book/part/x" in capsys.readouterr().err
    assert measured == []


def test_a_run_is_timed_and_its_cells_too(book, write_page):
    page = write_page("1")
    (book.root / "conftest.py").write_text("pytest_plugins = ['knotes.pipeline.nbval_plugin']\n")
    took = bench.measure(book, [page.with_suffix(".ipynb")], ["--nbval", "--kernels=cold"])
    assert not took.passed  # nothing is stored
    assert 0 <= took.cells < took.wall
