"""Crash points: a place to stop before and after every `await`, put into functions that are already loaded."""

from __future__ import annotations

import ast
import dis
import inspect
import sys
import types
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from types import CodeType, FrameType, FunctionType, ModuleType
from typing import Any, Protocol


class Owner(Protocol):
    """A service that code runs for. It is told of every point that its code comes to."""

    alive: bool

    def reach(self, point: str, /) -> Awaitable[None] | None:
        """None to go on; or what to wait for first, for ever if need be."""
        ...


OWNER: ContextVar[Owner | None] = ContextVar("owner", default=None)
"""The service that the running code belongs to; None for whatever is outside."""


@types.coroutine
def reach(awaitable: Awaitable[Any], place: str) -> Generator[Any, Any, Any]:
    """`await awaitable`, with a point before and a point after it."""
    owner = OWNER.get()
    if owner is None:
        return (yield from awaitable.__await__())
    try:
        if (wait := owner.reach(f"before {place}")) is not None:
            yield from wait.__await__()
    except BaseException:
        if isinstance(awaitable, Coroutine):
            awaitable.close()  # it was never begun
        raise
    try:
        return (yield from awaitable.__await__())
    except GeneratorExit:
        owner = None  # thrown away with its dead service: it goes nowhere
        raise
    finally:
        if owner is not None and (wait := owner.reach(f"after {place}")) is not None:
            yield from wait.__await__()


class Manager:
    """An asynchronous context manager with points around its entry and its exit."""

    def __init__(self, manager: Any, place: str) -> None:
        self.manager, self.place = manager, place

    def __aenter__(self) -> Any:
        return reach(self.manager.__aenter__(), f"{self.place} enter")

    def __aexit__(self, *error: Any) -> Any:
        return reach(self.manager.__aexit__(*error), f"{self.place} exit")


class Stream:
    """An asynchronous iterator with points around each item."""

    def __init__(self, items: Any, place: str) -> None:
        self.items, self.place = aiter(items), place

    def __aiter__(self) -> Stream:
        return self

    def __anext__(self) -> Any:
        return reach(anext(self.items), self.place)


POINTS: dict[str, Any] = {"__reach__": reach, "__manager__": Manager, "__stream__": Stream}


class Rewriter(ast.NodeTransformer):
    """`await x` becomes `await __reach__(x, "module:line:column")`; `async with` and `async for` likewise."""

    def __init__(self, module: str) -> None:
        self.module = module

    def wrap(self, name: str, node: ast.expr) -> ast.expr:
        """The call of one of POINTS, with the place that the node has in its file."""
        place = ast.Constant(f"{self.module}:{node.lineno}:{node.col_offset}")
        call = ast.Call(ast.Name(name, ast.Load()), [node, place], [])
        return ast.fix_missing_locations(ast.copy_location(call, node))

    def visit_Await(self, node: ast.Await) -> ast.AST:
        """`await x`."""
        self.generic_visit(node)
        node.value = self.wrap("__reach__", node.value)
        return node

    def visit_AsyncWith(self, node: ast.AsyncWith) -> ast.AST:
        """`async with x`."""
        self.generic_visit(node)
        for item in node.items:
            item.context_expr = self.wrap("__manager__", item.context_expr)
        return node

    def visit_AsyncFor(self, node: ast.AsyncFor) -> ast.AST:
        """`async for _ in x`."""
        self.generic_visit(node)
        node.iter = self.wrap("__stream__", node.iter)
        return node

    def visit_comprehension(self, node: ast.comprehension) -> ast.AST:
        """`[_ async for _ in x]`."""
        self.generic_visit(node)
        if node.is_async:
            node.iter = self.wrap("__stream__", node.iter)
        return node


@contextmanager
def crash_points(modules: Iterable[ModuleType]) -> Iterator[None]:
    """Put points around every await of these modules, for the time of a `with` block."""
    old: list[tuple[FunctionType, CodeType]] = []
    try:
        for module in modules:
            old += instrument(module)
        yield
    finally:
        for function, code in old:
            function.__code__ = code


def instrument(module: ModuleType) -> list[tuple[FunctionType, CodeType]]:
    """Give the module's functions new code with points; returns them with their old code."""
    file = Path(inspect.getsourcefile(module) or "")
    tree = Rewriter(module.__name__).visit(ast.parse(file.read_text()))
    new = {place_of(code): code for code in codes_in(compile(tree, str(file), "exec", dont_inherit=True))}
    vars(module).update(POINTS)
    old = [(function, function.__code__) for function in functions_in(module)]
    for function, code in old:
        function.__code__ = new.get(place_of(code), code)
    return old


def place_of(code: CodeType) -> tuple[str, int]:
    """What a function's code is found by."""
    return code.co_qualname, code.co_firstlineno


def codes_in(code: CodeType) -> Iterator[CodeType]:
    """The code of every function in some code."""
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from codes_in(constant)


def functions_in(module: ModuleType) -> Iterator[FunctionType]:
    """The functions and methods that a module defines."""
    for found in list(vars(module).values()):
        members = vars(found).values() if isinstance(found, type) else [found]
        for member in members:
            for function in (member, *(getattr(member, name, None) for name in ("__func__", "__wrapped__", "fget"))):
                if isinstance(function, FunctionType) and function.__module__ == module.__name__:
                    yield function


@contextmanager
def coroutines_run(within: Callable[[str], bool]) -> Iterator[set[CodeType]]:
    """The code of all coroutines that run during a `with` block, from files for which `within` says yes."""
    seen: set[CodeType] = set()

    def note(frame: FrameType, event: str, argument: Any) -> None:
        code = frame.f_code
        if code.co_flags & (inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR) and within(code.co_filename):
            seen.add(code)

    sys.setprofile(note)
    try:
        yield seen
    finally:
        sys.setprofile(None)


def is_awaited(code: CodeType) -> bool:
    """Whether some code is that of a comprehension with awaits."""
    return code.co_name in ("<listcomp>", "<setcomp>", "<dictcomp>") and bool(code.co_flags & inspect.CO_COROUTINE)


def bare_awaits(code: CodeType) -> int:
    """How many awaits of a function have no points: Python's own instructions for it, less those that POINTS serve.

    A comprehension with awaits is a function that is itself awaited; its own awaits have points.
    """
    plain, entries = -sum(isinstance(constant, CodeType) and is_awaited(constant) for constant in code.co_consts), 0
    for instruction in dis.get_instructions(code):
        if instruction.opname == "GET_AWAITABLE":
            plain += instruction.arg == 0
            entries += instruction.arg == 1
        elif instruction.opname == "LOAD_GLOBAL":
            plain -= instruction.argval == "__reach__"
            entries -= instruction.argval == "__manager__"
    return plain + entries
