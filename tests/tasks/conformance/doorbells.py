"""What every doorbell does, whatever broker it is at. A broker's own file of tests gives the place."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

import pytest

from craton.errors import NotRun
from craton.tasks.doorbell import LARGEST, Bell, Doorbell, Listening, Redriven, doorbell_at
from craton.tasks.doorbells import arrivals
from tests.until import until


class Place(Protocol):
    """Where a broker is, and an application that nobody has used there before."""

    url: str
    application: str

    async def away(self) -> None:
        """From now on nobody reaches the broker."""
        ...

    async def again(self) -> None:
        """Everybody does."""
        ...

    async def delete(self, queue: str) -> None:
        """An operator deletes a queue of jobs."""
        ...


def event(number: int, *, queue: str = "q", data: object = None, **more: object) -> bytes:
    """A requested event, as a controller rings it."""
    whole: dict[str, Any] = {
        "specversion": "1.0", "id": f"e-{number}", "source": "/test/work", "type": "test.work.do.requested.v1",
        "taskid": f"job-{number}", "taskname": "work.do", "taskmodule": "work", "taskqueue": queue, "taskpriority": 0,
        "datacontenttype": "application/json", "data": data, **more,
    }
    return json.dumps(whole, ensure_ascii=False).encode()


def events(count: int) -> list[bytes]:
    """Several."""
    return [event(number) for number in range(count)]


def complaints(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What Craton warned of."""
    ours = [one for one in caplog.records if one.name.startswith("craton")]
    return [one.getMessage() for one in ours if one.levelno >= logging.WARNING]


def opened(place: Place) -> AbstractAsyncContextManager[Doorbell]:
    """One process at the place."""
    return doorbell_at(place.url, application=place.application)


async def hear(listening: Listening, count: int, *, seconds: float = 15) -> list[Bell]:
    """The next so many."""
    async with asyncio.timeout(seconds):
        return [await anext(listening) for _ in range(count)]


async def hear_all(listening: Listening, count: int, *, seconds: float = 15) -> list[bytes]:
    """So many, each acknowledged when it comes; sorted."""
    heard: list[bytes] = []
    async with asyncio.timeout(seconds):
        while len(heard) < count:
            bells = [await anext(listening), *listening.more(10)]
            for bell in bells:
                await bell.ack()
            heard += [bell.event for bell in bells]
    return sorted(heard)


async def hear_until(listening: Listening, last: bytes) -> None:
    """Hear on until this one comes; acknowledgements may have been lost, so that others come again."""
    async with asyncio.timeout(40):
        async for bell in listening:
            await bell.ack()
            if bell.event == last:
                return


async def silent(listening: Listening, *, seconds: float = 0.7) -> bool:
    """Whether nothing rings for so long."""
    try:
        async with asyncio.timeout(seconds):
            await anext(listening)
    except TimeoutError:
        return True
    return False


