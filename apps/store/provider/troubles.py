"""What goes wrong on purpose: drawn by chance from a seed, or asked for one by one."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any, cast, get_args

from apps.store.provider.cards import Operation, Trouble


@dataclass(slots=True)
class Plan:
    """How often each trouble befalls a request (0 to 1), and how long it lasts (in seconds).

    `duplicate`, `reorder`: how often a webhook is sent twice, or late; `backoff`: the longest pause before one is tried
    again. `next`: what will befall the next requests of these operations, whatever the rates say.
    """

    seed: int = 0
    rates: dict[Trouble, float] = field(default_factory=dict)
    duplicate: float = 0.0
    reorder: float = 0.0
    withhold: float = 30.0
    delay: float = 0.5
    backoff: float = 60.0
    next: list[tuple[Operation, Trouble]] = field(default_factory=list)
    chance: random.Random = field(default_factory=lambda: random.Random(0))

    def change(self, given: dict[str, Any]) -> None:
        """Take new values. ValueError where there is no such setting, or no such trouble."""
        for name, value in given.items():
            if name == "seed":
                self.seed, self.chance = int(value), random.Random(int(value))
            elif name == "rates":
                self.rates = {trouble_of(trouble): float(rate) for trouble, rate in value.items()}
            elif name == "next":
                self.next = [(operation, trouble_of(trouble)) for operation, trouble in value]
            elif name in ("duplicate", "reorder", "withhold", "delay", "backoff"):
                setattr(self, name, float(value))
            else:
                raise ValueError(f"there is no {name}: there are {', '.join(self.shown())}")

    def shown(self) -> dict[str, Any]:
        """The plan, as it is answered."""
        names = ("seed", "rates", "duplicate", "reorder", "withhold", "delay", "backoff", "next")
        return {name: getattr(self, name) for name in names}

    def draw(self, operation: Operation) -> Trouble | None:
        """What befalls a request of this operation."""
        for index, (wanted, trouble) in enumerate(self.next):
            if wanted == operation:
                del self.next[index]
                return trouble
        drawn = self.chance.random()
        for trouble, rate in self.rates.items():
            if drawn < rate:
                return trouble
            drawn -= rate
        return None


def trouble_of(name: str) -> Trouble:
    """A trouble by its name."""
    if name not in get_args(Trouble):
        raise ValueError(f"there is no trouble {name}: there are {', '.join(get_args(Trouble))}")
    return cast(Trouble, name)
