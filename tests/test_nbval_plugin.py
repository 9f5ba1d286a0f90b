"""Break a stored page in every way we know, and see ``pytest --nbval`` turn red.

Each case records a small page, breaks one thing in what is stored (or in the text, or in the
library), runs the command a reader would run, and looks for the message that names it.
"""

import base64
import io
import json
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from knotes.pipeline import notebooks, record, verification
from knotes.pipeline.book import Book
from tests.conftest import page_text

CELLS = (
    """
    import library
    import numpy as np
    get_ipython().InteractiveTB.set_mode("Minimal")
    print("mean", np.arange(4).mean() / 7)
    """,
    """
    from IPython.display import HTML
    HTML('<table><tr><td>kernel</td><td>0.25</td></tr><tr><td>bias</td><td>3</td></tr></table>')
    """,
    """
    ---
    mystnb:
      image:
        alt: one line that goes up
    ---
    %matplotlib inline
    import matplotlib.pyplot as plt
    _ = plt.plot([1, 2, 3], linewidth=2)
    """,
    ":tags: [raises-exception]\nnp.zeros((2, 3)) @ np.zeros((2, 3))",
    "np.ones((2, 3)).shape, library.default()",
)


def cell(notebook, number):
    return [c for c in notebook["cells"] if c["cell_type"] == "code"][number - 1]


def replace(number, old, new):
    """A change of one stored output: text `old` becomes `new`."""

    def change(notebook):
        target = cell(notebook, number)
        text = json.dumps(target["outputs"])
        assert old in text
        target["outputs"] = json.loads(text.replace(old, new))

    return change


def redraw(draw):
    """A change of the pixels of the stored figure."""

    def change(notebook):
        data = next(o["data"] for o in cell(notebook, 3)["outputs"] if "image/png" in o["data"])
        stored = data["image/png"]
        stored = "".join(stored) if isinstance(stored, list) else stored
        image = Image.open(io.BytesIO(base64.b64decode(stored))).convert("RGB")
        draw(image)
        buffer = io.BytesIO()
        image.save(buffer, "png")
        data["image/png"] = base64.b64encode(buffer.getvalue()).decode()

    return change


def thinner(image):
    """Shave the line: its dark pixels with a white neighbor above become white."""
    pixels = image.load()
    for x in range(image.width):
        for y in range(1, image.height):
            if sum(pixels[x, y - 1]) > 740 and sum(pixels[x, y]) < 600:
                pixels[x, y] = (255, 255, 255)
                break


def drop_figure(notebook):
    for output in cell(notebook, 3)["outputs"]:
        output["data"].pop("image/png", None)


def blank(notebook):
    cell(notebook, 2)["execution_count"] = None
    cell(notebook, 2)["outputs"] = []


def add_output(notebook):
    cell(notebook, 5)["outputs"].insert(
        0, {"output_type": "stream", "name": "stdout", "text": ["extra\n"]}
    )


def hide_stderr(notebook):
    cell(notebook, 5)["outputs"].insert(
        0, {"output_type": "stream", "name": "stderr", "text": ["Warning\n"]}
    )


def untag(notebook):
    cell(notebook, 4)["metadata"]["tags"] = []


def claim_a_use(notebook):
    cell(notebook, 5)["metadata"]["knotes"] = {"calls": ["keras.layers.Dense(units)"]}


def same(text):
    return text


@dataclass(frozen=True)
class Break:
    """One thing broken, in the stored notebook or in the text, and the message that names it."""

    message: str
    change: object = lambda notebook: None
    edit: object = same


