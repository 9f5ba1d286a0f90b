"""The Sphinx extension on small books of its own: marks, formulas, the index of the API."""

import re
from io import StringIO
from types import SimpleNamespace

import nbformat
import pytest
import yaml
from bs4 import BeautifulSoup
from sphinx.application import Sphinx
from sphinx.errors import ConfigError
from sphinx.util.docutils import docutils_namespace

from knotes.pipeline import notebooks as stored
from knotes.pipeline import verification
from knotes.pipeline.api.inventory import Inventory
from knotes.pipeline.api.symbols import Symbol
from knotes.pipeline.book import Book
from knotes.pipeline.site import code, math, pages
from knotes.pipeline.site.api import Api
from knotes.pipeline.site.font import FONT_FILE


@pytest.fixture(scope="module")
def small_book(tmp_path_factory):
    """Build two pages with good and bad marks and formulas; returns folder and warnings."""
    folder = tmp_path_factory.mktemp("small")
    text = (
        "# Page\n\nFirst paragraph of this page, long enough to describe it. {note}`N1-042`\n\n"
        "Bad: {note}`N1-4`, ($x$), $\\foo$.\n\n$$\n\\sum_i x_i\n$$ (eq-sum)\n\n"
        "[proof](#note-n2-007)\n\n"
        "```{verification-report}\n```\n"
    )
    book = nbformat.v4.new_notebook(
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    )
    book.cells = [
        nbformat.v4.new_markdown_cell(text),
        nbformat.v4.new_code_cell(
            "1", metadata={"tags": ["hide-input", "note:N2-007", "note:N2_7"]}
        ),
    ]
    book.cells[1].execution_count = 1
    return built(folder, {"page": book})


DENSE = Symbol(
    "keras.layers.Dense", "class", "keras.layers", {"units": "required", "use_bias": "True"}
)
RELU = Symbol("keras.activations.relu", "function", "keras.activations", {"x": "required"})
FIT = Symbol("keras.Model.fit", "method", "methods of keras.Model", {"x": "None"})


def built(folder, notebooks):
    """Build a book of notebooks with an API of three symbols; returns folder and warnings."""
    for name, book in notebooks.items():
        (folder / f"{name}.ipynb").write_text(nbformat.writes(book), "utf8")
    names = "\n".join(notebooks)
    (folder / "index.md").write_text(
        f"# Index\n\n```{{toctree}}\n{names}\n```\n\nAbout pages.\n", "utf8"
    )
    symbols = {symbol.name: symbol for symbol in (DENSE, RELU, FIT)}
    Inventory("3.15.1", symbols).write(Book(folder))
    jobs = {name: f"Does what `{name}` does." for name in symbols}
    (folder / "api" / "jobs.yml").write_text(yaml.safe_dump(jobs), "utf8")
    warnings = StringIO()
    settings = {
        "extensions": ["myst_nb", "sphinx_book_theme", "knotes.pipeline.site"],
        "html_theme": "sphinx_book_theme",
        "html_math_renderer": "knotes",
        "myst_enable_extensions": ["dollarmath"],
        "nb_execution_mode": "off",
        "suppress_warnings": ["myst-nb.lexer"],
    }
    out = folder / "_build"
    with docutils_namespace():  # several books in one process
        Sphinx(
            folder, None, out, out / "trees", "html", settings, status=None, warning=warnings
        ).build()
    return out, re.sub(r"\x1b\[[0-9;]*m", "", warnings.getvalue())


def test_what_is_malformed_is_a_warning_at_its_place(small_book):
    _, warnings = small_book
    lines = warnings.strip().splitlines()
    assert len(lines) == 3, warnings
    assert all("page.ipynb:" in line for line in lines)
    assert "note role: a note id is N, a digit, '-' and three digits" in warnings
    assert "cell tag 'note:N2_7'" in warnings
    assert "command '\\\\foo' is not known" in warnings


def test_no_line_can_start_with_the_comma_after_a_formula(small_book):
    out, _ = small_book
    soup = BeautifulSoup((out / "page.html").read_text("utf8"), "html.parser")
    assert "Bad: , (x), \\foo." in " ".join(soup.get_text().split())
    assert soup.select_one("span.math").get_text() == "(x),"
    assert soup.select_one("div.math .eqno").get_text().startswith("(1)")


