"""A scenario: what visitors of an application do, and how often each thing, as plain async code over an HTTP client.

    async def product(visitor: Visitor) -> None:
        await visitor.get(f"/product/{visitor.chance.choice(PRODUCTS)}")

    shopping = Scenario("shopping", {index: 1, product: 10, checkout: 1}, think=(1, 10))
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol


class Response(Protocol):
    """What came back, read to its end."""

    status: int
    headers: Mapping[str, str]
    """By names in small letters; of several with one name, the last."""
    body: bytes

    @property
    def text(self) -> str:
        """The body as UTF-8."""
        ...

    def json(self) -> Any:
        """The body as JSON."""
        ...


class Visitor(Protocol):
    """One visitor: a browser with its own cookies, and a memory that actions may use as they like.

    A request fails, and with it the action, where no whole response comes within the time limit, or one whose status is
    not in `expect`. Redirects are not followed.
    """

    memory: dict[str, Any]
    chance: random.Random
    """The same choices each time for the same seed, in every structure."""

    async def get(self, path: str, *, expect: tuple[int, ...] = (200,), headers: Mapping[str, str] = {}) -> Response:
        """Ask for a page."""
        ...

    async def post(
        self, path: str, *, form: Mapping[str, str] | None = None, json: object = None,
        expect: tuple[int, ...] = (200, 201, 204, 303), headers: Mapping[str, str] = {},
    ) -> Response:
        """Send a form, or JSON."""
        ...


Action = Callable[[Visitor], Awaitable[None]]
"""One thing that a visitor does: mostly one request. Its function's name is what it is called in figures."""


@dataclass(frozen=True)
class Scenario:
    """What visitors do: each action has a weight. `arrive` is done once by each visitor before anything else, and is
    not measured. `think`: the least and the most seconds between two actions of one visitor, where visitors are a fixed
    number (closed loop); where they arrive by themselves (open loop) the rate says when the next thing happens.
    `settings` are environment variables that every side is given, such as first stock that lasts for long.
    """

    name: str
    mix: Mapping[Action, float]
    think: tuple[float, float] = (1.0, 10.0)
    arrive: Action | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    names: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", tuple(action.__name__ for action in self.mix))
        if not self.mix or any(weight <= 0 for weight in self.mix.values()):
            raise ValueError(f"scenario {self.name}: give each action a weight above 0, and at least one action.")
        if len(set(self.names)) < len(self.names):
            raise ValueError(f"scenario {self.name}: two actions have the same name.")
