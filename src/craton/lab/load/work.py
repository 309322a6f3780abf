"""What a load generator is told, and what it says, as lines of JSON."""

from __future__ import annotations

import msgspec

from craton.lab.load.figures import Load, Stage


class Opening(msgspec.Struct, frozen=True, kw_only=True):
    """The first line: a scenario's import path, where visitors go, seconds in which an answer must be there, the
    certificate to believe there, and the processors that the generator may use (none: all)."""

    scenario: str
    url: str
    limit: float = 10.0
    authority: str | None = None
    cores: tuple[int, ...] = ()


class Open(msgspec.Struct, frozen=True, kw_only=True, tag="open"):
    """Visitors arrive at the rates of these stages, which follow each other; the warm-up has the first one's rate. One
    Load for each stage."""

    stages: tuple[Stage, ...]
    warmup: float = 0.0
    seed: int = 0


class Closed(msgspec.Struct, frozen=True, kw_only=True, tag="closed"):
    """So many visitors, who think so long between two actions (None: as the scenario says)."""

    visitors: int
    seconds: float
    warmup: float = 0.0
    seed: int = 0
    think: tuple[float, float] | None = None


Work = Open | Closed


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to each line; `problem` is why there is none."""

    loads: tuple[Load, ...] = ()
    problem: str = ""