def test_marks_are_anchors_and_labels(small_book):
    out, _ = small_book
    soup = BeautifulSoup((out / "page.html").read_text("utf8"), "html.parser")
    marks = {mark["id"]: mark.get_text() for mark in soup.select("a.knotes-note")}
    assert marks == {"note-n1-042": "N1-042", "note-n2-007": "N2-007"}
    assert soup.find("a", string="proof")["href"] == "#note-n2-007"
    assert soup.select_one("p.knotes-notes").find_next_sibling("div")["class"][0] == "cell"


def test_a_page_without_record_says_so_and_the_report_lists_it(small_book):
    out, _ = small_book
    soup = BeautifulSoup((out / "page.html").read_text("utf8"), "html.parser")
    assert soup.select_one("h1 + p.knotes-badge").get_text() == "not verified since the last change"
    assert "No verification run is recorded yet." in soup.get_text()
    rows = [[cell.get_text() for cell in row("td")] for row in soup.select("table.knotes tbody tr")]
    assert rows == [["Page", "1"]]
    assert (out / "_static" / FONT_FILE).is_file()


@pytest.fixture(scope="module")
def verified_book(tmp_path_factory):
    """Three pages: verified now, verified before it was changed, and the report."""
    folder = tmp_path_factory.mktemp("verified")
    now = notebook("# Now\n\n" + "A first paragraph that is long. " * 10, ("1", {}), ("2", {}))
    before = notebook("# Before\n\nOther words.\n", ("1", {}))
    report = notebook("# Report\n\nAll.\n\n```{verification-report}\n```\n", ("1", {}))
    (folder / "book" / "start").mkdir(parents=True)
    pages = {"book/now": now, "book/before": before, "book/start/verification": report}
    for name in ("book/now", "book/before"):
        (folder / f"{name}.ipynb").write_text(nbformat.writes(pages[name]), "utf8")
        digest = stored.digest(folder / f"{name}.ipynb") if name == "book/now" else "0" * 64
        versions = {"device": "CPU", "keras": "3.15.1", "tensorflow": "2.21.0"}
        record = verification.PageRecord(digest, 2, 1, versions, {"pinned": "2026-11-21"})
        verification.write(record, verification.path_of(Book(folder), "cpu", name))
    return built(folder, pages)


def test_a_verified_page_says_on_what_and_leads_to_the_report(verified_book):
    line = soup_of(verified_book, "book/now").select_one("p.knotes-verified a")
    assert line.get_text() == "1 of 2 cells verified · Keras 3.15.1 · TensorFlow 2.21.0 · CPU"
    assert line["href"] == "start/verification.html"
    assert soup_of(verified_book, "book/before").select_one("p.knotes-unverified")


def test_the_report_has_a_row_for_each_page(verified_book):
    soup = soup_of(verified_book, "book/start/verification")
    assert "cpu, 2026-11-21: device CPU, keras 3.15.1" in soup.select_one("article").get_text()
    rows = [[cell.get_text() for cell in row("td")] for row in soup.select("table.knotes tbody tr")]
    assert rows == [
        ["Now", "2", "1 verified, 1 not compared"],
        ["Before", "1", "changed since"],
        ["Report", "1", "—"],
    ]


def test_a_long_first_paragraph_is_cut_in_the_description(verified_book):
    (tag,) = soup_of(verified_book, "book/now").select('head meta[name="description"]')
    assert tag["content"].endswith(" …")
    assert len(tag["content"]) <= 162


def test_a_record_that_contradicts_its_page_stops_the_build(tmp_path):
    page = notebook("# Now\n\nWords.\n", ("1", {}))
    (tmp_path / "book").mkdir()
    (tmp_path / "book" / "now.ipynb").write_text(nbformat.writes(page), "utf8")
    digest = stored.digest(tmp_path / "book" / "now.ipynb")
    versions = {"device": "CPU", "keras": "3.15.1", "tensorflow": "2.21.0"}
    path = verification.path_of(Book(tmp_path), "cpu", "book/now")
    record = verification.PageRecord(digest, 7, 0, versions, {"pinned": "2026-11-21"})
    verification.write(record, path)
    with pytest.raises(ConfigError, match=r"cells: expected 1, .* got 7"):
        built(tmp_path, {"book/now": page})
    path.write_text("{")
    with pytest.raises(ConfigError, match="expected JSON"):
        built(tmp_path, {"book/now": page})


