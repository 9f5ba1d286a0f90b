"""Which names cells need and make, read from their code without running it."""

from __future__ import annotations

import ast
import builtins
import functools
import symtable
from collections.abc import Iterable
from dataclasses import dataclass, field

from knotes.pipeline.sections import Cell

# What a kernel has besides the builtins of Python.
GIVEN = frozenset(dir(builtins)) | {"__name__", "display", "get_ipython"}


def made(cells: Iterable[Cell]) -> set[str]:
    """The names that cells make: assigned, imported, defined."""
    return set().union(*(_made(cell.source) for cell in cells))


@functools.cache
def _made(source: str) -> frozenset[str]:
    reader = _Reader()
    reader.body(tree(source).body)
    return frozenset(reader.bound)


def lacking(cells: Iterable[Cell], before: Iterable[Cell] = ()) -> dict[str, int]:
    """The names that cells need and neither make nor find in those before, with the cell's number.

    A name has to be made before it is used; one used inside a function or class, by any of
    the cells. A cell that is not Python needs and makes nothing.
    """
    reader = _Reader(made(before))
    for cell in cells:
        reader.read(cell)
    for number, names in reader.later:
        reader.need(names, number)
    return reader.lacking


def tree(source: str) -> ast.Module:
    """The syntax tree of a cell; an empty one if the cell is not Python, to show that error."""
    try:
        symtable.symtable(source, "cell", "exec")  # finds what the parser lets pass
        return ast.parse(source)
    except SyntaxError:
        return ast.Module([], [])


@dataclass
class _Reader:
    """Reads statements in their order: what is bound so far, and what was needed and was not."""

    bound: set[str] = field(default_factory=set)
    lacking: dict[str, int] = field(default_factory=dict)
    later: list[tuple[int, set[str]]] = field(default_factory=list)
    number: int = 0

    def read(self, cell: Cell) -> None:
        self.number = cell.number
        self.body(tree(cell.source).body)

    def need(self, names: Iterable[str], number: int) -> None:
        for name in names:
            if name not in self.bound and name not in GIVEN:
                self.lacking.setdefault(name, number)

    def body(self, statements: Iterable[ast.stmt]) -> None:
        for statement in statements:
            self.statement(statement)

    def statement(self, node: ast.stmt) -> None:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                inside, node.body = node.body, [ast.Pass()]
                self.simple(node)
                node.body = inside
                loaded, stored = _used(node)
                self.later.append((self.number, loaded))
                self.bound |= stored
            case ast.If() | ast.While():
                self.simple(ast.Expr(node.test))
                self.body([*node.body, *node.orelse])
            case ast.For() | ast.AsyncFor():
                self.simple(ast.Assign([node.target], node.iter, lineno=1))
                self.body([*node.body, *node.orelse])
            case ast.With() | ast.AsyncWith():
                for item in node.items:
                    target = item.optional_vars
                    bind = ast.Assign([target], item.context_expr, lineno=1) if target else None
                    self.simple(bind or ast.Expr(item.context_expr))
                self.body(node.body)
            case ast.Try():
                self.body(node.body)
                for handler in node.handlers:
                    self.simple(ast.Expr(handler.type or ast.Constant(None)))
                    self.bound |= {handler.name} if handler.name else set()
                    self.body(handler.body)
                self.body([*node.orelse, *node.finalbody])
            case _:
                self.simple(node)

    def simple(self, node: ast.stmt) -> None:
        """A statement without others in it: what it needs has to be there before what it binds."""
        loaded, stored = _used(node)
        inside = {n.target.id for n in ast.walk(node) if isinstance(n, ast.NamedExpr)}
        if isinstance(node, ast.Match):  # its patterns bind what its cases use
            inside |= stored
        self.need(loaded - inside, self.number)
        self.bound |= stored | inside


def _used(node: ast.stmt) -> tuple[set[str], set[str]]:
    """The names of the outermost scope that a statement reads in any scope, and that it binds."""
    top = symtable.symtable(ast.unparse(node), "cell", "exec")
    loaded = {s.get_name() for s in top.get_symbols() if s.is_referenced()}
    stored = {s.get_name() for s in top.get_symbols() if s.is_assigned() or s.is_imported()}
    if isinstance(node, ast.AugAssign | ast.Delete):  # these read what they name
        loaded |= {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
    below = list(top.get_children())
    while below:
        table = below.pop()
        below += table.get_children()
        for symbol in table.get_symbols():
            if symbol.is_global() and symbol.is_referenced():
                loaded.add(symbol.get_name())
            if symbol.is_declared_global() and symbol.is_assigned():
                stored.add(symbol.get_name())
    return loaded, stored
