"""Rewrites the source of a cell so that its calls pass through the recorder."""

from __future__ import annotations

import ast
from typing import Any

#: Names under which the recorder is reached: by calls of a page, calls of ``knotes``, classes.
MARK, HELPER_MARK, CLASS_MARK = "__knotes_mark__", "__knotes_helper__", "__knotes_class__"


class Marker(ast.NodeTransformer):
    """Rewrites each call ``f(x)`` to ``mark(f)(x)``, and marks classes."""

    def __init__(self, mark: str = MARK, *, only_names: bool = False) -> None:
        """`only_names` leaves ``a.b(x)`` alone and marks ``f(x)``."""
        self.mark, self.only_names = mark, only_names

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if not self.only_names or isinstance(node.func, ast.Name):
            node.func = self._marked(node.func)
        return node

    def visit_FunctionDef(self, node: Any) -> Any:
        bare = [not isinstance(decorator, ast.Call) for decorator in node.decorator_list]
        self.generic_visit(node)
        if not self.only_names:
            node.decorator_list = [
                self._marked(decorator) if plain else decorator
                for decorator, plain in zip(node.decorator_list, bare, strict=True)
            ]
        return node

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        self.generic_visit(node)
        if not self.only_names:
            last = node.decorator_list[-1] if node.decorator_list else node
            name = ast.copy_location(ast.Name(CLASS_MARK, ast.Load()), last)
            node.decorator_list.append(name)
        return node

    def visit_Module(self, node: ast.Module) -> ast.AST:
        self.generic_visit(node)
        return ast.fix_missing_locations(node)

    def _marked(self, function: ast.expr) -> ast.expr:
        name = ast.Name(self.mark, ast.Load())
        return ast.copy_location(ast.Call(name, [function], []), function)
