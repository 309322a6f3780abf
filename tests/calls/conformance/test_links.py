"""What every link must do, whichever a topology chooses: the same answers, errors, keys and deadlines."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any, cast

import pytest

from craton import (
    Caller,
    CallError,
    Failed,
    InvalidArguments,
    KeyReused,
    NotAllowed,
    NotAuthenticated,
    NotRun,
    OutcomeUnknown,
    StillRunning,
    Withdrawn,
)
from craton.calls.codec import encode_arguments
from craton.calls.link import Request
from craton.calls.receiver import error_of
from craton.contract import methods_of
from craton.run.grants import OPERATOR
from craton.run.linking import KINDS, Way
from craton.testing.start import SECRET, Running, calling, user
from tests.calls.conformance.conftest import SOCKETS
from tests.calls.conformance.desk import Clerk, Counter, Desk, Full, Item, Shut, office
from tests.until import until

pytestmark = pytest.mark.asyncio(loop_scope="session")
NUMBERS = count(1)
METHODS = methods_of(Desk)
HARD = ["plain", "ünïcødé \N{SNOWMAN}\N{GRINNING FACE}", "a/b", "..", "", "100 %", "q?a=b&c#d", 'say "no"', "a\nb+;"]


def fresh(text: str = "note") -> str:
    """A text, or a key, that no test has used."""
    return f"{text} {next(NUMBERS)}"


# ---------------------------------------------------------------------- answers


@pytest.mark.parametrize("text", HARD)
async def test_text_arrives_as_it_was_sent(running: Running, text: str) -> None:
    with calling():
        assert await running.get(Desk).echo(text, 2, also=(text, "b")) == (text, text, text, "b")
        assert await running.get(Desk).plain((Item(1, text), Item(2))) == (Item(2), Item(1, text))


async def test_arguments_that_are_left_out_have_their_defaults(running: Running) -> None:
    with calling():
        assert await running.get(Desk).echo("a") == ("a",)
        assert await running.get(Desk).turned(b"\x00\xff", Item(3)) == b"\xff\x00"


async def test_a_megabyte_goes_there_and_comes_back(running: Running) -> None:
    data = bytes(range(256)) * 4096
    with calling():
        assert await running.get(Desk).turned(data) == data[::-1]


async def test_nothing_is_an_answer_too(running: Running) -> None:
    desk = running.get(Desk)
    with calling():
        assert await desk.nothing() is None  # type: ignore[func-returns-value]
        assert await desk.found(0) is None
        assert await desk.found(7) == Item(7, "ünïcødé \N{SNOWMAN}")


async def test_many_calls_at_once_get_each_its_own_answer(running: Running) -> None:
    with calling():
        found = await asyncio.gather(*(running.get(Desk).echo(str(number)) for number in range(50)))
    assert found == [(str(number),) for number in range(50)]


# ---------------------------------------------------------------------- errors


async def test_a_declared_fault_arrives_as_it_is(running: Running) -> None:
    with calling(), pytest.raises(Full) as full:
        await running.get(Desk).refused(5)
    assert full.value == Full(5, ("a", "ß"))
    with calling(), pytest.raises(Shut):
        await running.get(Desk).refused(0)


async def test_a_bug_is_a_failure_that_names_its_cause(running: Running) -> None:
    with calling(), pytest.raises(Failed) as failed:
        await running.get(Desk).broken()
    assert (failed.value.method, failed.value.cause) == ("desk.broken", "ValueError: a bug")


async def test_arguments_that_do_not_fit_are_refused_in_words(running: Running) -> None:
    endpoint = running.door.remote("desk.plain", METHODS["plain"])
    sent = Request("desk.plain", encode_arguments(METHODS["found"], METHODS["found"].arguments(number=1)))
    error = await error_from(endpoint.link, sent)
    assert isinstance(error, InvalidArguments) and "items" in str(error)


async def test_a_method_that_the_other_side_does_not_have_is_not_run(running: Running) -> None:
    link = running.door.remote("desk.notes", METHODS["notes"]).link
    error = await error_from(link, Request("desk.gone", b"\x80"))
    assert isinstance(error, NotRun)


async def error_from(link: Any, request: Request) -> CallError:
    """The error that a request ends with, whether it was raised or answered."""
    try:
        return error_of(await link.send(request))
    except CallError as error:
        return error


# ---------------------------------------------------------------------- keys and undo


@pytest.mark.parametrize("method", ["note", "note_quietly"])
@pytest.mark.parametrize("word", ["key", 'schlüssel "für" 100 %\\'])
async def test_what_is_asked_twice_under_one_key_is_done_once(running: Running, method: str, word: str) -> None:
    text, key = fresh(), fresh(word)
    answers = []
    for _ in range(3):
        with calling(key=key):
            answers.append(await getattr(running.get(Desk), method)(text))
    assert len(set(answers)) == 1
    with calling():
        assert (await running.get(Desk).notes()).count(text) == 1


async def test_a_fault_is_the_final_answer_under_its_key(running: Running) -> None:
    text, key, told = fresh("too much"), fresh("key"), []
    for _ in range(2):
        with calling(key=key), pytest.raises(Full) as full:
            await running.get(Desk).note(text)
        told.append(full.value)
    assert told[0] == told[1]
    with calling():
        assert text not in await running.get(Desk).notes()


async def test_a_key_that_is_used_for_something_else_is_refused(running: Running) -> None:
    key = fresh("key")
    with calling(key=key):
        await running.get(Desk).note(fresh())
    with calling(key=key), pytest.raises(KeyReused) as reused:
        await running.get(Desk).note(fresh())
    assert reused.value.method == "desk.note"


async def test_an_undo_takes_back_what_was_done_under_its_key(running: Running) -> None:
    text, key = fresh(), fresh("key")
    with calling(key=key):
        await running.get(Desk).note(text)
    await undo(running, text, key)
    with calling():
        assert text not in await running.get(Desk).notes()


async def test_an_undo_that_comes_first_withdraws_what_comes_late(running: Running) -> None:
    text, key = fresh(), fresh("key")
    await undo(running, text, key)
    with calling(key=key), pytest.raises(Withdrawn):
        await running.get(Desk).note(text)
    with calling():
        assert text not in await running.get(Desk).notes()


async def undo(running: Running, text: str, key: str) -> None:
    """Undo what was asked under a key."""
    method = METHODS["take_off"]
    with calling():
        remote = running.door.remote("desk.take_off", method)
        await remote.ask(method.arguments(text=text), key=f"{key}/undo", undoes=key)


async def test_a_saga_of_another_service_undoes_over_the_link(running: Running) -> None:
    first, second = fresh("kept"), fresh("too much")
    with calling(key=fresh("key")), pytest.raises((Full, Failed)):
        await running.get(Clerk).two_notes(first, second)
    with calling():
        notes = await running.get(Desk).notes()
    assert first not in notes and second not in notes


async def test_a_saga_that_goes_on_after_the_deadline_says_so_with_its_name(running: Running) -> None:
    with calling(key=fresh("key"), timeout=2), pytest.raises(StillRunning) as still:
        await running.get(Desk).errand(3600.0)
    assert still.value.method == "desk.errand" and still.value.saga
    status = await running.door.saga("desk", still.value.saga, caller=Caller(""))
    assert status is not None and status.state in ("running", "waiting")


# ---------------------------------------------------------------------- who asks, and for how long


async def test_who_asks_is_known_on_the_other_side_and_on_the_side_beyond(running: Running) -> None:
    ann = user("ann", "admin")
    with calling(caller=ann):
        told = await running.get(Desk).told(), await running.get(Clerk).told()
    assert {(one.subject, one.roles) for one in told} == {("user:ann", ("admin", "user"))}
    with calling():
        assert (await running.get(Desk).told()).subject == ""


async def test_an_assertion_that_was_changed_is_refused(running: Running) -> None:
    remote = running.door.remote("desk.told", METHODS["told"])
    signed = bytearray(remote.signer.sign(user("ann"), now=remote.clock.now().timestamp()))
    signed[-1] ^= 1
    error = await error_from(remote.link, Request("desk.told", b"\x80", caller=bytes(signed)))
    assert isinstance(error, NotRun) and "not signed" in str(error)


async def test_a_deadline_travels_as_the_time_that_is_left(running: Running) -> None:
    with calling(timeout=20):
        told = await running.get(Desk).told(), await running.get(Clerk).told()
    assert all(one.left is not None and 0 < one.left < 20 for one in told)


async def test_the_deadline_stops_the_work_and_the_caller_knows_that_it_may_have_run(
    running: Running, counter: Counter
) -> None:
    name = fresh()
    with calling(timeout=0.3), pytest.raises(OutcomeUnknown):
        await running.get(Desk).wait(name)
    await until(lambda: name in counter.cancelled or name not in counter.began)


async def test_a_caller_that_stops_waiting_stops_the_work_on_the_other_side(
    running: Running, counter: Counter
) -> None:
    name = fresh()
    with calling(timeout=60):
        call = asyncio.create_task(cast("Any", running.get(Desk).wait(name)))
    await until(lambda: name in counter.began)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await until(lambda: name in counter.cancelled)
    with calling():
        assert await running.get(Desk).echo("still there") == ("still there",)


@pytest.mark.parametrize("running", SOCKETS, indirect=True)
async def test_a_peer_may_ask_only_what_it_declared(running: Running) -> None:
    way = Way(
        application=office, addresses=(running.address("desk"),), secret=SECRET, service="clerk",
        needs=frozenset({"clerk"}),
    )
    link = KINDS[running.link].connect(way)
    try:
        for method in ("desk.notes", "desk.told"):
            error = await error_from(link, Request(method, b"\x80", timeout=10))
            assert isinstance(error, NotAllowed) and f"clerk may not call {method}" in str(error)
    finally:
        await link.close()


@pytest.mark.parametrize("running", SOCKETS, indirect=True)
async def test_a_peer_with_another_secret_is_asked_for_nothing_and_answered_nothing(
    running: Running, counter: Counter
) -> None:
    way = Way(
        application=office, addresses=(running.address("desk"),), secret=b"another one, known to one side",
        service="clerk", needs=frozenset({"desk"}),
    )
    link, name = KINDS[running.link].connect(way), fresh()
    wait = Request("desk.wait", encode_arguments(METHODS["wait"], METHODS["wait"].arguments(name=name)), timeout=10)
    try:
        assert isinstance(await error_from(link, wait), NotRun)
    finally:
        await link.close()
    assert name not in counter.began


# ---------------------------------------------------------------------- streams


async def test_a_stream_arrives_whole_and_in_order(running: Running) -> None:
    with calling():
        assert [item async for item in running.get(Desk).items(300)] == [Item(number) for number in range(300)]
        assert [item async for item in running.get(Desk).items(0)] == []


async def test_a_stream_may_end_with_a_fault(running: Running) -> None:
    with calling():
        for most in (0, 3):
            found = []
            with pytest.raises(Full) as full:
                async for item in running.get(Desk).items(most, ends="full"):
                    found.append(item)
            assert (len(found), full.value.most) == (most, most)


async def test_a_stream_that_is_refused_says_why(running: Running) -> None:
    body = encode_arguments(METHODS["items"], METHODS["items"].arguments(most=3))
    link = running.links("desk", running.link)
    try:
        async with aclosing(link.stream(Request("desk.items", body, timeout=10, caller=b"forged"))) as replies:
            error = error_of(await anext(replies))
        assert isinstance(error, NotAuthenticated)
    finally:
        await link.close()


async def test_who_wants_no_more_of_a_stream_ends_it_on_the_other_side(running: Running, counter: Counter) -> None:
    most = 1_000_000 + next(NUMBERS)
    with calling():
        async with aclosing(cast("AsyncGenerator[Item, None]", running.get(Desk).items(most))) as items:
            assert await anext(items) == Item(0)
    await until(lambda: f"{most} " in counter.ended)


async def test_the_deadline_counts_for_all_of_a_stream(running: Running, counter: Counter) -> None:
    most = 2 + next(NUMBERS)
    with calling(timeout=0.5), pytest.raises(OutcomeUnknown):
        async for _ in running.get(Desk).items(most, ends="stuck"):
            pass
    await until(lambda: f"{most} stuck" in counter.ended)


# ---------------------------------------------------------------------- peers that are away


async def test_a_service_that_is_stopped_means_not_run_and_it_is_found_again(running: Running) -> None:
    text = fresh()
    await running.close("desk")
    with calling(key=fresh("key"), timeout=1), pytest.raises(NotRun):
        await running.get(Desk).note(text)
    await running.open("desk")
    with calling(key=fresh("key")):
        await running.get(Desk).note(text)
        assert (await running.get(Desk).notes()).count(text) == 1


@pytest.mark.parametrize("kind", SOCKETS)
async def test_a_service_that_dies_in_the_middle_leaves_its_callers_in_doubt(kind: str, tmp_path: Path) -> None:
    address = f"unix:{tmp_path}/desk.sock"
    way = Way(
        application=office, addresses=(address,), secret=SECRET, service=OPERATOR, needs=frozenset({"desk"}),
        peer="desk",
    )
    link, wait = KINDS[kind].connect(way), METHODS["wait"]
    async with desk_alone(kind, address, tmp_path) as process:
        request = Request("desk.wait", encode_arguments(wait, wait.arguments(name="a")), timeout=60)
        calls = [asyncio.create_task(error_from(link, request)) for _ in range(3)]
        assert process.stdout and await process.stdout.readline() == b"began\n"
        process.kill()
        assert [type(error) for error in await asyncio.gather(*calls)] == [OutcomeUnknown] * 3
        assert isinstance(await error_from(link, Request("desk.notes", b"\x80", timeout=1)), NotRun)
    await link.close()


@asynccontextmanager
async def desk_alone(kind: str, address: str, folder: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """The desk in a process of its own; it says when three wait there."""
    command = (sys.executable, "-m", "tests.calls.conformance.alone", kind, address, str(folder))
    process = await asyncio.create_subprocess_exec(*command, stdout=PIPE)
    try:
        assert process.stdout and await process.stdout.readline() == b"ready\n"
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
