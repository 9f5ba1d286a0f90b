"""Rules about the text of a page: its sections, its first screen, its words."""

from __future__ import annotations

import re
from collections.abc import Iterator

from knotes.pipeline import notebooks, sections
from knotes.pipeline.contract.page import OLD_NOTES, Page, lines_of

#: The sections of a page about a symbol, in their order; Why may go on: "Why batches and epochs".
SECTIONS = (
    sections.IN_SHORT,
    "Why",
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
REQUIRED = (sections.IN_SHORT, "Why", "Exercises", "Recap")
SNIPPET_LINES = 8
SNIPPET_WITHIN = 25  # lines from the title to the first line of the snippet
QUESTIONS = (4, 8)
ANSWER_WORDS = 3
ITEM = re.compile(r"^(?:[-*+]|\d+\.)\s+(.*(?:\n[ \t]+\S.*)*)", re.MULTILINE)
LINK_TEXT = re.compile(r"\[((?:[^\[\]]|\[[^\[\]]*\])+)\]\([^)\s]+\)")
CHANGED = "**Changed from"
BANNED = re.compile(r"\b(simply|just|easy|easily|obviously|of course)\b|!(?=\s|$)", re.IGNORECASE)
REMARK = re.compile(r"\bold(?:er)?\s+notes?\b", re.IGNORECASE)


def structure(page: Page) -> Iterator[str]:
    """A labeled title, an opening paragraph, and the sections of the anatomy in their order."""
    first = page.text.cells[0].source if page.text.cells[0].cell_type == "markdown" else ""
    opening = re.match(r"(?:\([^)\n]+\)=\n)+# [^\n]+\n+(?![#:`(\-|>])\S", first)
    if not opening:
        yield "expected a label `(name)=`, a title `# …` and then a plain paragraph at the top"
    headings = [section.heading for section in page.sections]
    if page.is_guide:
        if headings[-2:] != ["Exercises", "Recap"]:
            yield f"the last sections are {headings[-2:]}; expected ['Exercises', 'Recap']"
    else:
        yield from _anatomy(headings)
    exercises = page.markdown.count("{exercise}")
    solutions = page.markdown.count("{solution-start}")
    if exercises != 3 or solutions != 3:
        yield f"{exercises} exercises with {solutions} solutions; expected three with three"
    inside = sum("{solution-start}" in line for s in page.sections for line in s.text
                 if s.heading == "Exercises")  # fmt: skip
    if inside != solutions:
        yield f"{solutions - inside} solutions outside of the section Exercises; move them there"


def _anatomy(headings: list[str]) -> Iterator[str]:
    why = next((h for h in headings if re.match(r"Why\b", h)), None)
    known = ["Why" if h == why else h for h in headings if h == why or h in SECTIONS]
    missing = [name for name in REQUIRED if name not in known]
    if missing:
        yield f"no section {', '.join(missing)}; every page about a symbol has it"
    ordered = sorted(known, key=SECTIONS.index)
    if known != ordered:
        yield f"sections are {known}; expected the order {ordered}"
    if len(set(known)) < len(known):
        yield f"sections are {known}; expected each once"


def in_short(page: Page) -> Iterator[str]:
    """The first section is an open one with a snippet, and with answers that are links."""
    first = page.sections[0] if page.sections else None
    if first is None or first.heading != sections.IN_SHORT:
        found = first.heading if first else "none"
        yield f"the first section is {found!r}; expected 'In short' with the answers of the page"
        return
    text = "\n".join(first.text)
    if "dropdown" in text:
        yield "In short: something is folded (dropdown); its reader has no time to open it"
    if page.snippet is None:
        yield "In short: no code cell; expected the call that people come for, ready to paste"
    else:
        yield from _snippet(page, page.snippet)
    items = [item for item in ITEM.findall(text) if not item.startswith(CHANGED)]
    if not QUESTIONS[0] <= len(items) <= QUESTIONS[1]:
        yield f"In short: {len(items)} questions; expected {QUESTIONS[0]} to {QUESTIONS[1]}"
    for item in items:
        if not any(len(found.split()) >= ANSWER_WORDS for found in LINK_TEXT.findall(item)):
            yield (
                f"In short: {item[:40]!r}… has no answer as the text of a link; "
                f"expected {ANSWER_WORDS} words or more"
            )


def _snippet(page: Page, snippet: sections.Cell) -> Iterator[str]:
    if (size := lines_of(snippet.source)) > SNIPPET_LINES:
        yield f"In short: the snippet has {size} lines; at most {SNIPPET_LINES}"
    if "hide-input" in snippet.tags:
        yield "In short: the snippet is folded (hide-input); it is what people come for"
    if page.lines_to_snippet > SNIPPET_WITHIN:
        yield (
            f"In short: the snippet begins {page.lines_to_snippet} lines below the title; "
            f"at most {SNIPPET_WITHIN}: shorten the lead or the imports"
        )


def style(page: Page) -> Iterator[str]:
    """Plain words; imports together at the top; the environment set first."""
    for found in BANNED.finditer(page.prose):
        yield f"prose: {found[0]!r} in '…{around(page.prose, found)}…'"
    source = page.code[0].source if page.code else ""
    if not re.match(r"import knotes\n\nknotes\.setup\(.*\)", source):
        yield "cell 1: expected to begin with `import knotes`, a blank line, `knotes.setup()`"


def in_contents(page: Page) -> Iterator[str]:
    """The page is listed in the table of contents."""
    if notebooks.name_of(page.path) not in set(page.book.listed()):
        yield f"not listed in _toc.yml; add `- file: {notebooks.name_of(page.path)}`"


def around(text: str, found: re.Match[str]) -> str:
    """What was found with a few words before and behind it."""
    return " ".join(text[max(0, found.start() - 25) : found.end() + 15].split())


def old_notes(page: Page) -> Iterator[str]:
    """No remark on notes that no reader has, but where they are the subject."""
    if page.part == OLD_NOTES:
        return
    for found in REMARK.finditer(page.prose):
        yield (
            f"prose: {found[0]!r} in '…{around(page.prose, found)}…'; say it without them: "
            "'Often read: …'"
        )
