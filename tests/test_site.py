"""The built site, file by file: what a reader without a script, or a search engine, gets.

Also the parts of the Sphinx extension that need no site: formulas, records.
"""

import hashlib
import json
import re
from collections import defaultdict
from io import BytesIO, StringIO
from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

import nbformat
import pytest
import yaml
from bs4 import BeautifulSoup
from fontTools.ttLib import TTFont
from sphinx.application import Sphinx
from sphinx.util.docutils import docutils_namespace

from knotes.pipeline import verification
from knotes.pipeline.api import coverage
from knotes.pipeline.api.inventory import Symbol
from knotes.pipeline.site import code, math, records

ROOT = Path(__file__).parents[1]


def toc_pages():
    """The pages that the table of contents names, the landing page first."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text("utf8"))
    chapters = [entry for part in toc["parts"] for entry in part["chapters"]]
    return [toc["root"], *(entry["file"] for entry in chapters)]


def runs(name):
    """Whether a page has code that runs; the landing page and the reference have none."""
    return (ROOT / f"{name}.ipynb").is_file()


@pytest.fixture(scope="session")
def pages(site):
    """Every page of the book, parsed: name → soup."""
    return {
        name: BeautifulSoup((site / f"{name}.html").read_text("utf8"), "html.parser")
        for name in toc_pages()
    }


def test_each_page_has_a_title_and_its_own_description(pages):
    seen = defaultdict(list)
    for name, soup in pages.items():
        assert len(soup.select("article h1")) == 1, f"{name}: expected one title"
        tags = soup.select('head meta[name="description"]')
        assert len(tags) == 1, f"{name}: expected one description, got {len(tags)}"
        assert 20 <= len(tags[0]["content"]) <= 165, f"{name}: {tags[0]['content']!r}"
        seen[tags[0]["content"]].append(name)
    assert not [names for names in seen.values() if len(names) > 1]


def test_each_picture_says_what_it_shows(pages):
    for name, soup in pages.items():
        for img in soup.select("article img"):
            alt = img.get("alt", "").strip()
            assert len(alt) >= 20, f"{name}: alt text {alt!r} of {img['src']} says too little"
            file = alt.lower().endswith((".png", ".svg", ".jpg"))
            assert not file, f"{name}: alt text is a file name: {alt!r}"


def test_nothing_is_loaded_from_elsewhere(pages, site):
    loaders = {"script": "src", "img": "src", "iframe": "src", "source": "src", "link": "href"}
    for name, soup in pages.items():
        for tag, attribute in loaders.items():
            for element in soup.select(f"{tag}[{attribute}]"):
                host = urlsplit(element[attribute]).netloc
                assert not host, f"{name}: <{tag}> loads from {host}"
    for sheet in (site / "_static").rglob("*.css"):
        text = sheet.read_text("utf8").replace(" ", "")
        for start in ("url(http", 'url("http', "url(//", '@import"http'):
            assert start not in text, f"{sheet} loads from elsewhere"


def test_links_and_anchors_inside_the_book_resolve(pages, site):
    anchors = {}

    def ids(file):
        if file not in anchors:
            soup = BeautifulSoup(file.read_text("utf8"), "html.parser")
            anchors[file] = {tag["id"] for tag in soup.select("[id]")}
        return anchors[file]

    checked = 0
    for name, soup in pages.items():
        for link in soup.select("a[href]"):
            href = link["href"]
            if urlsplit(href).scheme or href.startswith("#pst") or href == "#":
                continue
            path, anchor = urldefrag(urljoin(f"/{name}.html", href))
            file = site / unquote(urlsplit(path).path).lstrip("/")
            file = file / "index.html" if file.is_dir() else file
            assert file.is_file(), f"{name}: {href} leads nowhere"
            if anchor and file.suffix == ".html":
                assert unquote(anchor) in ids(file), f"{name}: no anchor for {href}"
            checked += 1
    assert checked > 100


def test_ids_are_used_once_on_a_page(pages):
    for name, soup in pages.items():
        used = [tag["id"] for tag in soup.select("article [id]")]
        twice = {i for i in used if used.count(i) > 1}
        assert not twice, f"{name}: ids used twice: {twice}"


def test_both_forms_of_a_page_are_offered_and_are_the_files(pages, site):
    for name, soup in pages.items():
        offered = {Path(a["href"]).suffix: a["href"] for a in soup.select('a[href*="_sources/"]')}
        wanted = {".md", ".ipynb"} if runs(name) else {".md"}
        assert set(offered) == wanted, f"{name}: offered {sorted(offered)}"
        for suffix in wanted:
            copy = (site / f"{name}.html").parent / offered[suffix]
            assert copy.read_bytes() == (ROOT / f"{name}{suffix}").read_bytes()


def test_formulas_are_mathml_without_latex(pages):
    found = 0
    for name, soup in pages.items():
        assert not soup.select(".math-error"), f"{name}: a formula that could not be shown"
        for formula in soup.select("article .math"):
            assert formula.find("math"), f"{name}: {formula.get_text()[:60]!r} is no MathML"
            assert "\\" not in formula.get_text(), f"{name}: LaTeX in {formula.get_text()!r}"
            found += 1
    assert found > 20


def test_each_page_says_what_was_verified_as_the_records_do(pages):
    stored = verification.load(ROOT / "verification")
    for name, soup in pages.items():
        lines = [line.get_text() for line in soup.select("p.knotes-badge")]
        if not runs(name):
            assert lines == []
            continue
        data = (ROOT / f"{name}.ipynb").read_bytes()
        digest = hashlib.sha256(data).hexdigest()
        match = any(r.pages[name].sha256 == digest for r in stored if name in r.pages)
        assert len(lines) == 1, f"{name}: expected one line, got {lines}"
        assert ("cells verified" in lines[0]) == match, f"{name}: {lines[0]!r}"


def test_the_site_is_light(site):
    icons = (site / "_static/scripts/fontawesome.js").stat().st_size
    assert icons < 150_000, f"{icons} bytes: the theme's unused icons were not taken out"
    font = (site / "_static" / math.FONT_FILE).stat().st_size
    assert 5_000 < font < 90_000


def test_no_button_pretends_that_there_is_a_repository(pages):
    for name, soup in pages.items():
        for word in ("edit", "repository", "issues", "launch", "binder", "colab"):
            buttons = soup.select(f".article-header-buttons [class*='{word}']")
            assert not buttons, f"{name}: {buttons}"


# --- formulas


@pytest.mark.parametrize(
    ("latex", "words"),
    [
        (r"\foo x", "command '\\\\foo' is not known"),
        (r"\begin{gather} a \end{gather}", "environment 'gather' is not known; known are"),
        (r"\left( x", "cannot be parsed"),
        (r"a & b", "'&' outside"),
        (r"\boxed{x}", "not drawn by browsers"),
        (r"\widehat{xyz}", "over a single letter only"),
    ],
)
def test_what_cannot_be_drawn_is_refused(latex, words):
    with pytest.raises(math.LatexError) as error:
        math.mathml(latex)
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("latex", "part"),
    [
        (r"\|x\|", 'stretchy="false" lspace="0" rspace="0">‖</mo>'),
        (r"\mathbb{R}", "<mi>ℝ</mi>"),
        (r"\mathbf{W}", "<mi>𝐖</mi>"),
        (r"\mathrm{fan}", '<mi class="math-roman">fan</mi>'),
        (r"a<b", "<mo>&lt;</mo>"),
        (r"\hat{y}", '<mover accent="true">'),
        (r"2\log x", '<mspace width="0.167em"></mspace><mi class="math-function">log</mi><mspace'),
        (r"w \sim p", "<mo>∼</mo>"),
        (r"(-x)", '<mo form="prefix">−</mo>'),
        (r"x'", "<mrow><mi>x</mi><mi>′</mi></mrow>"),
        (r"\overline{x+y}", '<mrow class="math-overline">'),
        (r"\text{input\_dim}", "<mtext>input_dim</mtext>"),
    ],
)
def test_what_browsers_draw_wrongly_is_repaired(latex, part):
    assert part in math.markup(math.mathml(latex))


def test_limits_stand_below_in_a_display_formula_only():
    assert "<munder>" in math.markup(math.mathml(r"\max_i x_i", display=True))
    assert "<munder>" not in math.markup(math.mathml(r"\max_i x_i"))


def test_lines_are_aligned_at_the_ampersand():
    text = math.markup(math.mathml(r"\begin{aligned} a &= b \\ c &= d \end{aligned}", display=True))
    assert text.count("<mtr>") == 2
    assert 'class="math-aligned"' in text
    assert text.count('class="math-right"') == text.count('class="math-left"') == 2


def test_the_font_has_what_formulas_use_and_is_the_same_each_time():
    used = math.ALWAYS | math.characters(math.mathml(r"\sum_i \mathbb{R} \odot \hat{y}"))
    first = math.font_bytes(used)
    assert first == math.font_bytes(used)
    font = TTFont(BytesIO(first))
    assert {ord(char) for char in "∑ℝ⊙ˆ"} <= set(font.getBestCmap())
    assert "MATH" in font


# --- records


@pytest.fixture
def record(tmp_path):
    """Write a record with some keys changed; returns its path."""

    def write(**changes):
        entry = {"sha256": "a" * 64, "cells": 31, "opt_outs": 1}
        versions = {"device": "CPU", "keras": "3.15.1", "tensorflow": "2.21.0", "python": "3.11.7"}
        data = {"name": "cpu", "date": "2026-11-21", "environment": versions}
        data |= {"pages": {"book/layers/dense": entry}} | changes
        path = tmp_path / "cpu.json"
        path.write_text(json.dumps(data))
        return path

    return write


def test_a_record_that_matches_speaks_for_its_page(record):
    stored = [verification.read(record())]
    page = records.Notebook("a" * 64, 31)
    assert records.summary("book/layers/dense", page, stored) == (
        "30 of 31 cells verified · Keras 3.15.1 · TensorFlow 2.21.0 · CPU"
    )
    other = records.Notebook("b" * 64, 31)
    assert records.summary("book/layers/dense", other, stored) is None
    assert records.summary("book/layers/lstm", page, stored) is None
    with pytest.raises(verification.RecordError, match="expected 30, the code cells"):
        records.summary("book/layers/dense", records.Notebook("a" * 64, 30), stored)


def test_the_devices_of_all_matching_records_are_named(record):
    first = verification.read(record())
    second = verification.Record(
        "gpu", first.date, {**first.environment, "device": "H100"}, first.pages
    )
    text = records.summary("book/layers/dense", records.Notebook("a" * 64, 31), [first, second])
    assert text is not None
    assert text.endswith("· CPU, H100")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": "gpu"}, "cpu.json: name: expected the name of the file, 'cpu', got 'gpu'"),
        ({"date": "yesterday"}, "cpu.json: date: expected a day such as"),
        ({"environment": {"device": "CPU"}}, "environment: expected strings, with device, keras"),
        ({"pages": []}, "pages: expected an object"),
        ({"extra": 1}, "record: expected the keys name, date, environment, pages"),
        ({"pages": {"p": {"sha256": "x", "cells": 1, "opt_outs": 0}}}, "64 hexadecimal digits"),
        ({"pages": {"p": {"sha256": "a" * 64, "cells": 0, "opt_outs": 0}}}, "at least 1, got 0"),
        ({"pages": {"p": {"sha256": "a" * 64, "cells": 3, "opt_outs": 4}}}, "at most 3"),
        ({"pages": {"p": {"sha256": "a" * 64, "cells": 3}}}, "the keys sha256, cells, opt_outs"),
    ],
)
def test_a_malformed_record_is_an_error_that_says_what_was_expected(record, changes, words):
    with pytest.raises(verification.RecordError) as error:
        verification.read(record(**changes))
    assert words in str(error.value)


def test_a_record_that_is_not_json_is_an_error(tmp_path):
    (tmp_path / "cpu.json").write_text("{")
    with pytest.raises(verification.RecordError, match=r"cpu\.json: not JSON"):
        verification.load(tmp_path)
    assert verification.load(tmp_path / "none") == []


# --- the extension on a book of two pages


@pytest.fixture(scope="module")
def small_book(tmp_path_factory):
    """Build two pages with good and bad marks and formulas; returns folder and warnings."""
    folder = tmp_path_factory.mktemp("small")
    text = (
        "# Page\n\nFirst paragraph of this page, long enough to describe it. {note}`N1-042`\n\n"
        "Bad: {note}`N1-4`, ($x$), $\\foo$.\n\n$$\n\\sum_i x_i\n$$\n\n[proof](#note-n2-007)\n\n"
        "```{verification-report}\n```\n"
    )
    book = nbformat.v4.new_notebook(
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    )
    book.cells = [
        nbformat.v4.new_markdown_cell(text),
        nbformat.v4.new_code_cell("1", metadata={"tags": ["note:N2-007", "note:N2_7"]}),
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
    (folder / "api").mkdir()
    symbols = {symbol.name: symbol for symbol in (DENSE, RELU, FIT)}
    coverage.Saved("3.15.1", symbols, [], {}).write(folder / "api" / "keras.json")
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
    assert (out / "_static" / math.FONT_FILE).is_file()


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


def test_the_index_of_the_book_has_every_symbol(pages):
    entries = {entry["id"] for entry in pages["book/reference/api"].select("dt[id]")}
    symbols = coverage.load().symbols.values()
    assert entries == {s.name for s in symbols if s.kind != "method" or not s.apart}


def test_everything_that_is_exercised_is_linked_from_the_index(pages):
    found = coverage.measure(coverage.load().symbols, coverage.read_pages())
    index = pages["book/reference/api"]
    for name in found.symbols:
        if found.exercised(name) and name.rpartition(".")[2] != "call":
            entry = index.find(id=name)
            assert entry is not None, name
            part = entry if entry.name == "span" else entry.find_next_sibling("dd")
            assert part.find("a", href=True), name
