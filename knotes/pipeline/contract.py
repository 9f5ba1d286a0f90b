"""The contract of a page: what must hold for its text and its stored notebook, without running.

Every rule is a function of a `Page` that yields faults, each one line that says where and what
to do. The rules are those of CONTRIBUTING.md; ``tests/test_book_contract.py`` applies them all.
"""

from __future__ import annotations

import functools
import re
import statistics
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from knotes.pipeline import compare, notebooks
from knotes.pipeline.api import claims, coverage, inventory, notes
from knotes.pipeline.api.symbols import Symbol, spelled
from knotes.pipeline.book import Book

CELLS = (12, 30)
MEDIAN_LINES = 4
MOST_LINES = 15
MOST_LINES_LONG = 20  # class definitions and plots
API_PARTS = frozenset(
    (
        "activations",
        "constraints",
        "initializers",
        "layers",
        "losses",
        "metrics",
        "optimizers",
        "regularizers",
    )
)
SECTIONS = (
    "At a glance",
    "Smallest call",
    "Formula",
    "By hand",
    "Arguments",
    "Picture",
    "Gradient",
    "In a model",
    "Pitfalls",
    "Save and reload",
    "Exercises",
    "Recap",
)
OPTIONAL_SECTIONS = frozenset({"Gradient"})
TAGS = frozenset({"raises-exception", "hide-input"})
OPT_OUTS = frozenset({"nbval-ignore-output", notebooks.SKIP})
NOTE = re.compile(r"note:N[0-3]-\d{3}")
REASON = re.compile(r"^# reason: (\S.*)", re.MULTILINE)
LONG = re.compile(r"^\s*class |plt\.|axes?\b|knotes\.(curves|histograms|images|figure)", re.M)
BANNED = re.compile(r"\b(simply|just|easy|easily|obviously|of course)\b|!(?=\s|$)", re.IGNORECASE)
# Directives that show a file, or the output of code, that no comparison has seen.
INCLUDED = re.compile(
    r"^\s*(?:`{3,}|:{3,}|~{3,}|\.\.\s)\s*\{?"
    r"(?:include|literalinclude|eval-rst|raw|code-cell|nb-exec-table|glue[\w:]*|csv-table|download)\b.*",
    re.MULTILINE,
)
CONFLICT = re.compile(r"^(?:<{7}|>{7}|={7})(?:\s.*)?$", re.MULTILINE)
# Things that change between runs or machines, with what they look like in an output.
VOLATILE = {
    "an object's address": re.compile(r"\bat 0x[0-9a-f]{6,}|<[\w.]+ object at"),
    "an absolute path": re.compile(r"(?<![\w.:/])/(?:home|root|tmp|usr|var|work|Users|opt|mnt)/\w"),
    "a timing": re.compile(r"\b\d+(?:\.\d+)?\s?(?:[mµun]s/(?:step|loop|epoch)|s/step|seconds)\b"),
    "a version": re.compile(r"\b\d+\.\d+\.\d+(?:\.?(?:dev|rc|post)\d+)?\b"),
    "a progress bar": re.compile(r"\d+/\d+ ━|\[=+>?\.*\]|\d+%\|"),
}


@dataclass(frozen=True)
class Page:
    """A text page with its stored notebook, read once."""

    path: Path
    book: Book

    @property
    def part(self) -> str:
        return self.path.parent.name

    @cached_property
    def text(self) -> Any:
        return notebooks.read_text(self.path)

    @cached_property
    def stored(self) -> Any:
        return notebooks.read_stored(self.path.with_suffix(".ipynb"))

    @cached_property
    def code(self) -> list[Any]:
        return notebooks.code_cells(self.stored)

    @cached_property
    def prose(self) -> str:
        """Text that people read: Markdown without code, math, URLs and directive options."""
        joined = "\n\n".join(c.source for c in self.text.cells if c.cell_type == "markdown")
        for pattern in (r"(?ms)^```.*?^```", r"(?s)\$\$.*?\$\$", r"\$[^$\n]+\$", r"`+[^`]+`+"):
            joined = re.sub(pattern, " ", joined)
        return re.sub(r"\]\([^)]*\)|<[^>]*>|^:.*$", "]", joined, flags=re.MULTILINE)


