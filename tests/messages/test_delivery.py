"""What is sent twice, too early, from a backup or to a backup is still applied once, in order, or shown to a person."""

from __future__ import annotations

import asyncio
import logging
import shutil
from pathlib import Path

import pytest
from sqlalchemy import delete, update

from craton.data.store import commit
from craton.data.tables import tables_of
from craton.messages import cleaning
from craton.messages.transport import Message
from craton.testing.start import Running, start
from tests.messages.mail.application import mail
from tests.messages.mail.contracts import Orders, Placed
from tests.messages.mail.modules import learner
from tests.messages.post_office import (
    become,
    give,
    host,
    learned,
    letters_of,
    like,
    rows,
    sent,
    statuses,
    told,
    write,
)


def numbered(*sequences: int) -> list[Message]:
    """Messages of one stream, each telling its number."""
    return [like(id=f"event-{n}", sequence=n, body=f'{{"order":"o-1","number":{n}}}') for n in sequences]


async def test_a_message_that_comes_too_early_is_refused_with_the_number_that_is_expected(running: Running) -> None:
    assert await give(running, *numbered(2, 3)) == ["early 1", "early 1"]
    assert await give(running, *numbered(1, 3, 2)) == ["taken", "early 2", "early 2"]
    assert await give(running, *numbered(2, 3)) == ["taken", "taken"]
    assert await learned(running, "o-1")() == ["placed 1", "placed 2", "placed 3"]


async def test_a_message_is_applied_once_however_often_and_at_once_it_comes(running: Running) -> None:
    batches = [numbered(1, 2, 3) for _ in range(5)]
    await asyncio.gather(*(give(running, *batch) for batch in batches))
    assert await give(running, *numbered(1, 2, 3)) == ["taken"] * 3
    assert await learned(running, "o-1")() == ["placed 1", "placed 2", "placed 3"]


