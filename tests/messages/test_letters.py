"""What cannot be applied becomes a letter, and blocks nothing but its own stream at its own subscriber."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import update

from craton.data.tables import tables_of
from craton.messages import letters, receiver, subscriber
from craton.testing.start import Running
from tests.messages.mail.contracts import Orders
from tests.messages.mail.modules import BROKEN, CLUMSY, SLOW
from tests.messages.post_office import (
    become,
    give,
    learned,
    letters_of,
    like,
    rows,
    sent,
    statuses,
    told,
    write,
)


async def test_a_handler_that_breaks_holds_up_its_own_stream_alone(running: Running) -> None:
    BROKEN["learner.learn"] = {"o-1"}
    for number in range(3):
        await running.get(Orders).place("o-1", (number,))
        await running.get(Orders).place("o-2", (number,))
    wanted = [f"placed {n}" for n in range(3)]
    await become(wanted, learned(running, "o-2"))
    await become(wanted, told(running, "o-1"))
    await become(True, lambda: sent(running))
    assert await learned(running, "o-1")() == []
    assert [status for _, status in await statuses(running, "learner")] == ["retrying", "waiting", "waiting"]
    BROKEN.clear()
    await become(wanted, learned(running, "o-1"))
    await become([], lambda: statuses(running, "learner"))
    await running.get(Orders).place("o-1", (3,))
    await become([*wanted, "placed 3"], learned(running, "o-1"))
    (cursor,) = [row for row in await rows(running, "learner", "cursor") if row["stream"] == "order=o-1"]
    assert (cursor["latest"], cursor["letters"]) == (4, 0)


async def test_a_handler_that_takes_too_long_is_broken_off_and_tried_again(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscriber, "SLOWEST", 0.5)
    SLOW["learner.learn"] = {"o-1"}
    await running.get(Orders).place("o-1", (1,))
    await running.get(Orders).place("o-2", (2,))
    await become(["placed 2"], learned(running, "o-2"))
    await become([("learner.learn", "retrying")], lambda: statuses(running, "learner"))
    assert (await letters_of(running, "learner").list())[0].error.startswith("TimeoutError")


async def test_a_batch_of_slow_handlers_is_answered_before_its_sender_gives_up(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscriber, "SLOWEST", 0.2)
    monkeypatch.setattr(receiver, "BUDGET", 0.0)
    SLOW["learner.learn"] = {"o-1"}
    batch = [like(id=f"event-{n}", stream=f"order=o-1/{n}") for n in range(3)]
    assert await give(running, *batch) == ["taken", "later", "later"]
    assert await give(running, *batch[1:]) == ["taken", "later"]
    SLOW.clear()
    monkeypatch.setattr(receiver, "BUDGET", 10.0)
    assert await give(running, *batch) == ["taken"] * 3
    await become(["placed 7"] * 3, learned(running, "o-1"))


async def test_a_handler_that_hides_an_error_of_the_database_is_tried_again(running: Running) -> None:
    CLUMSY.add("o-1")
    assert await give(running, like()) == ["taken"]
    (letter,) = await letters_of(running, "learner").list()
    assert letter.error.startswith("IntegrityError")
    await become(True, lambda: tried_again(running))
    CLUMSY.clear()
    await become(["placed 7"], learned(running, "o-1"))


async def tried_again(running: Running) -> bool:
    """Whether the letter was tried more than once."""
    return (await letters_of(running, "learner").list())[0].attempts > 1


async def test_what_breaks_too_often_is_parked_until_a_person_has_it_tried_again(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(letters, "ATTEMPTS", 3)
    BROKEN["teller.tell"] = {"o-1"}
    await running.get(Orders).place("o-1", (1, 2))
    await become([("teller.tell", "parked"), ("teller.tell", "waiting")], lambda: statuses(running, "teller"))
    letter, waiting = sorted(await letters_of(running, "teller").list(), key=lambda x: x.sequence)
    assert (letter.error, letter.attempts) == ("Stuck: teller.tell cannot take o-1", 3)
    assert await letters_of(running, "teller").show(letter.id) == letter
    assert not await letters_of(running, "teller").retry(waiting.id), "it waits for the other one"
    BROKEN.clear()
    await asyncio.sleep(0.2)
    assert await told(running, "o-1")() == []
    assert await letters_of(running, "teller").retry(letter.id)
    await become(["placed 1", "placed 2"], told(running, "o-1"))
    assert await letters_of(running, "teller").list() == ()


async def test_an_operator_is_told_of_letters_that_are_not_shown(running: Running) -> None:
    BROKEN["learner.learn"] = {"o-1"}
    await running.get(Orders).place("o-1", (1, 2, 3))
    await become(["retrying", "waiting", "waiting"], lambda: only_statuses(running))
    operator = running.operator
    assert len(await operator.letters(limit=1)) == 1 and operator.more == 2
    assert {letter.sequence for letter in await operator.letters(status="waiting")} == {2, 3}
    assert operator.more == 0


async def test_a_letter_that_is_discarded_is_never_applied_and_lets_the_others_go_on(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(letters, "ATTEMPTS", 1)
    BROKEN["learner.learn"] = {"o-1"}
    await running.get(Orders).place("o-1", (1, 2))
    await become(["parked", "waiting"], lambda: only_statuses(running))
    BROKEN.clear()
    first = min(await letters_of(running, "learner").list(), key=lambda letter: letter.sequence)
    assert await letters_of(running, "learner").discard(first.id)
    assert not await letters_of(running, "learner").discard(first.id)
    await become(["placed 2"], learned(running, "o-1"))
    t = tables_of("orders").outbox
    await write(running, "orders", update(t).values(status="stored", pending="learner", due=0.0))
    await become(True, lambda: sent(running))
    assert await learned(running, "o-1")() == ["placed 2"], "sent again, it is still discarded"


async def only_statuses(running: Running) -> list[str]:
    """The letters of the learner, without their subscriber."""
    return [status for _, status in await statuses(running, "learner")]


async def test_an_event_that_no_code_knows_is_kept_by_name_until_code_knows_it(running: Running) -> None:
    await running.get(Orders).place("o-1", (1,))
    await become(["placed 1"], learned(running, "o-1"))
    assert await give(running, like(type="Vanished", sequence=2)) == ["taken"]
    (letter,) = await letters_of(running, "learner").list()
    assert (letter.subscriber, letter.status, letter.type) == ("learner", "unknown", "Vanished")
    assert letter.error == "no handler of learner knows Vanished"
    await letters_of(running, "learner").reread()
    await become(["unknown"], lambda: only_statuses(running))
    await write(running, "learner", update(tables_of("learner").letter).values(type="Placed"))  # as if code had come
    await letters_of(running, "learner").reread()
    await become(["placed 1", "placed 7"], learned(running, "o-1"))
    await become([], lambda: statuses(running, "learner"))


async def test_a_version_that_does_not_fit_is_kept_and_one_that_only_adds_is_read(running: Running) -> None:
    added = like(version=2, body='{"order":"o-1","number":7,"gift":true}')
    changed = like(id="event-y", sequence=2, version=3, body='{"order":"o-1","number":{"of":7}}')
    assert await give(running, added, changed) == ["taken", "taken"]
    assert await learned(running, "o-1")() == ["placed 7"]
    (letter,) = await letters_of(running, "learner").list()
    assert (letter.subscriber, letter.status, letter.version) == ("learner.learn", "unknown", 3)


async def test_what_an_older_release_has_stored_is_upcast(running: Running) -> None:
    old = like(stream="", sequence=0, type="Noticed", version=1, body='{"lines":["hello","there"]}')
    assert await give(running, old, module="teller") == ["taken"]
    assert await told(running, "")() == ["hello there"]


async def test_what_breaks_an_upcast_is_kept(running: Running) -> None:
    old = like(stream="", sequence=0, type="Noticed", version=1, body='{"words":["hello"]}')
    assert await give(running, old, module="teller") == ["taken"]
    (letter,) = await letters_of(running, "teller").list()
    assert (letter.status, letter.error.split(": ", 1)[1]) == ("unknown", "KeyError('lines')")