BROKEN = {
    "third-digit": Break(r"stdout differs\n.*\n-mean 0\.215", replace(1, "0.2142857", "0.2152857")),
    "integer": Break(r"text/plain differs\n.*\n-\(\(2, 4\)", replace(5, "(2, 3)", "(2, 4)")),
    "swapped-label": Break(r"stdout differs\n.*\n-median", replace(1, "mean", "median")),
    "dropped-row": Break(
        r"text/html differs\n.*\n-<table><tr><td>kernel",
        replace(2, "<tr><td>bias</td><td>3</td></tr>", ""),
    ),
    "number-in-a-table": Break("text/html differs", replace(2, "0.25", "0.26")),
    "error-message": Break("message of ValueError differs", replace(4, "mismatch", "match")),
    "dropped-figure": Break(
        r"stored \[display of text/plain\], new \[display of image/png, text/plain\]", drop_figure
    ),
    "thinner-line": Break("figure differs in", redraw(thinner)),
    "line-through-a-figure": Break(
        "figure differs in .* rows 90–90",
        redraw(lambda image: ImageDraw.Draw(image).line([(0, 90), (400, 90)], (90, 90, 90))),
    ),
    "output-that-is-gone": Break(r"stored \[stdout; text/plain\], new", add_output),
    "stored-stderr": Break(r"stored \[stderr; text/plain\], new \[text/plain\]", hide_stderr),
    "blanked-count": Break(r"execution counts are \[1, None, 3, 4, 5\]", blank),
    "stale-code": Break(r"print.*/ 8.* in the text", edit=lambda text: text.replace("/ 7", "/ 8")),
    "stale-prose": Break(
        "'Claim.' in the text", edit=lambda text: text.replace("Prose.", "Claim.", 1)
    ),
    "use-that-is-not-made": Break(
        r"code cell 5: stored, not used now: calls: keras\.layers\.Dense\(units\)", claim_a_use
    ),
    "no-text": Break(r"there is no no-text\.md beside it", edit=lambda text: None),
    "error-without-a-tag": Break(
        r"code cell 4: ValueError: matmul: Input operand 1 .*\n.*np\.zeros",
        untag,
        lambda text: text.replace(":tags: [raises-exception]\n", ""),
    ),
}
INTACT = {
    "unbroken": Break(""),
    "rounding": Break("", replace(1, "0.2142857", "0.2142858")),
}


@dataclass(frozen=True)
class Outcome:
    """What one page's tests said: how many, and the text of those that failed."""

    tests: int
    failures: list[str]


LIBRARY = "def default():\n    return 0\n"


def verify(folder, pages, *flags, library=LIBRARY):
    """Run ``pytest --nbval book`` over {name: (text or None, notebook)}; {name: Outcome}."""
    part = folder / "book" / "part"
    part.mkdir(parents=True)
    (folder / "_toc.yml").write_text("format: jb-book\nroot: book/index\nparts: []\n")
    (folder / "conftest.py").write_text("pytest_plugins = ['knotes.pipeline.nbval_plugin']\n")
    (folder / "pytest.ini").write_text("[pytest]\naddopts = --dist=loadscope\n")
    (part / "library.py").write_text(library)
    for name, (text, notebook) in pages.items():
        stored = notebook if isinstance(notebook, str) else json.dumps(notebook)
        (part / f"{name}.ipynb").write_text(stored)
        if text is not None:
            (part / f"{name}.md").write_text(text)
    command = [sys.executable, "-m", "pytest", "--nbval", "book", "--kernels=cold"]
    command += ["-p", "no:cacheprovider", "--junitxml=report.xml", *flags]
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST", "COV"))}
    done = subprocess.run(command, cwd=folder, env=clean, check=False, capture_output=True)
    cases = list(ET.parse(folder / "report.xml").iter("testcase"))
    found = {}
    for name in pages:
        mine = [c for c in cases if f"book.part.{name}." in f"{c.get('classname')}."]
        told = [element.text for c in mine for element in c if element.tag == "failure"]
        found[name] = Outcome(len(mine), told)
    assert (done.returncode != 0) == any(outcome.failures for outcome in found.values())
    return found


def recorded_page(folder, *cells):
    """Record a page: its text and its notebook."""
    part = folder / "book" / "part"
    part.mkdir(parents=True)
    (folder / "_toc.yml").write_text("format: jb-book\nroot: book/index\nparts: []\n")
    (part / "library.py").write_text(LIBRARY)
    path = part / "sample.md"
    path.write_text(page_text(*cells))
    with record.Recorder(Book(folder), "cold") as recorder:
        ((_, told),) = recorder.record([path])
    assert not isinstance(told, Exception), told
    return path.read_text(), json.loads(path.with_suffix(".ipynb").read_text())


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """The sample page, recorded: its text and its notebook."""
    return recorded_page(tmp_path_factory.mktemp("recorded"), *CELLS)


@pytest.fixture(scope="module")
def verified(recorded, tmp_path_factory):
    """All pages, broken and intact, verified in one run: (folder, {name: Outcome})."""
    text, notebook = recorded
    pages = {}
    for name, how in (BROKEN | INTACT).items():
        copy = json.loads(json.dumps(notebook))
        how.change(copy)
        pages[name] = how.edit(text), copy
    folder = tmp_path_factory.mktemp("verified")
    return folder, verify(folder, pages, "-n2", "--verification-record=cpu")


@pytest.mark.parametrize("name", INTACT)
def test_an_intact_page_passes(verified, name):
    assert verified[1][name] == Outcome(7, [])


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_page_fails_with_a_message_that_names_it(verified, name):
    told = "\n".join(verified[1][name].failures)
    assert re.search(BROKEN[name].message, told), told
    assert re.search(rf"{name}, 'Step \d', code cell \d: |out of step\n|other than stored\n", told)


