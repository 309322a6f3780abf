"""A comparison of little sides, from end to end: all are up, each is measured alone, and what fails is told."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from craton.errors import CratonError
from craton.lab.compare.comparing import Comparing
from craton.lab.compare.progress import Progress
from craton.lab.compare.results import Comparison
from craton.lab.compare.stand import OpenStand, PartNow, Stand, Trouble
from craton.lab.compare.text import text
from craton.lab.compare.wanted import Phase, Wanted
from tests.lab.compare.little import LittleSide, Service, open_little, walk


class Quiet(LittleSide):
    """A side without processes of its own, which cannot be in trouble."""

    ours = False

    def __init__(self, name: str, **services: Service) -> None:
        super().__init__(again=0.0, **services)
        self.name = name

    def parts(self) -> Sequence[PartNow]:
        """One that has no process, so that nobody stops these tests."""
        return [PartNow("front", "service", ())]

    @asynccontextmanager
    async def trouble(self, service: str, kind: Trouble) -> AsyncIterator[None]:
        """Refuse."""
        if service in self.all:
            raise CratonError(f"{service} cannot be {kind}")
        yield


@dataclass(frozen=True, kw_only=True)
class Little(Wanted):
    """What is wanted of little sides."""

    little: tuple[LittleSide, ...] = ()
    opened: list[str] = field(default_factory=list)

    def sides(self) -> list[tuple[str, OpenStand]]:
        """They are in this process."""
        return [(side.name, lambda side=side: self.up(side)) for side in self.little]  # type: ignore[misc]

    @asynccontextmanager
    async def up(self, side: LittleSide) -> AsyncIterator[Stand]:
        """One side, and the notes that it came and went."""
        async with open_little(side) as stand:
            self.opened.append(f"{side.name} up")
            try:
                yield stand
            finally:
                self.opened.append(f"{side.name} down")


def wanted(*sides: LittleSide, phases: tuple[Phase, ...] = ("start", "steady"), different: bool = False) -> Little:
    """A short comparison."""
    return Little(
        package="little", topologies=(), beside=(Path("little"),), scenario=walk, place="tests.lab.compare.little:walk",
        phases=phases, rounds=2, seconds=1.0, warmup=0.2, rate=50.0, little=sides, different=different,
    )


async def compared(what: Little) -> tuple[Comparison, str]:
    """What was found, and what was told meanwhile."""
    told = io.StringIO()
    return await Comparing(what, Progress(told)).run(), told.getvalue()


async def test_the_slower_side_is_found_to_be_slower_in_each_round() -> None:
    found, _ = await compared(wanted(Quiet("fast"), Quiet("slow", front=Service(1000, 0.05))))
    [median] = [ratio.times for ratio in found.ratios if ratio.figure == "p50"]
    assert all(times > 2 for times in median.rounds)
    assert [side.steady.latency[0].failed for side in found.sides if side.steady] == [0, 0]
    assert "latency p50" in text(found)


@pytest.mark.chaos
async def test_who_goes_first_changes_and_who_waits_is_told_how_long() -> None:
    _, told = await compared(wanted(Quiet("one"), Quiet("other")))
    rounds = [line.split(":")[1].strip() for line in told.splitlines() if line.startswith("steady")]
    assert rounds == ["one", "other", "other", "one"]
    assert "left)" in told


async def test_a_phase_that_fails_is_told_and_the_others_are_reported() -> None:
    what = wanted(Quiet("one"), Quiet("other"), phases=("start", "steady", "isolation"))
    found, told = await compared(what)
    said = "isolation of one failed: CratonError: front cannot be killed"
    assert said in told
    assert any(said in note for note in found.method.notes)
    assert all(side.steady and not side.isolation for side in found.sides)


async def test_sides_go_down_in_reverse_whatever_happens() -> None:
    what = wanted(Quiet("one"), Quiet("other", hints=Service(0, 1.0)))
    with pytest.raises(CratonError, match="not answered the same"):
        await compared(what)
    assert what.opened == ["one up", "other up", "other down", "one down"]


async def test_sides_that_differ_are_compared_where_that_is_wanted_and_it_is_noted() -> None:
    found, _ = await compared(wanted(Quiet("one"), Quiet("other", hints=Service(0, 1.0)), different=True))
    assert any("--different" in note for note in found.method.notes)
