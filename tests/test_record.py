"""The recorder: what it stores, what it tells, and what it leaves alone when a cell fails."""

import os
import signal
import subprocess
import sys
import time

import pytest

from knotes.pipeline import notebooks, record
from knotes.pipeline.book import PageError


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """One recorder with cold kernels for all tests: these pages do not import TensorFlow."""
    with record.Recorder(None, "cold") as recorder:
        yield recorder


@pytest.fixture
def stored(kept, book, monkeypatch):
    """Record pages; what is told of each, as text. `PageError` for one that is not stored."""
    monkeypatch.setattr(kept, "book", book)

    def run(*pages):
        told = dict(kept.record(pages))
        for one in told.values():
            if isinstance(one, PageError):
                raise one
        return "\n".join(line for lines in told.values() for line in lines)

    return run


def outputs(path):
    notebook = notebooks.read_stored(path.with_suffix(".ipynb"))
    return [cell.outputs for cell in notebooks.code_cells(notebook)]


def test_recording_twice_gives_the_same_bytes(write_page, stored):
    path = write_page("print('a')\nprint('b')\n6 * 7", "import sys; sys.stdout.write('c');")
    assert record.why_stale(path) == "never run"
    assert "stored: 2 cells" in stored(path)
    assert record.why_stale(path) == ""
    first = path.with_suffix(".ipynb").read_bytes()
    assert "unchanged: 2 cells" in stored(path)
    assert path.with_suffix(".ipynb").read_bytes() == first
    (stream, result), _ = outputs(path)
    assert (stream.text, result.data["text/plain"]) == ("a\nb\n", "42")


def test_the_summary_names_the_cells_whose_outputs_changed(write_page, stored, tmp_path):
    path = write_page("x = 1\nprint(x)", "print('same')")
    stored(path)
    path.write_text(path.read_text().replace("Prose.", "New prose.", 1))
    assert record.why_stale(path) == "the text has changed"
    assert "cell 1 (" not in stored(path).split("to mend")[0]
    path.write_text(path.read_text().replace("x = 1", "x = 2"))
    assert "cell 1 (Step 1): new source, stdout" in stored(path)
    state = tmp_path / "state"
    path = write_page(f"print(open({str(state)!r}).read())", name="reads")
    state.write_text("0.5")
    stored(path)
    state.write_text("0.7")
    assert "-0.5\n      +0.7" in stored(path)


def test_another_version_makes_a_page_stale(write_page, stored, monkeypatch):
    path = write_page("1")
    stored(path)
    now = notebooks.versions()
    monkeypatch.setattr(notebooks, "versions", lambda: now | {"keras": "4.0.0"})
    assert record.why_stale(path) == f"keras {now['keras']} → 4.0.0"


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("x = 1\nx / 0", r"sample: code cell 2 \(Step 2\), line 2: ZeroDivisionError: division by"),
        ("import os\nos._exit(3)", r"sample: code cell 2 \(Step 2\): the kernel ended with exit"),
        (":tags: [raises-exception]\n1 + 1", r"code cell 2 \(Step 2\): tagged raises-exception"),
        ("print('x' * 99_999_999)", r"code cell 2 \(Step 2\): printed more than 10 MB"),
        (
            "import random\nrandom.random()",
            "otherwise:\n    cell 2: text/plain",
        ),
        (
            "print({'a', 'b', 'c', 'd', 'e', 'f'})",
            "otherwise:\n    cell 2: stdout differs",
        ),
        ("object()", "came out otherwise:\n    cell 2: text/plain differs"),
        (
            "from IPython.display import Image\nImage(data=b'\\x89PNG\\r\\n\\x1a\\n' + bytes(30))",
            r"code cell 2 \(Step 2\): figure: cannot be decoded",
        ),
    ],
)
def test_a_failing_page_leaves_its_notebook_untouched(write_page, stored, code, message):
    path = write_page("1", "2")
    stored(path)
    before = path.with_suffix(".ipynb").read_bytes()
    write_page("1", code)
    with pytest.raises(PageError, match=message) as raised:
        stored(path)
    assert len(str(raised.value)) < 5000
    assert path.with_suffix(".ipynb").read_bytes() == before
    assert sorted(p.suffix for p in path.parent.iterdir()) == [".ipynb", ".md"]


@pytest.mark.parametrize(
    ("size", "message"),
    [
        ((3000, 2000), "figure: 3000 × 2000 pixels; at most 4 million"),
        ((20000, 9000), r"figure: cannot be decoded: Image size \(180000000 pixels\)"),
    ],
)
def test_a_figure_of_many_megapixels_is_refused(write_page, stored, size, message):
    code = f"""
        import io
        from IPython.display import Image
        import PIL.Image
        PIL.Image.new("1", {size}).save(buffer := io.BytesIO(), "png")
        Image(data=buffer.getvalue())
        """
    with pytest.raises(PageError, match=message):
        stored(write_page(code))


def test_an_opt_out_need_not_repeat(write_page, stored):
    path = write_page(
        ":tags: [nbval-ignore-output]\n# reason: chance\nimport random\nrandom.random()"
    )
    assert "stored: 1 cells" in stored(path)


def test_an_expected_error_is_stored(write_page, stored):
    path = write_page(":tags: [raises-exception]\n1 / 0")
    stored(path)
    ((error,),) = outputs(path)
    assert (error.ename, error.evalue) == ("ZeroDivisionError", "division by zero")


def test_a_page_that_changes_while_it_runs_is_not_stored(write_page, stored):
    path = write_page("from pathlib import Path\n_ = Path('sample.md').open('a').write('more')")
    with pytest.raises(PageError, match="sample: its text has changed while it was run"):
        stored(path)
    assert not path.with_suffix(".ipynb").exists()


@pytest.mark.parametrize("broken", ["{", "", "<<<<<<< ours\n{}\n"])
def test_a_broken_notebook_is_made_anew(write_page, stored, broken):
    path = write_page("1")
    path.with_suffix(".ipynb").write_text(broken)
    assert record.why_stale(path) == "its notebook cannot be read"
    assert "stored notebook not readable" in stored(path)
    assert record.why_stale(path) == ""


def test_the_command_line_reports_failure(book, write_page, monkeypatch, capsys):
    good, bad = write_page("1", name="good"), write_page("1 / 0", name="bad")
    monkeypatch.chdir(book.root)
    assert record.main(["--kernels=cold"]) == 1
    told = capsys.readouterr()
    assert "book/part/good: to be run: never run" in told.out
    assert "bad: code cell 1 (Step 1), line 1: ZeroDivisionError" in told.err
    assert "1 of 2 pages run and stored" in told.out
    assert good.with_suffix(".ipynb").is_file()
    assert record.main(["book/none"]) == 1
    bad.unlink()
    assert record.main([]) == 0
    assert "nothing to run" in capsys.readouterr().out


def test_an_interrupt_is_told_in_one_line(book, write_page):
    write_page("from pathlib import Path\nPath('../../begun').touch()\nwhile True: pass")
    command = [sys.executable, "-m", "knotes.pipeline.record", "--kernels=cold"]
    done = subprocess.Popen(command, cwd=book.root, stderr=subprocess.PIPE, stdout=subprocess.PIPE)
    deadline = time.monotonic() + 120
    while not (book.root / "begun").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    os.kill(done.pid, signal.SIGINT)
    _, told = done.communicate(timeout=60)
    assert told.decode().strip() == "Interrupted: 0 pages stored, 1 untouched."
    assert done.returncode == 130
    assert [p.suffix for p in (book.folder / "part").iterdir()] == [".md"]
