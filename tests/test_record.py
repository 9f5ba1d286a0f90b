"""The recorder: what it stores, what it tells, and what it leaves alone when a cell fails."""

import pytest

from knotes.pipeline import notebooks, record, warm
from knotes.pipeline.notebooks import PageError


@pytest.fixture(autouse=True)
def _cold(monkeypatch):
    """These pages do not import TensorFlow: a cold kernel is the quicker one."""
    for name in list(record.warm.environment.VARIABLES):
        monkeypatch.setenv(name, record.warm.environment.VARIABLES[name])
    assert warm.enable("cold") == ""


def outputs(path):
    stored = notebooks.read_stored(path.with_suffix(".ipynb"))
    return [cell.outputs for cell in notebooks.code_cells(stored)]


def test_recording_twice_gives_the_same_bytes(write_page, capsys):
    path = write_page("print('a')\nprint('b')\n6 * 7", "import sys; sys.stdout.write('c')")
    assert not record.is_current(path)
    assert record.record(path)
    assert record.is_current(path)
    first = path.with_suffix(".ipynb").read_bytes()
    assert not record.record(path)
    assert path.with_suffix(".ipynb").read_bytes() == first
    assert "unchanged: 2 cells" in capsys.readouterr().out
    (stream, result), _ = outputs(path)
    assert (stream.text, result.data["text/plain"]) == ("a\nb\n", "42")


def test_the_summary_names_the_cells_whose_outputs_changed(write_page, capsys, tmp_path):
    path = write_page("x = 1\nprint(x)", "print('same')")
    record.record(path)
    capsys.readouterr()
    path.write_text(path.read_text().replace("Prose.", "New prose.", 1))
    record.record(path)
    assert "cell" not in capsys.readouterr().out.split("to mend")[0].split("stored: 2 cells")[1]
    path.write_text(path.read_text().replace("x = 1", "x = 2"))
    record.record(path)
    assert "cell 1 (Step 1): new source, stdout" in capsys.readouterr().out
    state = tmp_path / "state"
    path = write_page(f"print(open({str(state)!r}).read())", name="reads")
    for value in ("0.5", "0.7"):
        state.write_text(value)
        record.record(path)
    assert "-0.5\n      +0.7" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("x = 1\nx / 0", r"sample: code cell 2 \(Step 2\), line 2: ZeroDivisionError: division by"),
        ("import os\nos._exit(3)", r"sample: code cell 2 \(Step 2\): the kernel died"),
        (":tags: [raises-exception]\n1 + 1", r"code cell 2 \(Step 2\): tagged raises-exception"),
    ],
)
def test_a_failing_page_leaves_its_notebook_untouched(write_page, code, message):
    path = write_page("1", "2")
    record.record(path)
    before = path.with_suffix(".ipynb").read_bytes()
    write_page("1", code)
    with pytest.raises(PageError, match=message):
        record.record(path)
    assert path.with_suffix(".ipynb").read_bytes() == before
    assert sorted(p.suffix for p in path.parent.iterdir()) == [".ipynb", ".md"]


def test_an_expected_error_is_stored(write_page):
    path = write_page(":tags: [raises-exception]\n1 / 0")
    record.record(path)
    (((error,),)) = outputs(path)
    assert (error.ename, error.evalue) == ("ZeroDivisionError", "division by zero")


def test_the_command_line_reports_failure(write_page, monkeypatch, capsys):
    good, bad = write_page("1", name="good"), write_page("1 / 0", name="bad")
    monkeypatch.setattr(record.notebooks, "text_pages", lambda: [bad, good])
    assert record.main(["--kernels=cold"]) == 1
    told = capsys.readouterr()
    assert "bad: code cell 1 (Step 1), line 1: ZeroDivisionError" in told.err
    assert "1 of 2 pages run and stored" in told.out
    assert good.with_suffix(".ipynb").is_file()
    assert record.main(["book/none"]) == 1
    monkeypatch.setattr(record.notebooks, "text_pages", lambda: [good])
    assert record.main([]) == 0
    assert "nothing to run" in capsys.readouterr().out
