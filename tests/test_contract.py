"""Each rule of the contract: a page that keeps it, and one broken way that it must see."""

from pathlib import Path

import nbformat
import pytest

from knotes.pipeline import contract, notebooks
from knotes.pipeline.book import Book
from knotes.pipeline.contract.__main__ import main as measured
from knotes.pipeline.contract.pending import pairs
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
    known = ":tags: [note:N1-042, hide-input, hide-output, common, continues]\n1"
    assert told(contract.tags, page(write_page(known))) == ""


def lines(count, first="x = 1"):
    return "\n".join([first, *(f"x += {i}" for i in range(count - 1))])


PHRASES = "```{index} ! fit a model, ! train, ! stop early, ! resume, epoch\n```\n\n{index}`!NaN`"
DRAWN = [output("display_data", data={"image/png": PNG})]


def found_by(path):
    """The page with its search phrases."""
    path.write_text(path.read_text().replace("Prose.", PHRASES, 1))
    return path


@pytest.mark.parametrize(
    ("cells", "fault"),
    [
        (["1"] * 9, "9 code cells; expected 10 to 45"),
        (["1"] * 46, "46 code cells; expected 10 to 45"),
        ([lines(11)] * 21, "231 lines of code; at most 230: make a second page, or drop doubles"),
        (
            ["1"] * 8 + [lines(13)] * 2,
            "a tenth of the cells has 13 lines or more; at most 12: split",
        ),
        (["1"] * 11 + [lines(21)], "cell 12: 21 lines; at most 20"),
        (["1"] * 11 + [lines(26, "class A: pass")], "cell 12: 26 lines; at most 25"),
        (
            ["1"] * 11 + ["x = " + "1" * 69],
            f"cell 12: 73 characters in 'x = {'1' * 26}'…; at most 72",
        ),
    ],
)
def test_the_load_is_measured(write_page, cells, fault):
    assert told(contract.load, page(found_by(write_page(*cells)), DRAWN)) == fault


def test_a_page_about_a_symbol_has_fewer_lines(book, write_page):
    path = found_by(write_page(*[lines(12)] * 17))
    assert told(contract.load, page(path, DRAWN)) == ""
    other = book.folder / "layers" / "sample.md"
    other.parent.mkdir()
    path.rename(other)
    assert "204 lines of code; at most 200" in told(contract.load, page(other, DRAWN))


def test_a_light_page_passes_and_comments_weigh_nothing(write_page):
    cells = ["1"] * 11 + ["# why\n\n" * 9 + lines(12), "x = " + "1" * 68]
    assert told(contract.load, page(found_by(write_page(*cells)), DRAWN)) == ""


def test_a_page_has_a_figure_and_is_found_by_words(write_page):
    assert told(contract.load, page(found_by(write_page(*["1"] * 10)))).startswith("no figure")
    view = page(write_page(*["1"] * 10), DRAWN)
    assert told(contract.load, view).startswith("0 search phrases; expected 5 or more")


def test_code_cells_without_prose_between_are_told(write_page):
    path = write_page(*["1"] * 12)
    text = path.read_text().replace("## Step 2\n\nProse.\n\n", "", 1)
    path.write_text(text)
    assert told(contract.rhythm, page(path)).startswith("cell 2: follows a code cell")


