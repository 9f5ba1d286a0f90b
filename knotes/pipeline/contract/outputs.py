"""Rules about the stored notebook: what was run, is clean, and was compared."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from knotes.pipeline import compare, notebooks, sections
from knotes.pipeline.contract.page import Page

TAGS = frozenset(
    {"raises-exception", "hide-input", "hide-output", sections.COMMON, sections.CONTINUES}
)
OPT_OUTS = frozenset({"nbval-ignore-output", notebooks.SKIP})
NOTE = re.compile(r"note:N[0-3]-\d{3}")
REASON = re.compile(r"^# reason: (\S.*)", re.MULTILINE)
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


def drawn(cell: Any) -> bool:
    """Whether a stored cell shows a figure."""
    return any(set(compare.IMAGES) & set(output.get("data", {})) for output in cell.outputs)


def figures(page: Page) -> Iterator[str]:
    """Every figure has an alternative text of its own."""
    for number, cell in enumerate(page.code, 1):
        alt = str(cell.metadata.get("mystnb", {}).get("image", {}).get("alt", ""))
        if drawn(cell) and len(alt.split()) < 5:
            yield f"cell {number}: figure without alt text (mystnb: image: alt: five words or more)"


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
