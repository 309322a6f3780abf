"""The source of a function: where its lines stand, and what its assignments give to what."""

from __future__ import annotations

import ast
import inspect
import os
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A line of a file."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True)
class Source:
    """A function's syntax tree; lines of the tree count from `first` in the file."""

    tree: ast.FunctionDef | ast.AsyncFunctionDef
    file: str
    first: int

    @property
    def owner(self) -> str:
        """What the function calls `self`."""
        names = [*self.tree.args.posonlyargs, *self.tree.args.args]
        return names[0].arg if names else ""

    def place(self, node: ast.expr | ast.stmt) -> Place:
        """Where a node stands."""
        return Place(self.file, self.first + node.lineno - 1)


@cache
def source_of(function: Any) -> Source | None:
    """A function's source; None where there is none to read, such as that of a function made at run time."""
    try:
        function = inspect.unwrap(function)
        lines, first = inspect.getsourcelines(function)
        file = inspect.getsourcefile(function) or ""
    except (OSError, TypeError):
        return None
    tree = ast.parse(textwrap.dedent("".join(lines))).body[0]
    here = os.path.relpath(file)
    file = file if here.startswith("..") else here
    return Source(tree, file, first) if isinstance(tree, ast.FunctionDef | ast.AsyncFunctionDef) else None


def assignments(tree: ast.AST, needs: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """`self.carts = carts`, also `self.a, self.b = a, b`: attribute and parameter, where the parameter is a need."""
    for node in ast.walk(tree):
        for target, value in pairs(node):
            if isinstance(target, ast.Attribute) and isinstance(value, ast.Name) and value.id in needs:
                yield target.attr, value.id


def arguments_in(tree: ast.AST) -> Iterator[ast.expr]:
    """What a function gives to others; a base class may keep it under its own name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and not (isinstance(node.func, ast.Attribute) and node.func.attr == "__init__"):
            yield from (*node.args, *(keyword.value for keyword in node.keywords))


def pairs(node: ast.AST) -> Iterator[tuple[ast.expr, ast.expr]]:
    """What an assignment gives to what."""
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    value = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else None
    for target in targets if value is not None else ():
        if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple) and len(target.elts) == len(value.elts):
            yield from zip(target.elts, value.elts, strict=True)
        elif value is not None:
            yield target, value