def test_the_table_of_loads(book, write_page, capsys, monkeypatch):
    (book.root / "_toc.yml").write_text(
        "parts: [{chapters: [{file: book/part/second}, {file: book/part/first}]}]"
    )
    first = found_by(write_page("import b", "def f(): return b", "# why\na = 1\nf()", name="first"))
    page(first, DRAWN)
    page(write_page("1", name="second"))
    monkeypatch.chdir(book.root)
    assert measured([]) == 0
    heads, *rows = capsys.readouterr().out.splitlines()
    assert heads.endswith("helpers  alone  figures  phrases  to snippet")
    assert {len(row) for row in rows} == {len(heads)}
    assert [row.split() for row in rows] == [
        ["part/second", "1", "1", "12", "1", "1", "0", "0", "100%", "0", "0", "–"],
        ["part/first", "3", "4", "5", "2", "2", "0", "1", "67%", "3", "5", "–"],
    ]
    assert measured(["book/part/first.md"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2
    assert measured(["book/part/third.md"]) == 1
    assert "'book/part/third.md' is not a page" in capsys.readouterr().err


def test_a_figure_needs_an_alternative_text(write_page):
    drawn = [output("display_data", data={"image/png": PNG})]
    assert "figure without alt text" in told(contract.figures, page(write_page("1"), drawn))
    alt = "---\nmystnb:\n  image:\n    alt: one line going up to three\n---\n1"
    assert told(contract.figures, page(write_page(alt), drawn)) == ""


def test_the_structure_of_a_guide(write_page):
    path = write_page("import knotes\n\nknotes.setup()", *["1"] * 11)
    told_ = told(contract.structure, page(path))
    assert "the last sections are ['Step 11', 'Step 12']; expected ['Exercises', 'Recap']" in told_
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


def api_page(book, sections, text=""):
    """A page about a symbol with these sections, three exercises and their solutions."""
    path = book.folder / "layers" / "sample.md"
    path.parent.mkdir(exist_ok=True)
    boxes = "".join(
        f"\n:::{{exercise}} Do\n:label: e{n}\nx\n:::\n\n:::{{solution-start}} e{n}\n:::\n\n"
        ":::{solution-end}\n:::\n"
        for n in range(3)
    )
    head, _, code = page_text("1").partition("## Step 1")
    parts = (f"## {name}\n\nProse.\n{boxes * (name == 'Exercises')}\n" for name in sections)
    path.write_text("".join((head, *parts, text, code.partition("Prose.")[2])))
    return page(path)


def test_the_sections_of_a_page_about_a_symbol_have_their_order(book):
    assert told(contract.structure, api_page(book, contract.SECTIONS)) == ""
    assert told(contract.structure, api_page(book, contract.REQUIRED)) == ""
    longer = ["In short", "Why two axes", "The data", "Why not three", "Exercises", "Recap"]
    assert told(contract.structure, api_page(book, longer)) == ""
    swapped = ["In short", "Why", "By hand", "Formula", "Exercises", "Recap"]
    assert told(contract.structure, api_page(book, swapped)) == (
        f"sections are {swapped}; expected the order "
        "['In short', 'Why', 'Formula', 'By hand', 'Exercises', 'Recap']"
    )
    assert "no section Why, Recap" in told(
        contract.structure, api_page(book, ["In short", "Exercises"])
    )
    twice = ["In short", "Why", "Picture", "Picture", "Exercises", "Recap"]
    assert "expected each once" in told(contract.structure, api_page(book, twice))


def test_a_solution_stands_among_the_exercises(book):
    more = "\n:::{exercise} Do\n:::\n\n:::{solution-start} e3\n:::\n\n"
    found = told(contract.structure, api_page(book, contract.SECTIONS, more))
    assert "4 exercises with 4 solutions; expected three with three" in found
    assert "1 solutions outside of the section Exercises" in found


SHORT = """\
## In short

```{code-cell} ipython3
model.fit(x, y)
```

- Which axis? [The last one, always](#axis)
- Which order? [Without a `seed[0]` a
  new one each time](#order)
- Is it shuffled? [Yes, in every epoch](#shuffled)
- And then? [It stops at once](#then)
- **Changed from Keras 2**: nothing.

"""


def short(path, change=lambda text: text, lead="What it is for."):
    text = path.read_text().replace("## Step 2", change(SHORT) + "## Step 2", 1)
    text = text.replace("## Step 1\n\nProse.\n\n", "").replace("What it is for.", lead)
    path.write_text(text)
    return page(path)


def test_a_page_in_short(write_page):
    assert told(contract.in_short, short(write_page("import keras", "2"))) == ""


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda s: s.replace("## In", "## First\n\n## In"), "the first section is 'First'"),
        (lambda s: s + ":::{note}\n:class: dropdown\n:::\n\n", "something is folded (dropdown)"),
        (lambda s: s.replace("```", "````").replace("{code-cell} ", ""), "In short: no code cell"),
        (
            lambda s: s.replace("model.", lines(8) + "\nmodel."),
            "the snippet has 9 lines; at most 8",
        ),
        (lambda s: s.replace("model.", ":tags: [hide-input]\nmodel."), "snippet is folded"),
        (lambda s: s.replace("- And then", "And then"), "3 questions; expected 4 to 8"),
        (
            lambda s: s.replace("It stops at once", "It stops"),
            "'And then? [It stops](#then)'… has no",
        ),
    ],
)
def test_what_is_not_in_short(write_page, change, fault):
    found = told(contract.in_short, short(write_page("import keras", "2"), change))
    assert fault in found
    assert len(found.splitlines()) == 1


