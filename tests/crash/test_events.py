"""Crashes, and messages that go astray, while a town's newspapers are printed, filed, counted and talked about."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import pytest

from craton.run.post import EVENTS
from tests.crash import mutants
from tests.crash.points import crash_points
from tests.crash.stage import Stage, instrumented, moments, sample
from tests.crash.town import STRUCTURES, make_town, run
from tests.crash.world import Plan

FATES = ["lost", "mute", "late", "twice"]
EVERY = {(f"{module}.{EVENTS.name}", n): "twice" for module in ("library", "cafe") for n in range(1, 20)}
STRIDES = [pytest.param(25, id="some"), pytest.param(1, id="every moment", marks=pytest.mark.chaos)]


@dataclass(frozen=True)
class Sweep:
    """Crashes at all moments, with some fates."""

    structure: str = "microservices"
    fates: Mapping[tuple[str, int], str] = field(default_factory=dict)


FOUND_BY = {
    "a message is confirmed before it is committed": Sweep(),
    "an event is marked as sent before it is confirmed": Sweep(),
    "events are found by their numbers instead of their status": Sweep(fates={(f"cafe.{EVENTS.name}", 1): "lost"}),
    "the inbox knows a message by its id alone": Sweep(),
    "nobody remembers what was applied": Sweep(),
    "the inbox row is not in the handler's transaction": Sweep(),
}


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """The town, with crash points around all its awaits."""
    stage = make_town(tmp_path_factory.mktemp("town"))
    with crash_points([*instrumented("tests.crash.town."), mutants]):
        yield stage


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("stride", STRIDES)
@pytest.mark.parametrize("structure", STRUCTURES)
def test_a_crash_at_any_point_loses_no_event_and_doubles_none(town: Stage, structure: str, stride: int) -> None:
    clean = run(town, structure)
    numbers = sample(clean.points, stride)
    for number in numbers:
        assert run(town, structure, Plan(frozenset({number}))).state == clean.state, clean.points[number - 1]
    print(f"{structure}: {len(clean.points)} points, {len(numbers)} runs")


@pytest.mark.parametrize("fate", FATES)
@pytest.mark.parametrize("module", ["library", "cafe"])
def test_events_that_go_astray_come_in_the_end_and_are_applied_once(town: Stage, module: str, fate: str) -> None:
    clean = run(town, "microservices")
    sent = clean.requests[f"{module}.{EVENTS.name}"]
    assert sent >= 3
    for number in range(1, sent + 1):
        assert run(town, "microservices", Plan(fates={(f"{module}.{EVENTS.name}", number): fate})).state == clean.state
    killed = run(town, "microservices", Plan(fates={(f"{module}.{EVENTS.name}", 2): fate}))
    for number in sample(killed.points, 160):
        fates = {(f"{module}.{EVENTS.name}", 2): fate}
        assert run(town, "microservices", Plan(frozenset({number}), fates)).state == clean.state


def test_events_that_always_come_twice_are_applied_once(town: Stage) -> None:
    assert run(town, "microservices", Plan(fates=EVERY)).state == run(town, "microservices").state


def turns_red(town: Stage, sweep: Sweep, numbers: list[int]) -> bool:
    """Whether any of these crashes, or none at all, leaves something wrong."""
    for kills in [frozenset[int](), *(frozenset({number}) for number in numbers)]:
        try:
            run(town, sweep.structure, Plan(kills, sweep.fates))
        except AssertionError:
            return True
    return False


@pytest.mark.parametrize("name", mutants.OF_EVENTS)
def test_the_sweep_finds(town: Stage, name: str) -> None:
    sweep = FOUND_BY[name]
    clean = run(town, sweep.structure, Plan(fates=sweep.fates))
    numbers = sorted(moments(clean.points), key=lambda number: abs(number - len(clean.points) // 2))
    with mutants.OF_EVENTS[name]():
        assert turns_red(town, sweep, numbers)
    assert not turns_red(town, sweep, numbers[:5])
