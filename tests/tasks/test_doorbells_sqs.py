"""Doorbells, and queues of jobs, over Amazon SQS, spoken with moto's server."""

from __future__ import annotations

import asyncio
import functools
import itertools
from collections.abc import AsyncIterator

import pytest
from aiobotocore.session import get_session

from craton.errors import SettingsError
from craton.tasks.doorbell import Redriven, doorbell_at
from craton.tasks.doorbells import sqs_ear
from craton.tasks.doorbells.sqs import SQS
from tests.messages.cable import Cable
from tests.sqs import Server
from tests.tasks.conformance.doorbells import DoorbellConformance, event, events, hear, hear_all, patience, rung, silent
from tests.tasks.conformance.queues import RungQueueConformance, queue

__all__ = ["patience", "queue"]
NUMBERS = itertools.count()


one_session = functools.cache(get_session)
"""It takes half a second to read what it knows of all of AWS; programs read it once."""


class Place:
    """A server that is reached by a cable."""

    def __init__(self, cable: Cable) -> None:
        self.cable = cable
        self.application, self.database = f"bell{next(NUMBERS)}", None
        self.broker = self.url = f"sqs://eu-central-1/{self.application}"

    async def away(self) -> None:
        """Pull it out."""
        await self.cable.pull()

    async def again(self) -> None:
        """Put it in."""
        await self.cable.plug()

    async def delete(self, queue: str) -> None:
        """As an operator does."""
        async with SQS(self.url, self.application) as sqs:
            await sqs.client.delete_queue(QueueUrl=await sqs.address(queue))


@pytest.fixture
async def place(sqs: Server, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Place]:
    """Somewhere new."""
    monkeypatch.setattr(sqs_ear, "LONGEST_PAUSE", 0.3)
    monkeypatch.setattr(sqs_ear, "LONG_POLL", 2)
    monkeypatch.setattr("craton.tasks.doorbells.sqs.get_session", one_session)
    async with Cable(sqs.port) as cable:
        for name, value in (sqs.environ | {"AWS_ENDPOINT_URL_SQS": f"http://127.0.0.1:{cable.port}"}).items():
            monkeypatch.setenv(name, value)
        yield Place(cable)


@pytest.fixture
def short_sighted(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is held is hidden for two seconds, instead of thirty."""
    monkeypatch.setattr(sqs_ear, "VISIBILITY", 2)
    monkeypatch.setattr(sqs_ear, "PROLONGED_EVERY", 0.6)


class TestSQS(DoorbellConformance):
    """What every doorbell does."""

    async def test_what_is_held_stays_hidden_however_long_also_before_it_is_asked_for(
        self, place: Place, short_sighted: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async with SQS(place.url, place.application) as one, SQS(place.url, place.application) as other:
            await one.ring("q", events(2))
            busy = one.listen(["q"], 2)
            monkeypatch.setattr("craton.tasks.doorbells.arrivals.PATIENCE", 60)
            (first,) = await hear(busy, 1)
            assert await silent(other.listen(["q"], 2), seconds=4)
            await first.ack()
            assert await hear_all(busy, 1) == [one for one in events(2) if one != first.event]

    async def test_what_a_killed_worker_held_is_heard_when_its_time_is_up(
        self, place: Place, short_sighted: None
    ) -> None:
        async with SQS(place.url, place.application) as killed, SQS(place.url, place.application) as other:
            await killed.ring("q", events(1))
            ear = killed.listen(["q"], 1)
            await hear(ear, 1)
            await sqs_ear.cancel([*ear.polls, *ear.duties])
            ear.held.clear()
            assert await hear_all(other.listen(["q"], 1), 1) == events(1)

    async def test_batches_that_are_too_large_together_are_sent_apart(self, place: Place) -> None:
        async with SQS(place.url, place.application) as bell:
            large = [event(number, data="x" * 200_000) for number in range(4)]
            await bell.ring("q", large)
            assert await hear_all(bell.listen(["q"], 10), 4) == large

    async def test_what_came_too_often_lies_with_the_dead_letters(
        self, place: Place, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("craton.tasks.doorbells.sqs.DELIVERIES", 3)
        async with SQS(place.url, place.application) as bell:
            await bell.ring("q", events(1))
            listening = bell.listen(["q"], 1)
            for _ in range(3):
                (held,) = await hear(listening, 1)
                await held.back()
            assert await silent(listening)
            assert await bell.redrive() == Redriven(moved=1, stayed=0)
            assert await hear_all(listening, 1) == events(1)

    async def test_a_letter_that_nobody_can_read_stays_with_the_dead_letters(self, place: Place) -> None:
        async with SQS(place.url, place.application) as bell:
            await bell.bury("nonsense")
            assert await bell.redrive() == Redriven(moved=0, stayed=1)

    async def test_a_server_that_comes_back_with_nothing_is_furnished_anew(self, place: Place, sqs: Server) -> None:
        async with SQS(place.url, place.application) as bell:
            listening = bell.listen(["q"], 1)
            await bell.ring("q", events(1))
            assert await hear_all(listening, 1) == events(1)
            hearing = asyncio.create_task(hear_all(listening, 1, seconds=60))
            await asyncio.to_thread(sqs.stop)
            await asyncio.to_thread(sqs.start)
            await rung(bell, "q", [event(2)])
            assert await hearing == [event(2)]


class TestQueue(RungQueueConformance):
    """What every queue of jobs does."""


@pytest.mark.parametrize("url", ["sqs://", "sqs:///video", "sqs://eu-central-1/video/more", "redis://localhost"])
def test_another_address_is_refused_with_what_to_give(url: str) -> None:
    with pytest.raises(SettingsError, match="sqs://REGION/PREFIX"):
        doorbell_at(url, application="video")