def test_figures_and_exercises_are_counted_page_by_page():
    env = SimpleNamespace(toc_fignumbers={"a": {"figure": {"x": (3, 1), "y": (3, 2)}}})
    pages.number_by_page(None, env)
    assert env.toc_fignumbers == {"a": {"figure": {"x": (1,), "y": (2,)}}}


def test_a_build_that_failed_is_left_alone(tmp_path):
    app = SimpleNamespace(outdir=tmp_path)
    for step in (pages.copy_texts, pages.trim_icons, math.write_font):
        step(app, ValueError("failed"))
    assert list(tmp_path.iterdir()) == []


# --- the API: index, coverage, links


def notebook(text, *cells):
    """A stored page: its text, then code cells with what they use."""
    kernel = {"name": "python3", "display_name": "Python 3"}
    language = {"name": "python", "pygments_lexer": "python"}
    book = nbformat.v4.new_notebook(metadata={"kernelspec": kernel, "language_info": language})
    book.cells = [nbformat.v4.new_markdown_cell(text)]
    for count, (source, note) in enumerate(cells, 1):
        cell = nbformat.v4.new_code_cell(source, metadata={"knotes": note} if note else {})
        cell.execution_count = count
        book.cells += [cell, nbformat.v4.new_markdown_cell("Read.")]
    return book


@pytest.fixture(scope="module")
def api_book(tmp_path_factory):
    """Pages that teach, use and misname parts of the API; returns folder and warnings."""
    folder = tmp_path_factory.mktemp("api-book")
    teaches = notebook(
        "(keras.layers.Dense)=\n# Dense\n\nWhat it does, in a few words.\n\n"
        "(keras.layers.Dense.units)=\n## How many units\n\n",
        ("from keras import layers", {}),
        ("layer = layers.Dense(3)\n'layers.Dense'", {"calls": ["keras.layers.Dense(units)"]}),
    )
    uses = notebook(
        "(keras.layers.Dense)=\n(keras.layers.Dens)=\n# Another page\n\nAlso in a few words.\n",
        (
            "import keras\nmodel.fit(x=1)  # 'é' model.fit\n"
            "keras.layers.Dense, keras.activations.relu",
            {"calls": ["keras.Model.fit(x)"], "named": ["keras.activations.relu"]},
        ),
        ("keras.gone()", {"calls": ["keras.gone"]}),
    )
    index = notebook(
        "# Index of the API\n\nAll of it, with links.\n\n## Layers\n\n"
        "```{api-index} keras.layers\n```\n\n## Rest\n\n```{api-index} keras.activations\n```\n\n"
        "```{api-index} methods of keras.Model\n```\n\n```{api-coverage} numbers\n```\n\n"
        "```{api-coverage} missing\n```\n",
        ("1", {}),
    )
    pages = {"book/a-dense": teaches, "book/other": uses, "book/reference/api": index}
    (folder / "book" / "reference").mkdir(parents=True)
    (folder / "book" / "other.md").write_text("# Changed since\n", "utf8")
    return built(folder, pages)


def soup_of(book, name):
    return BeautifulSoup((book[0] / f"{name}.html").read_text("utf8"), "html.parser")


def test_labels_that_cannot_be_and_stale_notes_are_warnings(api_book):
    lines = api_book[1].strip().splitlines()
    told = "\n".join(line for line in lines if "duplicate label" not in line)
    assert "other.ipynb: WARNING: the record of what the page uses is older than its text" in told
    assert "other.ipynb: WARNING: label (keras.layers.Dens)=: Keras has no such symbol" in told
    assert "label (keras.layers.Dense)=: book/a-dense has it too; one page teaches a symbol" in told
    assert told.count("WARNING") == 3, told