def in_step(page: Page) -> Iterator[str]:
    """Text and notebook have the same cells and options; every cell was run, counts are 1..n."""
    for fault in notebooks.out_of_step(page.text, page.stored):
        yield f"{fault}; run `make outputs PAGES={notebooks.name_of(page.path)}.md`"
    if page.stored.metadata.get("knotes", {}).get("source") != notebooks.digest(page.path):
        yield "the notebook was made from another text; run `make outputs`"


def clean_outputs(page: Page) -> Iterator[str]:
    """No stderr, no untagged error, nothing that changes from run to run."""
    for number, cell in enumerate(page.code, 1):
        for output in cell.outputs:
            kind = output.output_type
            if kind == "stream" and output.name == "stderr":
                yield f"cell {number}: stored stderr: {output.text.strip()[:80]!r}"
            tagged = "raises-exception" in notebooks.tags_of(cell)
            if kind == "error" and not tagged:
                yield f"cell {number}: {output.ename} stored, but no raises-exception tag"
            for name, part, _ in compare.parts(output, output):
                if name in compare.IMAGES:
                    continue
                plain = re.sub(r"<[^<>]*>", " ", part) if name == "text/html" else part
                for what, pattern in VOLATILE.items():
                    found = pattern.search(compare.ANSI.sub("", plain))
                    if found:
                        yield f"cell {number}: output holds {what}: {found[0]!r}"


def reason_of(cell: Any) -> str:
    """The reason that a cell gives for its opt-out from the comparison, empty if none."""
    found = REASON.search(cell.source)
    return found[1].strip() if found else ""


def tags(page: Page) -> Iterator[str]:
    """Only known tags; every opt-out from the comparison gives its reason in the cell."""
    for number, cell in enumerate(page.code, 1):
        for tag in notebooks.tags_of(cell):
            if tag in OPT_OUTS and not reason_of(cell):
                yield f"cell {number}: tag {tag} without a line `# reason: …` in the cell"
            if tag not in TAGS | OPT_OUTS and not NOTE.fullmatch(tag):
                known = ", ".join(sorted(TAGS | OPT_OUTS))
                yield f"cell {number}: unknown tag {tag!r}; expected {known} or note:N1-042"
        if re.search(r"^\s*#\s*(NBVAL_|PYTEST_VALIDATE)", cell.source, re.MULTILINE):
            yield f"cell {number}: an NBVAL comment changes the comparison; use a tag"


def rhythm(page: Page) -> Iterator[str]:
    """Few, short cells with prose between them."""
    sizes = [sum(bool(x.strip()) for x in cell.source.splitlines()) for cell in page.code]
    if not CELLS[0] <= len(sizes) <= CELLS[1]:
        yield f"{len(sizes)} code cells; expected {CELLS[0]} to {CELLS[1]}"
    if sizes and statistics.median(sizes) > MEDIAN_LINES:
        yield f"median cell has {statistics.median(sizes):g} lines; at most {MEDIAN_LINES}"
    for number, (size, cell) in enumerate(zip(sizes, page.code, strict=True), 1):
        limit = MOST_LINES_LONG if LONG.search(cell.source) else MOST_LINES
        if size > limit:
            yield f"cell {number}: {size} lines; at most {limit}"
    before = None
    for cell in page.stored.cells:
        if cell.cell_type == "code" and before == "code":
            number = page.code.index(cell) + 1
            yield f"cell {number}: follows a code cell; say between them what to look for"
        before = cell.cell_type


def figures(page: Page) -> Iterator[str]:
    """Every figure has an alternative text of its own."""
    for number, cell in enumerate(page.code, 1):
        drawn = any(set(compare.IMAGES) & set(o.get("data", {})) for o in cell.outputs)
        alt = str(cell.metadata.get("mystnb", {}).get("image", {}).get("alt", ""))
        if drawn and len(alt.split()) < 5:
            yield f"cell {number}: figure without alt text (mystnb: image: alt: five words or more)"


