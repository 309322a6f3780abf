"""A small application with versions, pages and a sign-in, run for real, in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Protocol

import httpx

from craton import Application, Caller, Fault, Module, Page, Secret, Tokens, Value, Version, command, query
from craton.testing.start import SECRET, start


class Book(Value):
    """A book."""

    isbn: str
    title: str
    version: Version


class Stale(Fault, status=412):
    """The book was changed meanwhile."""

    version: int


class NoSuchBook(Fault, status=404):
    """There is no such book."""


class WrongPassword(Fault, status=401):
    """It is another one."""


class Ticket(Value):
    """What a sign-in gives."""

    token: Secret


class Books(Protocol):
    """Books."""

    @query(get="/books/{isbn}", allow="anyone", raises=NoSuchBook)
    async def book(self, isbn: str) -> Book: ...

    @query(get="/books", allow="anyone")
    async def books(self, limit: int = 2, cursor: str | None = None) -> Page[Book]: ...

    @command(put="/books/{isbn}", allow="anyone", raises=(NoSuchBook, Stale))
    async def rename(self, isbn: str, title: str, seen: Version) -> Book: ...

    @command(delete="/books/{isbn}", allow="anyone", raises=(NoSuchBook, Stale))
    async def remove(self, isbn: str, seen: Version | None = None) -> None: ...

    @command(post="/tickets", allow="anyone", raises=WrongPassword, keyed=False, sign_in=True)
    async def sign_in(self, password: Secret) -> Ticket: ...


class Shelf(Books):
    """Books in memory."""

    def __init__(self) -> None:
        self.kept = {f"{n}": Book(f"{n}", f"Book {n}", 1) for n in range(1, 6)}

    async def book(self, isbn: str) -> Book:
        if isbn not in self.kept:
            raise NoSuchBook
        return self.kept[isbn]

    async def books(self, limit: int = 2, cursor: str | None = None) -> Page[Book]:
        rest = [book for isbn, book in sorted(self.kept.items()) if isbn > (cursor or "")]
        return Page(tuple(rest[:limit]), rest[limit - 1].isbn if len(rest) > limit else None)

    async def rename(self, isbn: str, title: str, seen: Version) -> Book:
        book = await self.book(isbn)
        if book.version != seen:
            raise Stale(book.version)
        self.kept[isbn] = Book(isbn, title, seen + 1)
        return self.kept[isbn]

    async def remove(self, isbn: str, seen: Version | None = None) -> None:
        book = await self.book(isbn)
        if seen is not None and book.version != seen:
            raise Stale(book.version)
        del self.kept[isbn]

    async def sign_in(self, password: Secret) -> Ticket:
        if password.reveal() != "open sesame":
            raise WrongPassword
        return Ticket(Secret("a ticket"))


library = Application("library", [Module("books", Books, "tests.edge.books:Shelf")])
TOKENS = Tokens(SECRET, "library")
ANN = Caller("user:ann", frozenset({"user"}))


@asynccontextmanager
async def client(address: str = "192.0.2.1", **environ: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the library, from some address; each repetition of a command is a new request."""
    async with start(library, environ=environ) as running:
        transport = httpx.ASGITransport(running.edge, client=(address, 1234))
        async with httpx.AsyncClient(transport=transport, base_url="http://edge") as http:
            yield http


def key(text: Any) -> dict[str, str]:
    """A header."""
    return {"Idempotency-Key": f'"{text}"'}