def test_the_record_holds_the_pages_that_passed_and_no_other(verified):
    folder, _ = verified
    (record_,) = verification.load(Book(folder))
    assert {Path(page).name for page in record_.pages} == set(INTACT)
    page = record_.pages["book/part/unbroken"]
    assert page.sha256 == notebooks.digest(folder / "book/part/unbroken.ipynb")
    assert (page.cells, page.opt_outs, list(page.agreed)) == (5, 0, ["pinned"])


def test_a_stale_text_says_what_to_run(verified):
    (told, *_) = verified[1]["stale-prose"].failures
    assert "run: make outputs PAGES=book/part/stale-prose.md" in told


def test_a_failing_figure_leaves_a_picture(verified):
    folder, outcomes = verified
    (told,) = outcomes["thinner-line"].failures
    (picture,) = folder.glob("_build/figures/*thinner-line-cell3-*.png")
    assert str(picture) in told


def test_changed_behavior_of_the_library_fails(recorded, tmp_path):
    """The same stored page, on a machine where one default is another."""
    changed = LIBRARY.replace("0", "1")
    outcome = verify(tmp_path, {"patched": recorded}, library=changed)["patched"]
    (told,) = outcome.failures
    assert "code cell 5: Cell outputs differ" in told
    assert "-((2, 3), 0)\n+((2, 3), 1)" in told


# --- pages that do not come to their end

SWALLOWS = """
import time
while True:
    try:
        time.sleep(60)
    except KeyboardInterrupt:
        pass
"""
#: The second of three cells, and what is told of it.
HOSTILE = {
    "endless": (SWALLOWS, "code cell 2: broken off: still running after 12 s"),
    "dead": (
        "import os\nos._exit(3)",
        "code cell 2: broken off: the kernel ended with exit code 3",
    ),
    "crash": ("import ctypes\nctypes.string_at(0)", "broken off: the kernel died of SIGSEGV"),
    "flood": ("for _ in range(100): print('x' * 999_999)", "broken off: printed more than 10 MB"),
    "given-up": (f"print({'+'.join(['1'] * 5000)})", "broken off: the kernel gave the cell up"),
}


@pytest.fixture(scope="module")
def hostile(recorded, tmp_path_factory):
    """Pages that were fine when they were stored, and what a run of them says now."""
    import jupytext

    pages = {}
    for name, (code, _) in HOSTILE.items():
        text = page_text("print('right')", code, "print('right')")
        notebook = jupytext.reads(text, fmt="md:myst")
        for count, cell in enumerate(notebooks.code_cells(notebook), 1):
            cell.execution_count = count
        pages[name] = text, notebook
    pages["corrupt"] = "", "{"
    pages["truncated"] = "", json.dumps(recorded[1])[:-200]
    pages["conflicted"] = "", json.dumps(recorded[1], indent=1).replace("\n", "\n<<<<<<< ours\n", 9)
    pages["intact"] = recorded
    folder = tmp_path_factory.mktemp("hostile")
    return verify(folder, pages, "--cell-seconds=12", "--no-tracing")


@pytest.mark.parametrize("name", HOSTILE)
def test_nothing_of_a_page_that_is_broken_off_counts(hostile, name):
    outcome = hostile[name]
    assert outcome.tests == 4
    first, second, third = outcome.failures
    assert "code cell 1: ran, but does not count: code cell 2: " in first
    assert HOSTILE[name][1] in second
    assert "code cell 3: not run: code cell 2: " in third
    assert max(map(len, outcome.failures)) < 3000


@pytest.mark.parametrize("name", ["corrupt", "truncated", "conflicted"])
def test_a_notebook_that_cannot_be_read_keeps_no_other_from_being_verified(hostile, name):
    (told,) = hostile[name].failures
    assert f"book/part/{name}: the stored notebook cannot be read\n" in told
    assert hostile["intact"].failures == []


def usage_error(*flags):
    command = [sys.executable, "-m", "pytest", "--nbval", "--collect-only", "tests/conftest.py"]
    done = subprocess.run([*command, *flags], check=False, capture_output=True, text=True)
    return done.returncode, done.stderr


def test_options_that_would_change_the_comparison_are_refused():
    code, told = usage_error("--nbval-lax")
    assert (code, "--nbval-lax: the book is run and compared in one way only" in told) == (4, True)
    code, told = usage_error("--no-tracing", "--verification-record=cpu")
    assert code == 4
    assert "--verification-record with --no-tracing" in told
    code, told = usage_error("--verification-record=../x")
    assert "record '../x': expected lower-case letters" in told
