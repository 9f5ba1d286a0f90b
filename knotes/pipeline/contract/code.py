"""Rules about the code of a page: it shows what it teaches, and a section of it can be pasted."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterable, Iterator, Mapping

from knotes.pipeline import notebooks, sections
from knotes.pipeline.api import claims, coverage, inventory, notes
from knotes.pipeline.api.symbols import Symbol, spelled
from knotes.pipeline.book import Book
from knotes.pipeline.contract import load, names
from knotes.pipeline.contract.page import Page

HELPERS = 3
MOST_CONTINUED = 3


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


def arguments(page: Page) -> Iterator[str]:
    """The section of an argument writes it in a call, or a table of `knotes.arguments` tries it."""
    found = list(sections.labeled(page.text))
    if not any(claims.LABEL.match(f"({label})=") for label, _ in found):
        return
    symbols, spellings = known_api(page.book)
    tried = set(_tried(page.cells))
    hiding = _hiding(page.cells)
    for label, section in found:
        name, argument = spellings.get(label, ("", ""))
        if not _is_argument(symbols, name, argument) or argument in tried:
            continue
        nodes = [node for cell in section.cells for node in ast.walk(names.tree(cell.source))]
        if not any(_shows(node, symbols[name], argument, hiding) for node in nodes):
            yield (
                f"section {section.heading!r}: no call in it has `{argument}=`, which "
                f"({label})= promises; write the call as readers type it, or try the argument "
                "in a table of knotes.arguments"
            )


def _is_argument(symbols: Mapping[str, Symbol], name: str, below: str) -> bool:
    """Whether `below` is an argument that can be named in a call: no method, nor an attribute."""
    symbol = symbols.get(name)
    if symbol is None or not below:
        return False
    if below in symbol.parameters or below in symbol.inherited:
        return True
    bases = (name, *symbol.bases)
    calls = [symbols.get(f"{base}.{call}") for base in bases for call in ("call", "__call__")]
    defaults = [call.parameters[below] for call in calls if call and below in call.parameters]
    # what every call has to be given is not named there: layer(x)
    return bool(defaults) and "required" not in defaults


def _shows(node: ast.AST, symbol: Symbol, argument: str, hiding: Iterable[str]) -> bool:
    """Whether a piece of code writes an argument as readers would.

    That is a keyword in a call, of the method if it is one of a method, and not of a helper of the
    page; in a call by its name, what is required or, but for classes, one of the first two; in the
    signature of a method that the page overrides; the property of that name.
    """
    method = symbol.short.rpartition(".")[2] if symbol.kind == "method" else ""
    if isinstance(node, ast.FunctionDef):
        return node.name == method and argument in {a.arg for a in node.args.args}
    if isinstance(node, ast.Attribute):
        return node.attr == argument and argument in symbol.attributes
    if not isinstance(node, ast.Call):
        return False
    callee = ast.unparse(node.func)
    last = callee.rpartition(".")[2]
    if argument in {keyword.arg for keyword in node.keywords}:
        known = last == method if method else last not in hiding
        return known and not callee.startswith("knotes.")
    if argument not in symbol.parameters:
        return False
    place = list(symbol.parameters).index(argument)
    first = symbol.kind != "class" and place < 2
    given = [a for a in node.args if not isinstance(a, ast.Starred)]
    own = {spelling.rpartition(".")[2] for spelling in (symbol.name, *symbol.aliases)}
    required = symbol.parameters[argument] == "required"
    return last in own and (required or first) and place < len(given)


def _tried(cells: Iterable[sections.Cell]) -> Iterator[str]:
    """The arguments that tables of `knotes.arguments` try: keys of the dict that is given."""
    nodes = [node for cell in cells for node in ast.walk(names.tree(cell.source))]
    tables = [node for node in nodes if isinstance(node, ast.Call)]
    tables = [call for call in tables if ast.unparse(call.func) == "knotes.arguments"]
    given = [call.args[1] for call in tables if len(call.args) > 1]
    given += [k.value for call in tables for k in call.keywords if k.arg == "tried"]
    named = {node.id for node in given if isinstance(node, ast.Name)}
    for node in nodes:
        targets = node.targets if isinstance(node, ast.Assign) else []
        targets = [node.target] if isinstance(node, ast.AugAssign) else targets
        if named & {target.id for target in targets if isinstance(target, ast.Name)}:
            given.append(node.value)  # type: ignore[attr-defined]
    for value in given:
        for node in ast.walk(value):
            keys = node.keys if isinstance(node, ast.Dict) else []
            yield from (str(key.value) for key in keys if isinstance(key, ast.Constant))
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "dict":
                yield from (keyword.arg for keyword in node.keywords if keyword.arg)


def _hiding(cells: Iterable[sections.Cell]) -> set[str]:
    """What stands between readers and the call: functions of the page, and `dict`."""
    return {"dict", *(name for name, _ in load.helpers_of(cells)), *(n for n, _ in _lambdas(cells))}


def _lambdas(cells: Iterable[sections.Cell]) -> Iterator[tuple[str, sections.Cell]]:
    """The lambdas that are given a name, with their cells."""
    for cell in cells:
        for node in ast.walk(names.tree(cell.source)):
            match node:
                case ast.Assign(targets=targets, value=ast.Lambda()):
                    named = [target.id for target in targets if isinstance(target, ast.Name)]
                case ast.AnnAssign(target=ast.Name(id=name), value=ast.Lambda()):
                    named = [name]
                case ast.NamedExpr(target=ast.Name(id=name), value=ast.Lambda()):
                    named = [name]
                case _:
                    named = []
            yield from ((name, cell) for name in named)


def helpers(page: Page) -> Iterator[str]:
    """Few functions, each used where it is made; no code in strings, no lambda with a name."""
    for cell in page.cells:
        for node in ast.walk(names.tree(cell.source)):
            match node:
                case ast.Call(func=ast.Name(id="eval" | "exec" as call)):
                    yield f"cell {cell.number}: {call}() hides code in a string; write the code"
    for name, cell in _lambdas(page.cells):
        yield f"cell {cell.number}: {name} is a lambda with a name; write the calls out, or a def"
    found = list(load.helpers_of(page.cells))
    if len(found) > HELPERS:
        told = ", ".join(f"{name} (cell {cell.number})" for name, cell in found)
        yield f"{len(found)} helper functions, {told}; at most {HELPERS}: write the calls out"
    common = [cell for cell in page.cells if sections.COMMON in cell.tags]
    for section in page.sections:
        for name, number in names.lacking(section.cells, common).items():
            homes = [cell.number for helper, cell in found if helper == name]
            if homes and homes[0] < number:
                yield (
                    f"section {section.heading!r}, cell {number}: uses the helper {name} of cell "
                    f"{homes[0]}, in another section; keep a helper where it is used"
                )


def alone(page: Page) -> Iterator[str]:
    """A section needs the import cell, one common cell and what it says it continues."""
    inside = {cell.number for section in page.sections for cell in section.cells}
    common = [cell.number for cell in page.cells if sections.COMMON in cell.tags]
    for cell in page.cells[1:]:
        if cell.number not in inside and sections.COMMON not in cell.tags:
            yield f"cell {cell.number}: above the first section; expected only the import cell"
    if len(common) > 1:
        yield f"cells {common}: tagged common; expected at most one"
    continued = [section for section in page.sections if section.continues]
    if len(continued) > MOST_CONTINUED:
        yield f"{len(continued)} sections continue another; at most {MOST_CONTINUED}"
    for place, section in enumerate(page.sections):
        if section.continues and not sections.continued(section, page.sections[:place]):
            yield (
                f"section {section.heading!r}: tag continues, but its first line does not say "
                "'continues [an earlier section](#label)'"
            )
        for cell in section.cells[1:]:
            if sections.CONTINUES in cell.tags:
                yield f"cell {cell.number}: tag continues; expected on the first cell of a section"
        if taken := load.lacking(page, section):
            told = ", ".join(f"{name} (made in cell {maker})" for name, (_, maker) in taken.items())
            yield (
                f"section {section.heading!r}, cell {min(n for n, _ in taken.values())}: needs "
                f"{told}; make it in the section, or in the common cell"
            )
