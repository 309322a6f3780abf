"""Crashes of a controller at every await and every commit of a job's life: it ends once, and is told of once."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from unittest.mock import patch

import pytest

from craton.data.store import Unit, transact
from craton.tasks.ends import Ends, Told
from craton.tasks.tending import Tending
from tests.crash.darkroom import make_studio, run
from tests.crash.points import crash_points
from tests.crash.stage import Stage, instrumented, sample
from tests.crash.world import Plan

STRIDES = [pytest.param(4, id="some"), pytest.param(1, id="every moment", marks=pytest.mark.chaos)]


@pytest.fixture(scope="module")
def darkroom(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """The studio, with crash points around all its awaits."""
    made = make_studio(tmp_path_factory.mktemp("studio"))
    with crash_points(instrumented("tests.tasks.studio.")):
        gc.freeze()
        yield made
        gc.unfreeze()


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("stride", STRIDES)
def test_a_crash_at_any_point_of_a_job_changes_nothing(darkroom: Stage, stride: int) -> None:
    clean = run(darkroom)
    numbers = sample(clean, stride)
    for number in numbers:
        points = run(darkroom, Plan(frozenset({number})))
        assert points[:number] == clean[:number], "another point was crashed at"
    print(f"{len(clean)} points, {len(numbers)} runs")


TELL = Ends.tell


async def tell_later(self: Ends, unit: Unit, told: Told) -> None:
    """What a job leads to is stored in a transaction of its own, after it has ended."""
    loop, tasks = asyncio.get_running_loop(), list[asyncio.Task[None]]()

    def begin() -> None:
        later = transact(unit.store, self.module, lambda later: TELL(self, later, told))
        tasks.append(loop.create_task(later))

    unit.after.add(begin)


async def look_away(self: Tending) -> int:
    """Nobody looks for workers that are silent."""
    return 0


MUTANTS: Mapping[str, tuple[Callable[[], Any], str]] = {
    "events are stored after the job has ended": (lambda: patch.object(Ends, "tell", tell_later), "tasks.reports"),
    "jobs stay with workers that are silent": (lambda: patch.object(Tending, "reap", look_away), "tasks.claims"),
}
"""Bugs, and where a crash shows them."""


@pytest.mark.parametrize("name", MUTANTS)
def test_the_sweep_finds(darkroom: Stage, name: str) -> None:
    clean = run(darkroom)
    bug, place = MUTANTS[name]
    found = [number for number, point in enumerate(clean, 1) if f"after craton.{place}" in point.place]
    with bug():
        assert turns_red(darkroom, found)
    assert not turns_red(darkroom, found[:3])


def turns_red(darkroom: Stage, numbers: list[int]) -> bool:
    """Whether any of these crashes, or none at all, leaves something wrong."""
    for number in numbers:
        try:
            run(darkroom, Plan(frozenset({number})))
        except (AssertionError, TimeoutError):
            return True
    return False
