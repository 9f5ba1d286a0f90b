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

import pytest
from PIL import Image, ImageDraw

from knotes.pipeline import record, warm
from tests.conftest import page_text

CELLS = (
    """
    import os
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
    "np.ones((2, 3)).shape, len(os.environ.get('KNOTES_TEST_PATCH', ''))",
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
    "dropped-figure": Break(r"stored \[text/plain\], new \[image/png, text/plain\]", drop_figure),
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
        r"code cell 4: Cell execution caused an exception\n.*\nValueError: matmul: Input operand 1",
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


def verify(folder, pages, environment=()):
    """Run ``pytest --nbval book`` over {name: (text or None, notebook)}; {name: Outcome}."""
    book = folder / "book"
    book.mkdir()
    (folder / "conftest.py").write_text("pytest_plugins = ['knotes.pipeline.nbval_plugin']\n")
    (folder / "pytest.ini").write_text("[pytest]\naddopts = --dist=loadscope\n")
    for name, (text, notebook) in pages.items():
        (book / f"{name}.ipynb").write_text(json.dumps(notebook))
        if text is not None:
            (book / f"{name}.md").write_text(text)
    command = [sys.executable, "-m", "pytest", "--nbval", "--nbval-current-env", "book"]
    flags = ["--kernels=cold", "-p", "no:cacheprovider", "-n2", "--junitxml=report.xml"]
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST", "COV"))}
    subprocess.run(
        [*command, *flags],
        cwd=folder,
        env=clean | dict(environment),
        check=False,
        capture_output=True,
    )
    cases = list(ET.parse(folder / "report.xml").iter("testcase"))
    found = {}
    for name in pages:
        mine = [c for c in cases if f"book.{name}." in f"{c.get('classname')}."]
        told = [element.text for c in mine for element in c if element.tag == "failure"]
        found[name] = Outcome(len(mine), told)
    return found


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """The sample page, recorded: its text and its notebook."""
    path = tmp_path_factory.mktemp("recorded") / "sample.md"
    path.write_text(page_text(*CELLS))
    warm.enable("cold")
    record.record(path)
    return path.read_text(), json.loads(path.with_suffix(".ipynb").read_text())


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
    return folder, verify(folder, pages)


@pytest.mark.parametrize("name", INTACT)
def test_an_intact_page_passes(verified, name):
    assert verified[1][name] == Outcome(7, [])


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_page_fails_with_a_message_that_names_it(verified, name):
    told = "\n".join(verified[1][name].failures)
    assert re.search(BROKEN[name].message, told), told
    assert re.search(rf"{name}, 'Step \d', code cell \d: |out of step\n|other than stored\n", told)


def test_a_stale_text_says_what_to_run(verified):
    (told, *_) = verified[1]["stale-prose"].failures
    assert "run: make outputs PAGES=" in told


def test_a_failing_figure_leaves_a_picture(verified):
    folder, outcomes = verified
    (told,) = outcomes["thinner-line"].failures
    (picture,) = folder.glob("_build/figures/*thinner-line-cell3-*.png")
    assert str(picture) in told


def test_changed_behavior_of_the_library_fails(recorded, tmp_path):
    """The same stored page, on a machine where one default is another."""
    outcome = verify(tmp_path, {"patched": recorded}, {"KNOTES_TEST_PATCH": "x"})["patched"]
    (told,) = outcome.failures
    assert "code cell 5: Cell outputs differ" in told
    assert "-((2, 3), 0)\n+((2, 3), 1)" in told