def test_the_index_leads_to_section_and_cell(api_book):
    index = soup_of(api_book, "book/reference/api")
    dense = index.find("dt", id="keras.layers.Dense").find_next_sibling("dd")
    assert dense.get_text().startswith("Does what keras.layers.Dense does. Taught in Dense.")
    links = {a.get_text(): a["href"] for a in dense("a")}
    assert links == {
        "Dense": "../a-dense.html#keras-layers-dense",
        "units": "../a-dense.html#cell-2",
    }
    assert dense.select_one(".knotes-missing").get_text() == "use_bias"
    relu = index.find("dt", id="keras.activations.relu").find_next_sibling("dd")
    assert "Only given by name so far, in Another page, cell 1." in relu.get_text()
    fit = index.find("dt", id="keras.Model.fit").find_next_sibling("dd")
    assert "Seen working in Another page, cell 1." in fit.get_text()
    assert soup_of(api_book, "book/a-dense").find(id="cell-2").name == "div"


def test_the_coverage_has_the_numbers(api_book):
    page = soup_of(api_book, "book/reference/api")
    rows = [
        [cell.get_text() for cell in row(["th", "td"])]
        for row in page.select("table.knotes-numbers tbody tr")
    ]
    assert rows == [
        ["keras.activations", "0 of 1", "0 of 1", "1", ""],
        ["keras.layers", "1 of 1", "1 of 2", "", ""],
        ["methods of Model", "1 of 1", "1 of 1", "", ""],
        ["everything", "2 of 3", "2 of 4", "1", ""],
    ]
    missing = [d.get_text(" ") for d in page.select(".knotes-lost details")]
    assert len(missing) == 2
    assert "keras.layers: symbols 0, further parameters 1" in missing[1]


def test_names_in_code_lead_to_their_section_or_the_index(api_book):
    found = [
        (a.get_text(), a["href"]) for a in soup_of(api_book, "book/a-dense").select("a.knotes-api")
    ]
    assert found == [("Dense", "#keras-layers-dense")]  # not the text in quotes, not `layers`
    links = soup_of(api_book, "book/other").select("a.knotes-api")
    assert [(a.get_text(), a["href"]) for a in links] == [
        ("fit", "reference/api.html#keras.Model.fit"),
        ("Dense", "a-dense.html#keras-layers-dense"),
        ("relu", "reference/api.html#keras.activations.relu"),
    ]
    assert links[0]["title"] == "keras.Model.fit: Does what `keras.Model.fit` does."


def test_a_label_that_is_shown_as_code_is_a_warning(tmp_path):
    text = "# Dense\n\nIn a few words.\n\n```\n(keras.layers.Dense)=\n```\n"
    page = notebook(text, ("1", {}))
    _, warnings = built(tmp_path, {"page": page})
    assert "label (keras.layers.Dense)=: it stands before nothing" in warnings


def test_without_an_inventory_there_is_no_site(tmp_path):
    with pytest.raises(ConfigError, match=r"api/inventory\.json: expected what make coverage"):
        Api().start(SimpleNamespace(srcdir=tmp_path))


@pytest.mark.parametrize(
    ("source", "note", "expected"),
    [
        ("a.fit(); b.fit()", {"calls": ["keras.Model.fit"]}, [(1, 2), (1, 11)]),
        # it could be either
        ("a.fit()", {"calls": ["keras.Model.fit"], "raised": ["keras.x.fit"]}, []),
        ("a.fit", {}, []),
        ("x = 'é'; a.fit", {"calls": ["keras.Model.fit"]}, [(1, 11)]),
        ("def f(:", {}, []),
        ("D(1)", {}, [(1, 0)]),
        ("k.layers.\\\n  Dense", {}, [(2, 2)]),
    ],
)
def test_names_are_found_where_they_stand(source, note, expected):
    names = {s.name: (s.name, "") for s in (DENSE, FIT)}
    known = {"k": "keras", "D": "keras.layers.Dense"}
    assert [
        (line, column) for line, column, *_ in code.names_in(source, known, note, names)
    ] == expected


def test_imports_of_all_forms_are_followed():
    cells = [
        "import keras\nimport keras.layers as kl",
        "from keras import layers\nimport numpy as np",
    ]
    cells += ["from keras.layers import Dense as D"]
    assert code.imported(cells) == {
        "keras": "keras",
        "kl": "keras.layers",
        "layers": "keras.layers",
        "D": "keras.layers.Dense",
    }
