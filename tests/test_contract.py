"""Each rule of the contract: a page that keeps it, and one broken way that it must see."""

from pathlib import Path

import nbformat
import pytest

from knotes.pipeline import contract, notebooks
from knotes.pipeline.book import Book
from tests.conftest import ROOT, page_text

output = nbformat.v4.new_output
PNG = "iVBORw0KGgo="  # the rules look at its kind alone


def page(path, outputs=(), part="guide"):
    """The contract's view of a text page whose every code cell stores `outputs`."""
    notebook = notebooks.read_text(path)
    for cell in notebooks.code_cells(notebook):
        cell.outputs = list(outputs)
    digest = notebooks.digest(path)
    notebooks.write(notebooks.normalize(notebook, digest), path.with_suffix(".ipynb"))
    return contract.Page(path, Book.find(path))


def told(rule, page):
    return "\n".join(rule(page))


@pytest.mark.parametrize(
    ("made", "fault"),
    [
        (output("stream", name="stderr", text="W0000\n"), "cell 1: stored stderr: 'W0000'"),
        (output("error", ename="KeyError", evalue="x", traceback=[]), "KeyError stored, but no"),
        (output("stream", name="stdout", text="<Dense at 0x7f2a3c4d5e6f>"), "an object's address"),
        (output("stream", name="stdout", text="<src.Loss object at 1>"), "an object's address"),
        (output("stream", name="stdout", text="saved to /home/me/model"), "an absolute path"),
        (output("stream", name="stdout", text="1/1 ━━━ 0s 31ms/step"), "a timing: '31ms/step'"),
        (output("stream", name="stdout", text="9/32 ━━━━━ 0s"), "a progress bar: '9/32 ━'"),
        (output("stream", name="stdout", text="keras 3.15.1"), "a version: '3.15.1'"),
        (output("execute_result", data={"text/html": "<b>/tmp/x</b>"}), "an absolute path"),
    ],
)
def test_outputs_that_cannot_be_verified_are_named(write_page, made, fault):
    assert fault in told(contract.clean_outputs, page(write_page("1"), [made]))


def test_clean_outputs_are_clean(write_page):
    outputs = [
        output("stream", name="stdout", text="loss 0.25, shape (2, 3), and/or 1/2\n"),
        output("stream", name="stdout", text="┏━━━━━━━━┓\n┃ Layer  ┃\n┡━━━━━━━━┩\n"),
        output("execute_result", data={"text/html": "<table class='a'><tr><td>1.5</td></tr>"}),
    ]
    assert told(contract.clean_outputs, page(write_page("1"), outputs)) == ""


def test_an_opt_out_needs_its_reason_in_the_cell(write_page):
    tag = ":tags: [nbval-ignore-output]\n"
    assert "without a line `# reason:" in told(contract.tags, page(write_page(tag + "1")))
    assert told(contract.tags, page(write_page(tag + "# reason: shows the clock\n1"))) == ""


@pytest.mark.parametrize(
    ("code", "fault"),
    [
        (":tags: [skip-execution]\n1", "unknown tag 'skip-execution'"),
        (":tags: [note:N9-001]\n1", "unknown tag 'note:N9-001'"),
        ("# NBVAL_IGNORE_OUTPUT\n1", "an NBVAL comment changes the comparison"),
    ],
)
def test_other_ways_around_the_comparison_are_refused(write_page, code, fault):
    assert fault in told(contract.tags, page(write_page(code)))


def test_a_note_tag_is_known(write_page):
    assert told(contract.tags, page(write_page(":tags: [note:N1-042, hide-input]\n1"))) == ""


def lines(count, first="x = 1"):
    return "\n".join([first, *(f"x += {i}" for i in range(count - 1))])


@pytest.mark.parametrize(
    ("cells", "fault"),
    [
        (["1"] * 11, "11 code cells; expected 12 to 30"),
        (["1"] * 31, "31 code cells; expected 12 to 30"),
        ([lines(5)] * 12, "median cell has 5 lines; at most 4"),
        (["1"] * 11 + [lines(16)], "cell 12: 16 lines; at most 15"),
        (["1"] * 11 + [lines(21, "class A: pass")], "cell 12: 21 lines; at most 20"),
    ],
)
def test_the_rhythm_is_measured(write_page, cells, fault):
    assert told(contract.rhythm, page(write_page(*cells))) == fault


def test_a_good_rhythm_passes(write_page):
    cells = ["1"] * 10 + [lines(15), lines(20, "class A: pass")]
    assert told(contract.rhythm, page(write_page(*cells))) == ""


def test_code_cells_without_prose_between_are_told(write_page):
    path = write_page(*["1"] * 12)
    text = path.read_text().replace("## Step 2\n\nProse.\n\n", "", 1)
    path.write_text(text)
    assert told(contract.rhythm, page(path)).startswith("cell 2: follows a code cell")


def test_a_figure_needs_an_alternative_text(write_page):
    drawn = [output("display_data", data={"image/png": PNG})]
    assert "figure without alt text" in told(contract.figures, page(write_page("1"), drawn))
    alt = "---\nmystnb:\n  image:\n    alt: one line going up to three\n---\n1"
    assert told(contract.figures, page(write_page(alt), drawn)) == ""


def test_the_structure_of_a_guide(write_page):
    path = write_page("import knotes\n\nknotes.setup()", *["1"] * 11)
    told_ = told(contract.structure, page(path))
    assert "the last sections are" in told_
    assert "0 exercises with 0 solutions" in told_
    path.write_text(path.read_text().replace("(sample)=\n", ""))
    assert "expected a label" in told(contract.structure, page(path))