def test_the_snippet_stands_on_the_first_screen(write_page):
    def lead(count):  # below it: the import cell, the heading, the snippet's first line
        words = "A phrase. " * 9 + "\n\n(label)=\n\n```{index} ! x, ! y\n```\n\n"
        return short(write_page("import keras\n", "2"), lead=words * count)

    assert told(contract.in_short, lead(22)) == ""
    assert "begins 26 lines below the title; at most 25" in told(contract.in_short, lead(23))
    wide = short(write_page("import keras\n", "2"), lead="A phrase. " * 9 * 23)
    assert "begins 26 lines" in told(contract.in_short, wide)


def test_notes_that_no_reader_has_are_not_spoken_of(book, write_page):
    path = write_page("1")
    assert told(contract.old_notes, page(path)) == ""
    path.write_text(path.read_text().replace("Prose.", "Older notes say {note}`N1-001` so.", 1))
    assert told(contract.old_notes, page(path)).startswith("prose: 'Older notes' in '…")
    other = book.folder / "old-notes" / "sample.md"
    other.parent.mkdir()
    path.rename(other)
    assert told(contract.old_notes, page(other)) == ""


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


HELPER = "def f(**a): return keras.layers.Dense(**a)\n\n\n"


@pytest.mark.parametrize(
    ("label", "code", "shown"),
    [
        ("keras.layers.Dense.use_bias", "keras.layers.Dense(2, use_bias=False)", True),
        ("keras.layers.Dense.use_bias", "layers.Dense(2)", False),
        ("keras.layers.Dense.use_bias", "layers.Dense(2, None, False)", False),
        ("keras.layers.Dense.use_bias", HELPER + "f(use_bias=False)", False),
        ("keras.layers.Dense.use_bias", "layers.Dense(2, **dict(use_bias=False))", False),
        ("keras.layers.Dense.use_bias", "'layers.Dense(2, use_bias=False)'", False),
        ("keras.layers.Dense.units", "layers.Dense(2)", True),
        ("keras.layers.Dense.trainable", "layer.trainable = False", True),
        ("keras.layers.Dense.name", "class A(keras.Layer): pass\n\nA(name='a')", True),
        ("keras.Model.fit.epochs", "model.fit(x, y, epochs=2)", True),
        ("keras.Model.fit.epochs", "model.fit(x, y, None, 2)", False),
        ("keras.Model.fit.callbacks", "model.evaluate(x, y, callbacks=[])", False),
        ("keras.Model.fit.y", "model.fit(x, y)", True),
        ("keras.Model.fit.y", "model.fit(x)", False),
        (
            "keras.Layer.build.input_shape",
            "class A(B):\n  def build(self, input_shape): pass",
            True,
        ),
        ("keras.layers.LSTM.initial_state", "layer(x, initial_state=s)", True),
        ("keras.layers.LSTM.initial_state", "layer(x, s)", False),
        ("keras.layers.LSTM.sequences", "layer(x)", True),
        ("keras.Model.fit", "1", True),
        ("keras.Model.metrics_names", "1", True),
        ("keras.layers.Dense.units", "def broken(", False),
        ("keras.layers.Dense.units", "1\n```\n\n## Step 3\n\n```{code-cell}\nDense(1)", False),
    ],
)
def test_the_section_of_an_argument_writes_it(write_page, label, code, shown):
    path = write_page("1", code)
    path.write_text(path.read_text().replace("## Step 2", f"({label})=\n## Step 2"))
    found = told(contract.arguments, labeled(path, "sample"))
    assert (found == "") == shown
    assert shown or found.startswith("section 'Step 2': no call in it has `")


