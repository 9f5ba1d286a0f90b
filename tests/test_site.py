"""The built site, file by file: what a reader without a script, or a search engine, gets."""

import functools
import hashlib
import re
from collections import Counter, defaultdict
from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

import pytest
import yaml
from bs4 import BeautifulSoup

from knotes.pipeline import verification
from knotes.pipeline.api import coverage, inventory
from knotes.pipeline.book import Book
from knotes.pipeline.site.font import FONT_FILE

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
            for element in soup.find_all(tag, attrs={attribute: True}):
                host = urlsplit(element[attribute]).netloc
                assert not host, f"{name}: <{tag}> loads from {host}"
    for sheet in (site / "_static").rglob("*.css"):
        text = sheet.read_text("utf8").replace(" ", "")
        for start in ("url(http", 'url("http', "url(//", '@import"http'):
            assert start not in text, f"{sheet} loads from elsewhere"


def test_links_and_anchors_inside_the_book_resolve(pages, site):
    @functools.cache
    def ids(file):
        return set(re.findall(r'<[^<>]*\sid="([^"]+)"', file.read_text("utf8")))

    checked = 0
    for name, soup in pages.items():
        for link in soup.find_all("a", href=True):
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
        used = Counter(tag["id"] for tag in soup.article.find_all(id=True))
        twice = {i for i, count in used.items() if count > 1}
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
        assert not soup.find(class_="math-error"), f"{name}: a formula that could not be shown"
        for formula in soup.article.find_all(class_="math"):
            assert formula.find("math"), f"{name}: {formula.get_text()[:60]!r} is no MathML"
            assert "\\" not in formula.get_text(), f"{name}: LaTeX in {formula.get_text()!r}"
            found += 1
    assert found > 20


def test_each_page_says_what_was_verified_as_the_records_do(pages):
    stored = verification.load(Book(ROOT))
    for name, soup in pages.items():
        lines = [line.get_text() for line in soup.find_all("p", class_="knotes-badge")]
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
    font = (site / "_static" / FONT_FILE).stat().st_size
    assert 5_000 < font < 90_000


def test_no_button_pretends_that_there_is_a_repository(pages):
    for name, soup in pages.items():
        (bar,) = soup.find_all(class_="article-header-buttons")
        for word in ("edit", "repository", "issues", "launch", "binder", "colab"):
            buttons = bar.select(f"[class*='{word}']")
            assert not buttons, f"{name}: {buttons}"


def test_the_index_of_the_book_has_every_symbol(pages):
    entries = {entry["id"] for entry in pages["book/reference/api"].select("dt[id]")}
    symbols = inventory.load(Book(ROOT)).symbols.values()
    assert entries == {s.name for s in symbols if s.kind != "method" or not s.apart}


def test_everything_that_is_exercised_is_linked_from_the_index(pages):
    found = coverage.measure(inventory.load(Book(ROOT)).symbols, coverage.read_pages(Book(ROOT)))
    index = {tag["id"]: tag for tag in pages["book/reference/api"].find_all(id=True)}
    for name in found.symbols:
        if found.exercised(name) and name.rpartition(".")[2] != "call":
            entry = index.get(name)
            assert entry is not None, name
            part = entry if entry.name == "span" else entry.find_next_sibling("dd")
            assert part.find("a", href=True), name