@pytest.mark.parametrize("word", ["Simply run it.", "It is easy.", "Of course not.", "Look!"])
def test_words_that_do_not_help_are_told(write_page, word):
    path = write_page("import knotes\n\nknotes.setup()")
    assert told(contract.style, page(path)) == ""
    path.write_text(path.read_text().replace("Prose.", f"Prose. {word}", 1))
    assert told(contract.style, page(path)).startswith("prose: ")


def test_words_in_code_and_math_are_free(write_page):
    path = write_page("import knotes\n\nknotes.setup()")
    path.write_text(path.read_text().replace("Prose.", "Use `just` and $n!$ here.", 1))
    assert told(contract.style, page(path)) == ""


def test_the_environment_comes_first(write_page):
    assert "expected to begin with" in told(contract.style, page(write_page("import keras")))


def test_a_page_outside_the_contents_is_told(write_page):
    assert "not listed in _toc.yml" in told(contract.in_contents, page(write_page("1")))


def test_a_text_changed_in_white_space_only_is_stale(write_page):
    path = write_page("1")
    view = page(path)
    path.write_text(path.read_text() + "\n\n")
    assert "made from another text" in told(contract.in_step, view)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda stored: stored.cells.pop(), "the text has 4 cells, the notebook 3"),
        (lambda stored: stored.cells[1].update(source="2"), "'1' in the text, '2' stored"),
        (lambda stored: stored.cells[1].update(execution_count=7), "execution counts are [7, 2]"),
    ],
)
def test_text_and_notebook_are_in_step(write_page, change, fault):
    view = page(write_page("1", "1"))
    assert told(contract.in_step, view) == ""
    change(view.stored)
    assert fault in told(contract.in_step, view)


SECTIONS = [name for name in contract.SECTIONS if name not in contract.OPTIONAL_SECTIONS]


def api_page(book, sections):
    """A page about a symbol with these sections, three exercises and their solutions."""
    path = book.folder / "layers" / "sample.md"
    path.parent.mkdir(exist_ok=True)
    boxes = "".join(
        f"\n:::{{exercise}} Do\n:label: e{n}\nx\n:::\n\n:::{{solution-start}} e{n}\n:::\n\n"
        ":::{solution-end}\n:::\n"
        for n in range(3)
    )
    text = page_text("1").partition("## Step 1")
    parts = "".join(f"## {name}\n\nProse.\n\n" for name in sections)
    code = text[2].partition("Prose.")[2]
    path.write_text(f"{text[0]}{parts}{boxes}{code}")
    return page(path)


def test_the_sections_of_a_page_about_a_symbol_have_their_order(book):
    assert told(contract.structure, api_page(book, SECTIONS)) == ""
    gradient = SECTIONS.index("In a model")
    optional = [*SECTIONS[:gradient], "Gradient", *SECTIONS[gradient:]]
    assert told(contract.structure, api_page(book, optional)) == ""
    swapped = [SECTIONS[1], SECTIONS[0], *SECTIONS[2:]]
    assert told(contract.structure, api_page(book, swapped)).startswith("sections are ['Smallest")
    assert "expected" in told(contract.structure, api_page(book, SECTIONS[1:]))


def labeled(path, label, uses=()):
    """A page whose title has a label of the API; its one cell uses what is noted."""
    path.write_text(path.read_text().replace("(sample)=", f"({label})="))
    api = path.parents[2] / "api"
    api.mkdir()
    (api / "inventory.json").write_bytes((ROOT / "api" / "inventory.json").read_bytes())
    view = page(path)
    view.code[0].metadata["knotes"] = {"calls": list(uses)} if uses else {}
    return view


@pytest.mark.parametrize(
    ("label", "uses", "fault"),
    [
        ("keras.layers.Dense", ["keras.layers.Dense(units)"], ""),
        ("keras.layers.Dense.units", ["keras.layers.Dense(units)"], ""),
        ("keras.layers.Dense", [], "no cell of the page exercises it"),
        ("keras.layers.Dense.use_bias", ["keras.layers.Dense(units)"], "no cell of the page"),
        ("keras.layers.Denze", ["keras.layers.Dense(units)"], "is it keras.layers.Dense?"),
    ],
)
def test_a_label_is_true(write_page, label, uses, fault):
    found = told(contract.labels, labeled(write_page("1"), label, uses))
    assert fault in found if fault else found == ""


@pytest.mark.parametrize(
    ("prose", "fault"),
    [
        ("```{include} ../../README.md\n```", "'```{include} ../../README.md' puts a file"),
        (":::{literalinclude} /etc/hostname\n:::", "puts a file into the page"),
        ("````{raw} html\n:file: x\n````", "puts a file into the page"),
        ("<<<<<<< HEAD", "'<<<<<<< HEAD' is left from a merge"),
        ("Text.", ""),
    ],
)
def test_nothing_comes_into_a_page_that_was_not_compared(write_page, prose, fault):
    path = write_page("1")
    path.write_text(path.read_text().replace("Prose.", prose, 1))
    found = told(contract.nothing_foreign, page(path))
    assert fault in found if fault else found == ""


def test_a_page_that_the_site_build_would_run_is_refused(write_page):
    view = page(write_page("1"))
    assert told(contract.nothing_foreign, view) == ""
    view.stored.metadata["mystnb"] = {"execution_mode": "force"}
    assert "the site build would run it" in told(contract.nothing_foreign, view)


def test_a_code_cell_without_code_is_refused(write_page):
    assert "a code cell without code" in told(contract.nothing_foreign, page(write_page("1", "")))


def test_every_rule_has_a_page_that_breaks_it():
    tested = Path(__file__).read_text("utf8")
    names = [rule.__name__ for rule in contract.RULES]
    assert [name for name in names if f"told(contract.{name}," not in tested] == []
