"""Scaling tells what more processors, and more processes, buy."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import pytest

from craton.lab.compare.results import Estimate
from craton.lab.compare.scaling import by_cores, by_processes, counts
from craton.lab.compare.stand import Stand
from tests.lab.compare.little import LittleSide, Service, open_little, visiting


async def seek(stand: Stand) -> Estimate:
    """What it gets through when there is always somebody who waits: of a queue, that is the most that it can do."""
    assert isinstance(stand, LittleSide)
    async with visiting(stand) as driver:
        rate = (await driver.closed(visitors=20, seconds=1.5, warmup=0.5, think=(0, 0))).throughput
    return Estimate(mean=rate, low=rate, high=rate, rounds=(rate,))


async def test_twice_the_processors_do_twice_as_much_where_nothing_else_is_in_the_way() -> None:
    async with open_little(LittleSide(front=Service(1, 0.025))) as side:
        one, two = await by_cores(side, seek, cores=(0, 1))
        assert side.cores == (0, 1)
    assert (one.what, one.cores, two.what, two.cores) == ("1 core", 1, "2 cores", 2)
    assert two.capacity.mean > 1.4 * one.capacity.mean
    assert one.per_core == one.capacity.mean and two.per_core == two.capacity.mean / 2


async def test_all_processors_may_be_used_again_even_where_the_search_fails() -> None:
    async def fail(stand: Stand) -> Estimate:
        raise RuntimeError

    async with open_little(LittleSide()) as side:
        with pytest.raises(RuntimeError):
            await by_cores(side, fail, cores=(0, 1, 2))
        assert side.cores == (0, 1, 2)


async def test_doubling_the_bottleneck_buys_as_much_as_doubling_everything_and_doubling_another_nothing() -> None:
    @asynccontextmanager
    async def opening(replicas: Mapping[str, int]) -> AsyncIterator[Stand]:
        many = replicas.get("front", replicas.get("*", 1))
        async with open_little(LittleSide(front=Service(many, 0.025))) as side:
            yield side

    found = await by_processes(opening, seek, ["front", "hints"], cores=2)
    plain, front, hints, everything = (scaled.capacity.mean for scaled in found)
    assert [scaled.what for scaled in found] == ["as it is", "front doubled", "hints doubled", "everything doubled"]
    assert front > 1.4 * plain and everything > 1.4 * plain and hints < 1.4 * plain


def test_processors_are_tried_by_doubling_and_all_of_them() -> None:
    assert [counts(most) for most in (1, 2, 3, 6, 8)] == [[1], [1, 2], [1, 2, 3], [1, 2, 4, 6], [1, 2, 4, 8]]