async def rung(doorbell: Doorbell, queue: str, events: Sequence[bytes]) -> None:
    """Ring until it is confirmed, as controllers do."""
    async with asyncio.timeout(20):
        while True:
            with contextlib.suppress(NotRun):
                return await doorbell.ring(queue, events)
            await asyncio.sleep(0.1)


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits long."""
    monkeypatch.setattr(arrivals, "PATIENCE", 0.3)


class DoorbellConformance:
    """What every doorbell does."""

    async def test_what_is_rung_is_heard_with_the_same_bytes_and_once_acknowledged_never_again(
        self, place: Place
    ) -> None:
        async with opened(place) as bell:
            await bell.ring("q", events(3))
            listening = bell.listen(["q"], 5)
            assert await hear_all(listening, 3) == events(3)
            await listening.aclose()
        async with opened(place) as bell:
            assert await silent(bell.listen(["q"], 5))

    async def test_who_listened_before_anybody_rang_hears_it(self, place: Place) -> None:
        async with opened(place) as controller, opened(place) as worker:
            listening = worker.listen(["q"], 1)
            hearing = asyncio.create_task(hear_all(listening, 2))
            await asyncio.sleep(0.3)
            await controller.ring("q", events(2))
            assert await hearing == events(2)

    async def test_many_at_once_are_all_heard_by_one_worker_or_another(self, place: Place) -> None:
        many = events(120)
        async with opened(place) as controller, opened(place) as one, opened(place) as other:
            await controller.ring("q", many)
            heard: list[bytes] = []

            async def work(worker: Doorbell) -> None:
                async for bell in worker.listen(["q"], 10):
                    heard.append(bell.event)
                    await bell.ack()

            working = [asyncio.create_task(work(worker)) for worker in (one, other)]
            await until(lambda: set(heard) >= set(many), seconds=30)
            for task in working:
                task.cancel()

    async def test_each_listener_hears_its_own_queues(self, place: Place) -> None:
        async with opened(place) as bell:
            for queue in ("a", "b", "c"):
                await bell.ring(queue, [event(1, queue=queue)])
            listening = bell.listen(["a", "b"], 3)
            assert await hear_all(listening, 2) == [event(1, queue="a"), event(1, queue="b")]
            assert await silent(listening)

    async def test_what_is_given_back_another_hears(self, place: Place) -> None:
        async with opened(place) as bell:
            await bell.ring("q", events(1))
            one = bell.listen(["q"], 1)
            (held,) = await hear(one, 1)
            await one.aclose()
            await held.back()
            assert await hear_all(bell.listen(["q"], 1), 1) == events(1)

    async def test_what_a_worker_held_when_it_left_another_hears(self, place: Place) -> None:
        async with opened(place) as bell:
            await bell.ring("q", events(2))
            await hear(bell.listen(["q"], 2), 1)
        async with opened(place) as bell:
            assert await hear_all(bell.listen(["q"], 2), 2) == events(2)

    async def test_who_closed_its_ears_still_acknowledges_what_it_was_given(self, place: Place) -> None:
        async with opened(place) as bell:
            await bell.ring("q", events(1))
            listening = bell.listen(["q"], 1)
            (held,) = await hear(listening, 1)
            await listening.aclose()
            with pytest.raises(StopAsyncIteration):
                await anext(listening)
            await held.ack()
        async with opened(place) as bell:
            assert await silent(bell.listen(["q"], 1))

    async def test_a_worker_without_a_free_slot_leaves_what_came_to_others(self, place: Place) -> None:
        async with opened(place) as busy, opened(place) as idle:
            await busy.ring("q", events(4))
            (first,) = await hear(busy.listen(["q"], 4), 1)
            await first.ack()
            heard = await hear_all(idle.listen(["q"], 4), 3)
            assert sorted([first.event, *heard]) == events(4)

    async def test_a_worker_with_slots_free_again_hears_again(self, place: Place) -> None:
        async with opened(place) as bell:
            listening = bell.listen(["q"], 2)
            await bell.ring("q", events(3))
            assert len(await hear(listening, 1)) == 1
            await asyncio.sleep(3 * arrivals.PATIENCE)
            await hear(listening, 1)

    async def test_what_is_too_large_is_rung_without_its_data(self, place: Place) -> None:
        async with opened(place) as bell:
            await bell.ring("q", [event(1, data="x" * (LARGEST + 1), taskcheckpoint="{}"), event(2, data="y")])
            heard = [json.loads(one) for one in await hear_all(bell.listen(["q"], 2), 2)]
            told = {one["taskid"]: one for one in heard}
            assert "data" not in told["job-1"] and told["job-1"]["taskqueue"] == "q"
            assert told["job-2"]["data"] == "y"

    async def test_every_character_survives(self, place: Place) -> None:
        odd = "\ufffe\uffff\x00\x01\x7f\x85 \U0001f600 é < & \\ \" \ud7ff\ue000"
        async with opened(place) as bell:
            await bell.ring("q", [event(1, data=odd)])
            (heard,) = await hear_all(bell.listen(["q"], 1), 1)
            assert json.loads(heard)["data"] == odd

    async def test_nothing_is_confirmed_while_the_broker_is_away_and_all_goes_on_when_it_is_back(
        self, place: Place, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO, "craton")
        async with opened(place) as controller, opened(place) as worker:
            listening = worker.listen(["q"], 1)
            await rung(controller, "q", events(1))
            assert await hear_all(listening, 1) == events(1)
            hearing = asyncio.create_task(hear_until(listening, event(2)))
            await place.away()
            with pytest.raises(NotRun):
                await controller.ring("q", [event(2)])
            await until(lambda: bool(complaints(caplog)), seconds=30)  # a client tries again by itself first
            await asyncio.sleep(1)
            await place.again()
            await rung(controller, "q", [event(2)])
            await hearing
            assert len(complaints(caplog)) <= 4, complaints(caplog)  # once for each cause and connection

    async def test_opening_does_not_wait_for_a_broker_that_is_away(self, place: Place) -> None:
        await place.away()
        async with opened(place) as worker:
            listening = worker.listen(["q"], 1)
            hearing = asyncio.create_task(hear_all(listening, 1, seconds=40))
            await asyncio.sleep(0.3)
            await place.again()
            await rung(worker, "q", events(1))
            assert await hearing == events(1)

    async def test_a_queue_that_was_deleted_is_made_again(self, place: Place) -> None:
        async with opened(place) as controller, opened(place) as worker:
            listening = worker.listen(["q"], 1)
            await controller.ring("q", events(1))
            assert await hear_all(listening, 1) == events(1)
            hearing = asyncio.create_task(hear_all(listening, 1, seconds=40))
            await place.delete("q")
            await rung(controller, "q", [event(2)])
            assert await hearing == [event(2)]

    async def test_dead_letters_ring_again_once_they_are_redriven(self, place: Place) -> None:
        async with opened(place) as bell:
            await bell.ring("q", events(2))
            listening = bell.listen(["q"], 2)
            for one in await hear(listening, 2):
                await one.bury()
            assert await silent(listening)
            assert await bell.redrive() == Redriven(moved=2, stayed=0)
            assert await hear_all(listening, 2) == events(2)
            assert await bell.redrive() == Redriven(moved=0, stayed=0)