async def test_a_sender_that_was_restored_from_a_backup_is_heard_and_noted(
    running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    await running.get(Orders).place("o-1", (1, 2, 3))
    await become(["placed 1", "placed 2", "placed 3"], learned(running, "o-1"))
    await write(running, "orders", update(tables_of("orders").sequence).values(latest=1))  # it has forgotten the rest
    with caplog.at_level(logging.ERROR):
        await running.get(Orders).place("o-1", (4, 5, 6))
        await become([f"placed {n}" for n in range(1, 7)], learned(running, "o-1"))
        await become(True, lambda: sent(running))
    assert "was it restored from a backup?" in caplog.text


async def test_a_receiver_that_was_restored_from_a_backup_gets_again_what_it_lost(running: Running) -> None:
    await running.get(Orders).place("o-1", (1, 2, 3, 4))
    await become(["placed 1", "placed 2", "placed 3", "placed 4"], learned(running, "o-1"))
    tables = tables_of("learner")
    await become(True, lambda: sent(running))
    await write(running, "learner", update(tables.cursor).values(latest=2))
    forgotten = [f"{row['id']}/learner.learn" for row in await rows(running, "orders", "outbox")][2:]
    await write(running, "learner", delete(tables.inbox).where(tables.inbox.c.key.in_(forgotten)))
    await write(running, "learner", delete(learner).where(learner.c.text.in_(["placed 3", "placed 4"])))
    await running.get(Orders).place("o-1", (5,))
    await become([f"placed {n}" for n in range(1, 6)], learned(running, "o-1"))
    await become(True, lambda: sent(running))


async def test_a_receiver_gets_again_what_it_lost_while_another_is_away(running: Running) -> None:
    await running.get(Orders).place("o-1", (1, 2, 3, 4))
    await become([f"placed {n}" for n in range(1, 5)], learned(running, "o-1"))
    await become(True, lambda: sent(running))
    t, tables = tables_of("orders").outbox, tables_of("learner")
    await write(running, "orders", update(t).values(status="stored", pending="teller", due=2.0**40))
    await write(running, "learner", update(tables.cursor).values(latest=2))
    forgotten = [f"{row['id']}/learner.learn" for row in await rows(running, "orders", "outbox")][2:]
    await write(running, "learner", delete(tables.inbox).where(tables.inbox.c.key.in_(forgotten)))
    await write(running, "learner", delete(learner).where(learner.c.text.in_(["placed 3", "placed 4"])))
    await running.get(Orders).place("o-1", (5,))
    await become([f"placed {n}" for n in range(1, 6)], learned(running, "o-1"))


async def test_what_follows_events_that_are_lost_for_good_is_shown_to_a_person(running: Running) -> None:
    await running.get(Orders).place("o-1", (1,))
    await become(["placed 1"], learned(running, "o-1"))
    await become(True, lambda: sent(running))
    t = tables_of("orders").sequence
    await write(running, "orders", update(t).where(t.c.destination == "learner").values(latest=5))
    await running.get(Orders).place("o-1", (2,))
    await become([("learner.learn", "parked")], lambda: statuses(running, "learner"))
    (letter,) = await letters_of(running, "learner").list()
    assert letter.error == "events 2 to 5 of order=o-1, which come before it, are lost"
    await become(True, lambda: sent(running))
    assert await letters_of(running, "learner").retry(letter.id)
    await become(["placed 1", "placed 2"], learned(running, "o-1"))


async def test_what_is_older_than_the_memory_of_the_inbox_is_shown_to_a_person(running: Running) -> None:
    assert await give(running, like(stream="", sequence=0, created=0.0)) == ["taken"]
    assert await statuses(running, "learner") == [("learner.learn", "parked")]
    assert await learned(running, "o-1")() == []


async def test_an_event_that_is_committed_after_one_that_was_stored_later_is_relayed(running: Running) -> None:
    process = host(running, "orders")
    if process.store.exclusive:
        pytest.skip("on SQLite transactions come one by one")
    events, unit = process.events("orders"), process.store.unit("orders")
    await events.store_event(unit, Placed("o-1", 1))  # it has the lower position
    await running.get(Orders).place("o-2", (2,))
    await become(["placed 2"], learned(running, "o-2"))
    await become(True, lambda: sent(running))
    assert await learned(running, "o-1")() == []
    await commit(unit)
    await become(["placed 1"], learned(running, "o-1"))


async def test_what_was_sent_and_answered_is_forgotten_after_a_while(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cleaning, "PIECE", 3)
    await running.get(Orders).place("o-1", tuple(range(10)))
    await become([f"placed {n}" for n in range(10)], learned(running, "o-1"))
    await become(True, lambda: sent(running))
    await age(running, "orders", "outbox", days=13)
    await age(running, "learner", "inbox", days=13)
    assert await cleaned(running) == (10, 10)
    await age(running, "orders", "outbox", days=2)
    await age(running, "learner", "inbox", days=2)
    t = tables_of("orders").outbox
    await write(running, "orders", update(t).where(t.c.position == 4).values(status="stored", due=2.0**40))
    assert await cleaned(running) == (1, 0)
    await write(running, "orders", update(t).values(status="sent"))
    assert await cleaned(running) == (0, 0), "it is sent in the end"
    (cursor,) = await rows(running, "learner", "cursor")
    assert cursor["latest"] == 10


async def age(running: Running, module: str, table: str, *, days: int) -> None:
    """Let rows have been there for longer."""
    t = getattr(tables_of(module), table)
    await write(running, module, update(t).values(created=t.c.created - days * 86400))


async def cleaned(running: Running) -> tuple[int, int]:
    """Clean, and count what is left: events stored and messages remembered."""
    for module in ("orders", "learner"):
        post = host(running, module).post
        await next(cleaner for cleaner in post.cleaners if cleaner.module == module).clean()
    return len(await rows(running, "orders", "outbox")), len(await rows(running, "learner", "inbox"))


def spread(folder: Path) -> None:
    """Give each module a database of its own: it uses only the tables that bear its name."""
    (file,) = folder.glob("*.db")
    for module in ("orders", "learner", "teller"):
        shutil.copy(file, folder / f"{module}.db")


async def test_a_subscriber_that_has_moved_to_another_service_goes_on_where_it_was(tmp_path: Path) -> None:
    async with start(mail, data=tmp_path) as running:
        await running.get(Orders).place("o-1", (1, 2))
        await become(["placed 1", "placed 2"], learned(running, "o-1"))
        await become(["placed 1", "placed 2"], told(running, "o-1"))
        await running.close("gateway")
        await write(running, "orders", update(tables_of("orders").outbox).values(status="stored", pending="learner"))
    spread(tmp_path)
    async with start(mail, topology="microservices", link="wire", data=tmp_path) as running:
        await running.get(Orders).place("o-1", (3,))
        await become(["placed 1", "placed 2", "placed 3"], learned(running, "o-1"))
        await become(["placed 1", "placed 2", "placed 3"], told(running, "o-1"))
        await become(True, lambda: sent(running))
