"""A contract with every kind of type that may cross, and every kind of method that clients outside may call."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Annotated, Generic, Literal, NewType, Protocol, TypeVar
from uuid import UUID

from msgspec import Meta

from craton import Event, Fault, Secret, Value, command, on, query

T = TypeVar("T")
Room = NewType("Room", str)
Limit = Annotated[int, Meta(ge=1, le=50)]
Title = Annotated[str, Meta(min_length=1, max_length=80)]


class Style(Enum):
    """How it was painted."""

    OIL = "oil"
    INK = "ink"


class Frame(Value, tag=True):
    """Wood all around."""

    wood: str


class Glass(Value, tag=True):
    """A pane in front."""

    thickness: float


class Price(Value):
    """What it costs, exactly."""

    amount: Decimal
    currency: Literal["EUR", "USD"] = "EUR"


class Painting(Value):
    """Everything there is to know of a painting."""

    id: UUID
    title: Title
    price: Price
    style: Style
    painted: date
    hung: datetime | None
    size: tuple[int, float]
    mount: Frame | Glass | None = None
    tags: frozenset[str] = frozenset()
    image: bytes = b""
    rating: float = 0.5
    sold: bool = False
    room: Room = Room("cellar")
    dries_in: timedelta = timedelta(days=3)
    shown_from: time = time(9)
    history: tuple[tuple[str, int], ...] = ()
    notes: tuple[str | None, ...] = ()
    layers: tuple[tuple[Style, ...], ...] = ()
    remarks: tuple[str, ...] | None = None
    looked_at: tuple[int, ...] = (1,)
    kept_in: Literal["attic", "cellar-2", "-"] | None = None
    rank: Literal[1, 2] = 1
    label: int | str | tuple[int, ...] | None = None
    copies: tuple[Painting, ...] = ()


class Page(Value, Generic[T]):
    """Some of many."""

    items: tuple[T, ...]
    more: bool = False


class Taken(Fault, status=409):
    """Somebody else has bought it."""

    painting: str
    buyer: str = "somebody"


class Unknown(Fault, status=404):
    """There is no such painting."""


class Sold(Event, key="title"):
    """A painting has a new owner."""

    title: str


class Paintings(Protocol):
    """What hangs on the walls."""

    @query(post="/paintings/echo", allow="anyone")
    async def echo(self, painting: Painting) -> Painting:
        """The same painting."""
        ...

    @query(get="/paintings/page", allow="anyone", raises=Unknown)
    async def page(self, limit: Limit = 3) -> Page[Price]:
        """Some prices."""
        ...

    @query(get="/paintings/find", allow="anyone")
    async def find(self, title: str) -> Painting | None:
        """The painting of this title."""
        ...

    @query(get="/paintings/seen", allow="anyone")
    async def seen(self, title: str | None = None) -> tuple[str, ...]:
        """Who looked at it: nobody who may be named."""
        ...

    @query(get="/paintings/nothing", allow="anyone")
    async def nothing(self) -> None:
        """No answer."""
        ...

    @query(get="/paintings/wait", allow="anyone")
    async def wait(self) -> int:
        """An answer when the door is opened."""
        ...

    @query(get="/paintings/prices", allow="anyone", raises=Taken)
    def prices(self, count: int, broken_at: int = -1, digits: int = 1) -> AsyncIterator[Price]:
        """So many prices, one by one; it breaks off at one of them, where that is wanted."""
        ...

    @query(get="/paintings/me")
    async def me(self) -> str:
        """Who asks."""
        ...

    @query(post="/paintings/open", allow="anyone", sign_in=True)
    async def sign_in(self, password: Secret) -> str:
        """Open to those who know the word."""
        ...

    @command(post="/paintings/buy", raises=Taken)
    async def buy(self, title: str) -> int:
        """How many were bought by now; "sold" is taken."""
        ...

    @command(post="/paintings/slowly", allow="anyone")
    async def slowly(self, title: str) -> int:
        """The same, when the door is opened."""
        ...

    @command(post="/paintings/burn", allow="admin")
    async def burn(self, title: str) -> None:
        """For administrators."""
        ...

    @command
    async def move(self, title: str, room: Room) -> None:
        """For services of the application."""
        ...

    @query
    async def scan(self, size: int) -> bytes:
        """So many bytes."""
        ...

    @query(get="/paintings/broken", allow="anyone")
    async def broken(self) -> int:
        """A bug."""
        ...


class Visitors(Protocol):
    """Who comes to look, and hears what is sold."""

    @query(get="/visitors/look", allow="anyone")
    async def look(self, title: str) -> tuple[str, ...]:
        """What the other module says of a painting."""
        ...

    @query(get="/visitors/total", allow="anyone", raises=Taken)
    async def total(self, count: int, broken_at: int = -1) -> int:
        """The sum of a stream of the other module."""
        ...

    @query(get="/visitors/wait", allow="anyone")
    async def wait(self) -> int:
        """An answer that never comes."""
        ...

    @query(get="/visitors/heard", allow="anyone")
    async def heard(self) -> tuple[str, ...]:
        """What was sold."""
        ...

    @on(Sold)
    async def hear(self, event: Sold) -> None:
        """Something was sold."""
        ...