def structure(page: Page) -> Iterator[str]:
    """A labeled title, an opening paragraph, and the sections of the anatomy in their order."""
    first = page.text.cells[0].source if page.text.cells[0].cell_type == "markdown" else ""
    opening = re.match(r"(?:\([^)\n]+\)=\n)+# [^\n]+\n+(?![#:`(\-|>])\S", first)
    if not opening:
        yield "expected a label `(name)=`, a title `# …` and then a plain paragraph at the top"
    found = [
        line[3:].strip()
        for cell in page.text.cells
        if cell.cell_type == "markdown"
        for line in cell.source.splitlines()
        if line.startswith("## ")
    ]
    if page.part in API_PARTS:
        known = [h for h in found if h in SECTIONS]
        required = [s for s in SECTIONS if s not in OPTIONAL_SECTIONS or s in known]
        if known != required:
            yield f"sections are {known}; expected {required}"
    elif found[-2:] != ["Exercises", "Recap"]:
        yield f"the last sections are {found[-2:]}; expected ['Exercises', 'Recap']"
    exercises = sum(c.source.count("{exercise}") for c in page.text.cells)
    solutions = sum(c.source.count("{solution-start}") for c in page.text.cells)
    if exercises != 3 or solutions != 3:
        yield f"{exercises} exercises with {solutions} solutions; expected three with three"


def style(page: Page) -> Iterator[str]:
    """Plain words; imports together at the top; the environment set first."""
    for found in BANNED.finditer(page.prose):
        around = page.prose[max(0, found.start() - 25) : found.end() + 15].replace("\n", " ")
        yield f"prose: {found[0]!r} in '…{around.strip()}…'"
    source = page.code[0].source if page.code else ""
    if not re.match(r"import knotes\n\nknotes\.setup\(.*\)", source):
        yield "cell 1: expected to begin with `import knotes`, a blank line, `knotes.setup()`"


def nothing_foreign(page: Page) -> Iterator[str]:
    """The site shows what was compared: nothing is run at build time, or put in from elsewhere."""
    mode = page.stored.metadata.get("mystnb", {})
    named = page.text.metadata.get("mystnb", {})
    if mode or named:
        yield "metadata `mystnb` of the page: the site build would run it; take it out"
    for number, cell in enumerate(page.text.cells, 1):
        if cell.cell_type != "code":
            for found in INCLUDED.finditer(cell.source):
                yield f"cell {number} of the text: {found[0].strip()!r} puts a file into the page"
        elif not cell.source.strip():
            yield f"cell {number} of the text: a code cell without code"
        for found in CONFLICT.finditer(cell.source):
            yield f"cell {number} of the text: {found[0].strip()!r} is left from a merge"


def labels(page: Page) -> Iterator[str]:
    """Each label of the API names something that exists and that a cell of the page exercises."""
    found = claims.labels_of(page.stored)
    if not found:
        return
    symbols, names = known_api(page.book)
    yield from claims.unknown(found, names)
    used = [notes.stored(cell) for cell in page.code]
    own = coverage.measure(symbols, {notebooks.name_of(page.path): used})
    yield from claims.unproven(found, names, own)


@functools.cache
def known_api(book: Book) -> tuple[Mapping[str, Symbol], Mapping[str, tuple[str, str]]]:
    """The saved inventory of the API, and every name that can be written for a part of it."""
    symbols = inventory.load(book).symbols
    return symbols, spelled(symbols)


def in_contents(page: Page) -> Iterator[str]:
    """The page is listed in the table of contents."""
    if notebooks.name_of(page.path) not in set(page.book.listed()):
        yield f"not listed in _toc.yml; add `- file: {notebooks.name_of(page.path)}`"


RULES: tuple[Callable[[Page], Iterator[str]], ...] = (
    in_step,
    clean_outputs,
    tags,
    rhythm,
    figures,
    structure,
    style,
    nothing_foreign,
    labels,
    in_contents,
)


def faults(path: Path, book: Book) -> list[str]:
    """All faults of a text page, each one line; empty if the page keeps the contract."""
    page = Page(path, book)
    return [fault for rule in RULES for fault in rule(page)]
