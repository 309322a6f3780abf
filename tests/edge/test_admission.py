"""Admission: as many at once as are answered in good time; the others wait for a moment, and are then told at once."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable

import httpx
import pytest
from starlette.types import Message, Receive, Scope, Send

from craton.edge import admission as tuned
from craton.edge.admission import FIRST, GOOD, LEAST, MOST, Admission, Line, Place, Room
from craton.edge.problems import Problem
from tests.edge.flood import UNIT, Answered, Slow, ask, edge_of, flood, in_no_time

CAPACITY = 1 / UNIT / (1 + 9 / 20)
"""Requests a second that the slow application answers, where every 20th is an order."""


# ---------------------------------------------------------------------- how many there is room for

def sizes_of(room: Room, seconds: Callable[[float], float], *, full: bool = True, epochs: int = 1) -> list[float]:
    """The sizes of a room after some epochs, where a first byte takes as long as a function of its size says."""
    sizes = []
    for _ in range(epochs):
        epoch, room.full, now = room.epoch, full, seconds(room.size)
        while room.epoch == epoch:
            room.answered(epoch, now)
        sizes.append(room.size)
    return sizes


def test_the_room_is_as_large_as_what_is_done_in_good_time() -> None:
    sizes = sizes_of(Room(), lambda size: size / 100, epochs=200)
    assert GOOD * 100 / 3 < min(sizes) and max(sizes[1:]) < GOOD * 100 + 5


def test_where_less_room_makes_nothing_quicker_it_is_not_taken_away() -> None:
    room = Room()
    assert sizes_of(room, lambda _: 0.7, epochs=2)[-1] == FIRST
    assert sizes_of(room, lambda _: 0.7, epochs=100)[-1] == MOST
    assert room.good >= 0.7


def test_what_was_slow_for_another_reason_is_forgotten_when_it_is_quick_again() -> None:
    room = Room()
    sizes_of(room, lambda _: 0.9, epochs=20)
    sizes_of(room, lambda _: 0.01, full=False, epochs=40)
    assert room.good == GOOD and round(room.size) == FIRST


def test_a_room_that_nobody_has_to_wait_for_is_left_as_it_is() -> None:
    assert set(sizes_of(Room(), lambda _: 0.9, full=False, epochs=5)) == {FIRST}
    assert set(sizes_of(Room(), lambda _: 0.01, full=False, epochs=5)) == {FIRST}


def test_there_is_always_room_for_a_few() -> None:
    assert min(sizes_of(Room(), lambda size: size, epochs=50)) >= LEAST


def test_what_was_let_in_before_says_nothing_about_the_size_that_is_tried_now() -> None:
    room = Room()
    sizes_of(room, lambda size: size / 100)
    for _ in range(100):
        room.answered(0, 0.9)
    assert room.times == []


# ---------------------------------------------------------------------- who is let in

def small(size: int) -> Line:
    """A line with room for a few."""
    line = Line()
    line.room.size = size
    return line


async def asking(line: Line) -> asyncio.Task[Place]:
    """Somebody who wants to be let in, and may have been."""
    task = asyncio.create_task(line.enter())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return task


async def test_who_waits_is_let_in_newest_first() -> None:
    line = small(2)
    inside = [await line.enter(), await line.enter()]
    waiting = [await asking(line) for _ in range(3)]
    assert not any(task.done() for task in waiting)
    for newest in reversed(waiting):
        inside.pop(0).leave(begun=True)
        inside.append(await newest)


async def test_who_is_not_let_in_is_told_when_to_ask_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tuned, "PATIENCE", 0.0)
    monkeypatch.setattr(tuned, "HURRY", 0.0)
    line = small(1)
    await line.enter()
    with pytest.raises(Problem) as refused:
        await line.enter()
    assert (refused.value.status, refused.value.headers["Retry-After"]) == (503, "1")
    assert not line.waiting


async def test_where_somebody_always_waits_nobody_waits_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tuned, "HURRY", 0.0)
    line = small(1)
    place = await line.enter()
    first = await asking(line)
    line.relaxed -= tuned.PATIENCE
    with pytest.raises(Problem):
        await line.enter()
    assert not first.done()
    place.leave(begun=True)
    (await first).leave(begun=True)
    await line.enter()


async def test_whoever_is_cancelled_leaves_no_place_taken() -> None:
    line = small(1)
    place = await line.enter()
    waiting, admitted = await asking(line), await asking(line)
    waiting.cancel()
    place.leave(begun=True)  # lets the newest in, which is cancelled before it knows
    admitted.cancel()
    for task in (waiting, admitted):
        with pytest.raises(asyncio.CancelledError):
            await task
    assert not line.inside and not line.waiting
    await line.enter()


async def test_a_place_is_left_once() -> None:
    line = small(1)
    first = await line.enter()
    first.leave(begun=True)
    await line.enter()
    first.leave(begun=True)
    assert len(line.inside) == 1


async def test_who_lingers_counts_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    line = small(2)
    lingering = [await line.enter(), await line.enter()]
    monkeypatch.setattr(tuned, "LINGERS", 0.0)
    for _ in range(5):
        await line.enter()
    for place in lingering:
        place.leave(begun=True)
    assert lingering[0] not in line.inside


async def test_it_can_be_switched_off() -> None:
    line = Line(limited=False)
    places = [await line.enter() for _ in range(2 * MOST)]
    for place in places:
        place.leave(begun=True)
    assert not line.inside and not line.room.times


# ---------------------------------------------------------------------- what takes up room

def narrow() -> Admission:
    """Admission with room for one that looks."""
    admission = Admission()
    admission.looks.room.size = 1
    return admission


class Talking:
    """An application that says what it is told to say, part by part."""

    def __init__(self) -> None:
        self.parts = asyncio.Queue[Message]()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        while (message := await self.parts.get()).get("more_body", True):
            await send(message)
        await send(message)


BEGIN: Message = {"type": "http.response.start", "status": 200, "headers": []}
END: Message = {"type": "http.response.body", "body": b"", "more_body": False}


async def test_a_response_that_has_begun_takes_up_no_room_however_long_it_is() -> None:
    admission, app = narrow(), Talking()
    answering = asyncio.create_task(ask(edge_of(app, admission), "/"))
    await asyncio.sleep(0)
    assert len(admission.looks.inside) == 1
    app.parts.put_nowait(BEGIN)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not admission.looks.inside and not answering.done()
    app.parts.put_nowait(END)
    assert (await answering).status == 200


async def test_who_goes_away_or_breaks_makes_room() -> None:
    admission, app = narrow(), Talking()
    going = asyncio.create_task(ask(edge_of(app, admission), "/"))
    await asyncio.sleep(0)
    going.cancel()
    with pytest.raises(asyncio.CancelledError):
        await going
    assert not admission.looks.inside
    app.parts.put_nowait({"type": "http.response.start", "status": "no status", "headers": None})
    assert (await ask(edge_of(app, admission), "/")).status == 500
    assert not admission.looks.inside


async def test_health_is_told_whatever_else_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tuned, "PATIENCE", 0.0)
    monkeypatch.setattr(tuned, "HURRY", 0.0)
    admission = narrow()
    await admission.enter(changes=False)
    app = edge_of(Slow(), admission)
    assert [(await ask(app, path)).status for path in ("/health/live", "/health/ready")] == [200, 200]
    assert [(await ask(app, path)).status for path in ("/stock/low", "/page")] == [503, 503]


async def test_a_browser_is_shown_a_page_and_everybody_else_is_told_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tuned, "PATIENCE", 0.0)
    admission = narrow()
    await admission.enter(changes=False)
    transport = httpx.ASGITransport(edge_of(Slow(), admission))
    async with httpx.AsyncClient(transport=transport, base_url="http://slow") as http:
        page = await http.get("/page", headers={"Accept": "text/html,application/xhtml+xml"})
        told = await http.get("/page")
    assert (page.status_code, page.headers["retry-after"]) == (503, "1")
    assert page.headers["content-type"].startswith("text/html") and "Too busy" in page.text
    assert "content-security-policy" in page.headers
    assert (told.status_code, told.headers["retry-after"]) == (503, "1")
    assert told.json()["type"] == "urn:craton:problem:not-run"


async def test_who_changes_something_waits_for_nobody_who_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tuned, "PATIENCE", 0.0)
    monkeypatch.setattr(tuned, "HURRY", 0.0)
    admission = narrow()
    await admission.enter(changes=False)
    app = edge_of(Slow(), admission)
    assert [(await ask(app, "/page", method=method)).status for method in ("GET", "HEAD", "POST")] == [503, 503, 200]
    asked = {"quantity": 1}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://slow") as http:
        assert (await http.get("/stock/low")).status_code == 503
        assert (await http.put("/stock/abc", json=asked)).status_code == 401


# ---------------------------------------------------------------------- a flood

def quick(answered: list[Answered], *, within: float = 1.0) -> int:
    """How many were served within so many seconds."""
    return sum(one.status == 200 and one.seconds <= within for one in answered)


def between(answered: list[Answered], first: float, last: float) -> list[Answered]:
    """Those that were sent between two seconds."""
    return [one for one in answered if first <= one.at < last]


def test_in_a_flood_as_much_is_served_in_good_time_as_can_be_and_the_others_are_told_soon() -> None:
    async def run() -> list[Answered]:
        return await flood(edge_of(Slow(), Admission()), {0: CAPACITY / 2, 3: 3 * CAPACITY, 13: CAPACITY / 2, 18: 0})

    answered = in_no_time(run())
    before, during, after = (between(answered, *times) for times in ((0, 3), (5, 13), (14, 18)))
    assert {one.status for one in answered} == {200, 503}
    assert quick(before) == len(before) and quick(after, within=0.5) == len(after)
    assert quick(during) > 0.85 * 8 * CAPACITY
    assert max(one.seconds for one in during if one.status == 503) <= 1.1


def test_in_a_flood_neither_what_is_short_nor_what_is_long_starves() -> None:
    async def run() -> list[Answered]:
        return await flood(edge_of(Slow(), Admission()), {0: 3 * CAPACITY, 10: 0})

    sent, served = Counter[str](), Counter[str]()
    for one in in_no_time(run()):
        sent[one.path] += 1
        served[one.path] += one.status == 200
    shares = [served[path] / sent[path] for path in ("/page", "/order")]
    assert min(shares) > 0.5 * max(shares)


def test_nobody_is_refused_where_all_can_be_served_in_time() -> None:
    async def run() -> list[Answered]:
        app = edge_of(Slow(), Admission())
        burst = await asyncio.gather(*(ask(app, "/page") for _ in range(90)))
        return burst + await flood(app, {0: 0.9 * CAPACITY, asyncio.get_running_loop().time() + 20: 0})

    assert {one.status for one in in_no_time(run())} == {200}


def test_a_service_that_hangs_does_not_take_the_room_of_those_who_do_not_need_it() -> None:
    async def run() -> tuple[list[Answered], list[Answered]]:
        slow = Slow()
        app, loop = edge_of(slow, Admission()), asyncio.get_running_loop()

        async def hanging() -> list[Answered]:
            asked = []
            while loop.time() < 10:
                asked.append(loop.create_task(ask(app, "/away")))
                await asyncio.sleep(0.05)
            return [await task for task in asked]

        hung, rest = await asyncio.gather(hanging(), flood(app, {0: CAPACITY / 2, 10: 0}))
        return hung, rest

    hung, rest = in_no_time(run())
    assert {one.status for one in rest} == {200} and quick(rest) == len(rest)
    assert {one.status for one in hung} == {200}


def test_without_admission_a_flood_makes_everybody_wait() -> None:
    async def run() -> list[Answered]:
        app = edge_of(Slow(), Admission(limited=False))
        return await flood(app, {0: 3 * CAPACITY, 10: CAPACITY / 2, 15: 0})

    answered = between(in_no_time(run()), 5, 15)
    assert quick(answered) == 0