@pytest.mark.parametrize(
    ("code", "shown"),
    [
        ("tried = {'use_bias': False}\nknotes.arguments(layers.Dense, tried, x)", True),
        ("tried = {}\ntried |= {'use_bias': False}\nknotes.arguments(a, tried=tried)", True),
        ("knotes.arguments(layers.Dense, dict(use_bias=False), x)", True),
        ("knotes.arguments(layers.Dense, {'units': 2}, x, base={'use_bias': False})", False),
        ("tried = {'use_bias': False}", False),
    ],
)
def test_or_a_table_of_the_page_tries_it(write_page, code, shown):
    path = write_page("1", "2", code)
    path.write_text(
        path.read_text().replace("## Step 2", "(keras.layers.Dense.use_bias)=\n## Step 2")
    )
    assert (told(contract.arguments, labeled(path, "sample")) == "") == shown


COMMON = ":tags: [common]\n"


@pytest.mark.parametrize(
    ("cells", "fault"),
    [
        (["eval('1')"], "cell 1: eval() hides code in a string"),
        (["for i in []:\n  exec('1')"], "cell 1: exec() hides code in a string"),
        (["f = lambda: 1"], "cell 1: f is a lambda with a name"),
        (["f: object = lambda: 1"], "cell 1: f is a lambda with a name"),
        (["print(f := lambda: 1)"], "cell 1: f is a lambda with a name"),
        (["model.eval()\nfits = {'a': lambda: 1}\nlayers.Lambda(lambda x: x)"], ""),
        (["def a(): pass\n\n\ndef b(): pass", "def c(): pass"], ""),
        (
            ["def a(): pass\n\n\ndef b(): pass", "def c(): pass\n\n\ndef d(): pass"],
            "4 helper functions, a (cell 1), b (cell 1), c (cell 2), d (cell 2); at most 3",
        ),
        (["class A:\n  def a(self): pass\n  def b(self): pass", "if x:\n  def c(): pass"], ""),
        (["def a(): pass\n\n\na()", "def a(): pass\n\n\na()"], ""),
        (["def a(): pass", "fit(loss=a)"], "section 'Step 2', cell 2: uses the helper a of cell 1"),
        ([COMMON + "def a(): pass", "a()"], ""),
        (["1", "a()\n\n\ndef a(): pass"], ""),
    ],
)
def test_helpers_are_few_and_near(write_page, cells, fault):
    found = told(contract.helpers, page(write_page(*cells)))
    assert fault in found if fault else found == ""


IMPORTS = "import keras as k"


def after_imports(path):
    """The page with its first cell above the first section."""
    path.write_text(path.read_text().replace("## Step 1\n\n", "", 1))
    return page(path)


