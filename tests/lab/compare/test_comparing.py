"""A comparison of little sides, from end to end: all are up, each is measured alone, and what fails is told."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from craton.errors import CratonError
from craton.lab.compare.capacity import Climb, Found
from craton.lab.compare.comparing import Comparing
from craton.lab.compare.progress import Progress
from craton.lab.compare.report.page import page
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

    def names(self) -> list[str]:
        """No file tells of them."""
        return [side.name for side in self.little]

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


async def test_searches_take_turns_and_a_later_one_begins_below_what_was_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun: list[float] = []

    async def found_at_once(climb: Climb) -> Found:
        begun.append(climb.search.first)
        return Found(rate=200.0, steps=(), cores=1.0, lag=0.0)

    monkeypatch.setattr(Climb, "run", found_at_once)
    found, told = await compared(wanted(Quiet("one"), Quiet("other"), phases=("capacity",)))
    assert [line.split(":")[1].strip() for line in told.splitlines() if line.startswith("capacity")] == [
        "one", "other", "other", "one",
    ]
    assert begun == [50.0, 50.0, 140.0, 140.0]
    assert [side.capacity.rate.rounds for side in found.sides if side.capacity] == [(200.0, 200.0)] * 2


async def test_a_side_of_which_too_much_is_asked_is_told_to_be_overloaded() -> None:
    found, _ = await compared(wanted(Quiet("fast"), Quiet("slow", front=Service(1, 0.05))))  # 50/s asked, 20/s done
    assert [side.steady.overloaded for side in found.sides if side.steady] == [False, True]
    assert found.verdict.reasons[0].startswith("slow could not do 50 actions a second")


async def test_a_rate_that_rises_is_shown_second_by_second() -> None:
    found, told = await compared(replace(wanted(Quiet("one")), seconds=4.0, ramp=200.0))
    [side] = found.sides
    assert side.steady
    asked = [asked for _, asked, _, _ in side.steady.course]
    assert len(asked) == 4 and asked[-1] > 2 * asked[0]
    assert "50 to 200 actions a second" in told and "one: as the rate rises" in text(found)
    assert "As more visitors come" in page(found)


async def test_a_fixed_number_of_visitors_asks_a_slow_side_for_less() -> None:
    sides = Quiet("fast"), Quiet("slow", front=Service(1, 0.05))
    found, _ = await compared(replace(wanted(*sides), visitors=10))
    fast, slow = (side.steady for side in found.sides)
    assert fast and slow and not slow.overloaded
    assert slow.rate < 40 < fast.rate  # the slow one does 20 a second, and 10 wait when the round ends
    assert found.method.arrivals.startswith("Closed loop") and found.method.traffic == "10 visitors"


async def test_a_phase_that_fails_is_told_and_the_others_are_reported() -> None:
    what = wanted(Quiet("one"), Quiet("other"), phases=("start", "steady", "isolation"))
    found, told = await compared(what)
    said = "isolation of one failed: CratonError: front cannot be killed"
    assert said in told
    assert any(said in note for note in found.method.notes)
    assert all(side.steady and not side.isolation for side in found.sides)


class Stopping(io.StringIO):
    """Somebody who watches, and presses Ctrl-C at a line."""

    def __init__(self, line: str) -> None:
        super().__init__()
        self.line, self.task = line, asyncio.current_task()

    def write(self, text: str) -> int:
        """A line."""
        if text.startswith(self.line) and self.task:
            self.task.cancel()
        return super().write(text)


@pytest.mark.parametrize(("line", "rounds"), [
    ("steady: one: round 1", 0), ("steady: one: round 2", 1), ("isolation: one", 2),
])
async def test_who_stops_it_gets_what_was_found_of_all_sides_until_then(line: str, rounds: int) -> None:
    what = wanted(Quiet("one"), Quiet("other"), phases=("start", "steady", "isolation"))
    comparing = Comparing(what, Progress(Stopping(line)))
    found = await comparing.run()
    assert comparing.stopped and found.method.notes[-1].startswith("Stopped before its end")
    assert [len(side.steady.cpu.rounds) if side.steady else 0 for side in found.sides] == [rounds, rounds]
    assert all(len(ratio.times.rounds) in (1, rounds) for ratio in found.ratios)
    assert "Stopped before its end" in text(found) and "Stopped before its end" in page(found)
    assert what.opened == ["one up", "other up", "other down", "one down"]


async def test_who_stops_it_before_anything_is_measured_gets_nothing() -> None:
    what = wanted(Quiet("one"), Quiet("other"))
    with pytest.raises(asyncio.CancelledError):
        await Comparing(what, Progress(Stopping("answers"))).run()
    assert what.opened == ["one up", "other up", "other down", "one down"]


async def test_sides_go_down_in_reverse_whatever_happens() -> None:
    what = wanted(Quiet("one"), Quiet("other", hints=Service(0, 1.0)))
    with pytest.raises(CratonError, match="not answered the same"):
        await compared(what)
    assert what.opened == ["one up", "other up", "other down", "one down"]


async def test_sides_that_differ_are_compared_where_that_is_wanted_and_it_is_noted() -> None:
    found, _ = await compared(wanted(Quiet("one"), Quiet("other", hints=Service(0, 1.0)), different=True))
    assert any("--different" in note for note in found.method.notes)