@pytest.mark.parametrize(
    ("cells", "fault"),
    [
        (["k", "x = k\nx", "x = 1\nx"], ""),
        (["x = 1", "x"], "section 'Step 3', cell 3: needs x (made in cell 2); make it in"),
        (["x = 1", "x\nx = 2"], "cell 3: needs x (made in cell 2)"),
        (["x = 1", "x = x + 1"], "cell 3: needs x (made in cell 2)"),
        (["x = 1", "x += 1"], "cell 3: needs x (made in cell 2)"),
        (["x = 1", "del x"], "cell 3: needs x (made in cell 2)"),
        (["x = 1", "with k as y, x: pass"], "cell 3: needs x (made in cell 2)"),
        (["x = 1", "try: 1\nexcept x as e: e"], "cell 3: needs x (made in cell 2)"),
        (["x = y = 1", "[x for x in range(2)]\nf(lambda x: x)"], ""),
        (["x = y = 1", "def f(x): return x + y"], "cell 3: needs y (made in cell 2)"),
        (["x = y = 1", "def f(x): return x + y\n\n\ny = 1\nf(1)"], ""),
        (["x = 1", "def f():\n  global x\n  x = 1\n\n\nx"], ""),
        (["x = 1", "class A(k.Layer):\n  y = x"], "cell 3: needs x (made in cell 2)"),
        (["x = 1", "class A(k.Layer):\n  x = 1\n  y = x"], ""),
        (["x = 1", "for x in range(2):\n  y = x\nif (z := y): print(z)"], ""),
        (["x = 1", "print(y)"], ""),
        (["x = 1", "try: 1\nexcept OSError as x: print(x)\nwith k as (y, z): y, z"], ""),
        (["x = 1", "x = ("], ""),
        (["x = 1", "nonlocal x"], ""),
        (["x = 1", "match k:\n  case x: x"], ""),
        ([COMMON + "x = 1", "x"], ""),
        (["x", COMMON + "x = 1", "x"], ""),
        ([COMMON + "x = 1", COMMON + "y = 1"], "cells [2, 3]: tagged common; expected at most one"),
        (["x = 1", ":tags: [continues]\nx"], "tag continues, but its first line does not say"),
    ],
)
def test_a_section_stands_alone(write_page, cells, fault):
    found = told(contract.alone, after_imports(write_page(IMPORTS, *cells)))
    assert fault in found if fault else found == ""


def test_a_section_may_say_what_it_continues(write_page):
    path = write_page(IMPORTS, "x = 1", *[":tags: [continues]\nx"] * 3)
    text = path.read_text().replace("## Step 2", "(two)=\n## Step 2")
    before, mark, after = text.partition("## Step 3")
    told_so = "This continues [what was made above](#two)."
    path.write_text(before + mark + after.replace("Prose.", told_so))
    assert told(contract.alone, after_imports(path)) == ""
    more = f"## Step 6\n\n{told_so}\n\n```{{code-cell}}\n:tags: [continues]\nx\n```\n"
    path.write_text(path.read_text() + more)
    assert told(contract.alone, page(path)) == "4 sections continue another; at most 3"


def test_places_of_cells_that_are_needed_by_sections(write_page):
    path = write_page(IMPORTS, "x = 1")
    path.write_text(path.read_text().replace("## Step 2", "Step 2").replace("## Step 1", "Step 1"))
    assert "cell 2: above the first section" in told(contract.alone, page(path))
    late = write_page(IMPORTS, "1\n```\n\nText.\n\n```{code-cell}\n:tags: [continues]\n2")
    assert "cell 3: tag continues; expected on the first" in told(contract.alone, page(late))


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


def test_a_page_of_the_first_edition_is_told_what_is_new(write_page, monkeypatch):
    path = write_page("f = lambda: 1")
    page(path)
    helper = "cell 1: f is a lambda with a name; write the calls out, or a def"
    assert helper in contract.faults(path, Book.find(path))
    monkeypatch.setattr(contract, "pairs", lambda: [("book/part/sample", "helpers")])
    assert helper not in contract.faults(path, Book.find(path))
    assert "not listed in _toc.yml" in contract.faults(path, Book.find(path))[-1]


def test_a_pending_line_is_a_page_and_a_rule(tmp_path):
    pending = tmp_path / "pending.txt"
    pending.write_text("# why\n\nbook/a/b load\n\nbook/a/c load\n")
    assert pairs(pending) == [("book/a/b", "load"), ("book/a/c", "load")]
    pending.write_text("book/a/b\n")
    with pytest.raises(ValueError, match=r"pending\.txt: 'book/a/b'; expected a page and a rule"):
        pairs(pending)


def test_every_rule_has_a_page_that_breaks_it():
    tested = Path(__file__).read_text("utf8")
    names = [rule.__name__ for rule in contract.RULES]
    assert [name for name in names if f"told(contract.{name}," not in tested] == []
