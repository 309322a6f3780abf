"""What events promise when RabbitMQ carries them from service to service."""

from __future__ import annotations

import asyncio
import json
import logging
import shutil
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import aiormq
import pytest
from sqlalchemy import delete

from craton.data.tables import tables_of
from craton.failpoints import LISTENERS
from craton.messages.brokers import rabbitmq as client
from craton.messages.brokers.cloudevents import encode
from craton.messages.transport import Message
from craton.testing.start import Running, start
from tests.messages.cable import Cable
from tests.messages.mail.application import mail
from tests.messages.mail.contracts import Orders
from tests.messages.mail.modules import BROKEN
from tests.messages.post_office import become, impatient, learned, letters_of, rows, sent, statuses, told, write
from tests.rabbitmq import Server

QUEUES = ("mail.orders", "mail.learner", "mail.teller", "mail.dead")


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits long."""
    impatient(monkeypatch)
    monkeypatch.setattr(client, "CONFIRMED_WITHIN", 1.0)
    monkeypatch.setattr(client, "LONGEST_PAUSE", 0.3)


@pytest.fixture
async def channel(rabbitmq: Server) -> AsyncIterator[aiormq.abc.AbstractChannel]:
    """The server, as an operator sees it; nothing is left of earlier tests."""
    connection = await aiormq.connect(rabbitmq.url)
    channel = await connection.channel()
    for queue in QUEUES:
        await channel.queue_delete(queue)
    yield channel
    await connection.close()


@pytest.fixture
async def cable(rabbitmq: Server, channel: Any) -> AsyncIterator[Cable]:
    """The way of the services to the server."""
    async with Cable(rabbitmq.port) as cable:
        yield cable


def services(cable: Cable, data: Path | None = None) -> AbstractAsyncContextManager[Running]:
    """The application, each module a service."""
    broker = f"amqp://guest:guest@127.0.0.1:{cable.port}/"
    return start(mail, topology="microservices", broker=broker, data=data)


def placed(*numbers: int) -> list[str]:
    """What a subscriber writes down of these."""
    return [f"placed {number}" for number in numbers]


async def logged(caplog: pytest.LogCaptureFixture, text: str) -> int:
    """How many lines of the log say this."""
    return sum(text in record.getMessage() for record in caplog.records)


async def test_events_arrive_once_and_in_order(cable: Cable) -> None:
    async with services(cable) as running:
        orders = running.get(Orders)
        for number in range(0, 30, 3):
            await asyncio.gather(*(orders.place(f"o-{o}", tuple(range(number, number + 3))) for o in range(4)))
        await orders.notice("hello")
        await orders.close("o-1", "sold out")
        for order in range(4):
            await become(placed(*range(30)), learned(running, f"o-{order}"))
            await become(placed(*range(30)) + ["closed"] * (order == 1), told(running, f"o-{order}"))
        await become(["hello"], told(running, ""))
        await become(["sold out"], told(running, "file o-1"))
        await become(True, lambda: sent(running))


async def test_a_server_that_is_away_delays_events_and_is_told_of_once(
    cable: Cable, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "craton")
    await cable.pull()
    async with services(cable) as running:
        await running.get(Orders).place("o-1", (1, 2))
        await become(3, lambda: logged(caplog, "is away, and events wait"))  # once by each service
        await asyncio.sleep(1)
        assert await logged(caplog, "is away, and events wait") == 3
        assert await learned(running, "o-1")() == []
        await cable.plug()
        await become(placed(1, 2), learned(running, "o-1"))
        await cable.pull()
        await running.get(Orders).place("o-1", (3,))
        await cable.plug()
        await become(placed(1, 2, 3), learned(running, "o-1"))


async def test_what_was_not_confirmed_when_the_connection_was_lost_is_sent_again(cable: Cable) -> None:
    async with services(cable) as running:
        await running.get(Orders).place("o-1", (0,))
        await become(placed(0), learned(running, "o-1"))
        cable.silent = True
        await running.get(Orders).place("o-1", tuple(range(1, 20)))
        await asyncio.sleep(0.5)
        assert not await sent(running)
        await cable.cut()
        cable.silent = False
        await become(placed(*range(20)), learned(running, "o-1"))
        await become(placed(*range(20)), told(running, "o-1"))
        await become(True, lambda: sent(running))


async def test_what_was_not_acknowledged_comes_again_and_is_applied_once(cable: Cable) -> None:
    cutting = []

    def cut(name: str) -> None:
        if name == "C5":
            LISTENERS.clear()
            cutting.append(asyncio.ensure_future(cable.cut()))

    async with services(cable) as running:
        LISTENERS.append(cut)
        try:
            await running.get(Orders).place("o-1", tuple(range(20)))
            await become(placed(*range(20)), learned(running, "o-1"))
            await become(placed(*range(20)), told(running, "o-1"))
            assert not LISTENERS
        finally:
            LISTENERS.clear()


async def test_a_server_that_is_killed_in_the_middle_loses_nothing(cable: Cable, rabbitmq: Server) -> None:
    async with services(cable) as running:
        orders = running.get(Orders)
        crash = asyncio.create_task(asyncio.to_thread(rabbitmq.stop))
        for number in range(100):
            await orders.place(f"o-{number % 3}", (number,))
        await crash
        await asyncio.to_thread(rabbitmq.start)
        for order in range(3):
            await become(placed(*range(order, 100, 3)), learned(running, f"o-{order}"))
            await become(placed(*range(order, 100, 3)), told(running, f"o-{order}"))
        await become(True, lambda: sent(running))


async def test_what_no_queue_takes_is_kept_and_told(
    cable: Cable, channel: aiormq.abc.AbstractChannel, caplog: pytest.LogCaptureFixture
) -> None:
    async def is_told() -> bool:
        return "it has no queue for them" in caplog.text

    async with services(cable) as running:
        await running.close("learner")
        await channel.queue_delete("mail.learner")
        await running.get(Orders).place("o-1", (1, 2))
        await become(placed(1, 2), told(running, "o-1"))
        await become({"learner"}, lambda: pending(running))
        await become(True, is_told)
        await running.open("learner")
        await become(placed(1, 2), learned(running, "o-1"))


async def pending(running: Running) -> set[str]:
    """Which modules events of orders are kept for."""
    return {row["pending"] for row in await rows(running, "orders", "outbox")}


async def test_what_the_server_refuses_is_sent_again(cable: Cable, channel: aiormq.abc.AbstractChannel) -> None:
    async with services(cable) as running:
        await running.get(Orders).place("o-1", (0,))
        await become(placed(0), learned(running, "o-1"))
        full: dict[str, Any] = {"x-max-length": 0, "x-overflow": "reject-publish"}
        await channel.queue_declare("mail.full", arguments=full)
        await channel.queue_bind("mail.full", "mail.events", "learner")
        await running.get(Orders).place("o-1", (1, 2))
        await become(placed(0, 1, 2), told(running, "o-1"))
        assert not await sent(running)
        await channel.queue_delete("mail.full")
        await become(placed(0, 1, 2), learned(running, "o-1"))
        await become(True, lambda: sent(running))


async def test_a_server_short_of_memory_delays_events_and_still_hears_acknowledgements(
    cable: Cable, rabbitmq: Server, caplog: pytest.LogCaptureFixture
) -> None:
    async with services(cable) as running:
        await running.get(Orders).place("o-1", (0,))
        await become(placed(0), learned(running, "o-1"))
        await asyncio.to_thread(rabbitmq.control, "set_vm_memory_high_watermark", "0.00001")
        try:
            await running.get(Orders).place("o-1", (1, 2))
            await become(2, lambda: logged(caplog, "it is short of memory or disk"))  # once for each destination
            assert not await sent(running)
        finally:
            await asyncio.to_thread(rabbitmq.control, "set_vm_memory_high_watermark", "0.4")
        await become(placed(0, 1, 2), learned(running, "o-1"))
        await become(placed(0, 1, 2), told(running, "o-1"))
        await become(True, lambda: sent(running))


async def test_what_nobody_can_read_goes_to_the_dead_letters_and_holds_up_nothing(
    cable: Cable, channel: aiormq.abc.AbstractChannel
) -> None:
    known = encode(Message("e-9", "orders", "o=1", 9, "Placed", 1, "{}", "", 1.5), application="mail", destination="")
    unreadable = [b"no event", known.replace(b'"9"', b'"nine"')]
    async with services(cable) as running:
        await running.get(Orders).place("o-1", (1,))
        await become(placed(1), learned(running, "o-1"))
        for body in unreadable:
            await channel.basic_publish(body, exchange="mail.events", routing_key="learner")
        await running.get(Orders).place("o-1", (2,))
        await become(placed(1, 2), learned(running, "o-1"))
        assert [(await channel.basic_get("mail.dead", no_ack=True)).body for _ in unreadable] == unreadable


async def test_a_handler_that_breaks_makes_a_letter_and_its_message_leaves_the_queue(
    cable: Cable, channel: aiormq.abc.AbstractChannel
) -> None:
    async with services(cable) as running:
        BROKEN["learner.learn"] = {"o-1"}
        await running.get(Orders).place("o-1", (1, 2))
        await running.get(Orders).place("o-2", (3,))
        await become(placed(3), learned(running, "o-2"))
        kept = [("learner.learn", "retrying"), ("learner.learn", "waiting")]
        await become(kept, lambda: statuses(running, "learner"))
        BROKEN.clear()
        await become(placed(1, 2), learned(running, "o-1"))
    assert (await channel.queue_declare("mail.learner", passive=True)).message_count == 0


async def test_a_message_is_a_cloud_event(cable: Cable, channel: aiormq.abc.AbstractChannel) -> None:
    async with services(cable) as running:
        await running.get(Orders).place("o-1", (6,))
        await become(placed(6), learned(running, "o-1"))
        spy = (await channel.queue_declare(exclusive=True)).queue
        assert spy
        await channel.queue_bind(spy, "mail.events", "learner")
        await running.get(Orders).place("o-1", (7,))
        await become(placed(6, 7), learned(running, "o-1"))
        row = (await rows(running, "orders", "outbox"))[-1]
        message = await channel.basic_get(spy, no_ack=True)
    event = json.loads(message.body)
    assert event.pop("time").endswith("Z")
    assert event == {
        "specversion": "1.0", "id": row["id"], "source": "/mail/orders", "type": "Placed", "destination": "learner",
        "datacontenttype": "application/json", "partitionkey": "order=o-1", "sequence": "2", "schemaversion": 1,
        "data": {"order": "o-1", "number": 7},
    }
    properties = message.header.properties
    assert properties.content_type == "application/cloudevents+json; charset=utf-8"
    assert (properties.message_id, properties.message_type) == (row["id"], "Placed")
    assert (properties.delivery_mode, properties.app_id) == (2, "mail")


# ---------------------------------------------------------------------- databases and the server out of step


async def test_messages_that_the_server_has_lost_are_sent_again_when_the_next_one_shows_the_gap(
    cable: Cable, channel: aiormq.abc.AbstractChannel
) -> None:
    async with services(cable) as running:
        await running.get(Orders).place("o-1", (1,))
        await become(placed(1), learned(running, "o-1"))
        await running.close("learner")
        await running.get(Orders).place("o-1", tuple(range(2, 8)))
        await become(True, lambda: sent(running))
        purged = (await channel.queue_purge("mail.learner")).message_count
        assert purged and purged >= 6  # and perhaps a request of another module
        await running.open("learner")
        await running.get(Orders).place("o-1", (8,))
        await become(placed(*range(1, 9)), learned(running, "o-1"))


async def test_where_the_outbox_has_forgotten_what_the_server_lost_the_rest_is_shown_to_a_person(
    cable: Cable, channel: aiormq.abc.AbstractChannel
) -> None:
    async with services(cable) as running:
        await running.get(Orders).place("o-1", (1,))
        await become(placed(1), learned(running, "o-1"))
        await running.close("learner")
        await running.get(Orders).place("o-1", (2, 3, 4))
        await become(True, lambda: sent(running))
        await channel.queue_purge("mail.learner")
        t = tables_of("orders").outbox
        for number in (2, 3):
            await write(running, "orders", delete(t).where(t.c.body.contains(f'"number":{number}')))
        await running.open("learner")
        await running.get(Orders).place("o-1", (5,))
        await become([("learner.learn", "parked"), ("learner.learn", "waiting")], lambda: statuses(running, "learner"))
        parked, _ = sorted(await letters_of(running, "learner").list(), key=lambda letter: letter.sequence)
        assert parked.error == "events 2 to 3 of order=o-1, which come before it, are lost"


async def test_a_server_that_has_lost_everything_is_given_it_again(
    cable: Cable, channel: aiormq.abc.AbstractChannel
) -> None:
    async with services(cable) as running:
        await running.get(Orders).place("o-1", (1,))
        await become(placed(1), learned(running, "o-1"))
        await running.close("learner")
        await running.get(Orders).place("o-1", (2, 3))
        await become(True, lambda: sent(running))
        for queue in QUEUES:
            await channel.queue_delete(queue)
        await channel.exchange_delete("mail.events")
        await running.open("learner")
        await become(placed(1, 2, 3), learned(running, "o-1"))  # and nothing new needs to come
        await become(placed(1, 2, 3), told(running, "o-1"))
        assert await statuses(running, "learner") == []


async def test_a_subscriber_restored_from_a_backup_is_given_what_it_has_forgotten(cable: Cable, tmp_path: Path) -> None:
    async with services(cable, tmp_path) as running:
        await running.get(Orders).place("o-1", (1,))
        await become(placed(1), learned(running, "o-1"))
        await running.close("learner")
        shutil.copy(tmp_path / "learner.db", tmp_path / "backup.db")
        await running.open("learner")
        await running.get(Orders).place("o-1", (2, 3))
        await become(placed(1, 2, 3), learned(running, "o-1"))
        await running.close("learner")
        restore(tmp_path, "learner")
        await running.open("learner")
        await running.get(Orders).place("o-1", (4,))
        await become(placed(1, 2, 3, 4), learned(running, "o-1"))


async def test_a_publisher_restored_from_a_backup_is_heard_though_it_uses_numbers_again(
    cable: Cable, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with services(cable, tmp_path) as running:
        await running.get(Orders).place("o-1", (1,))
        await become(placed(1), learned(running, "o-1"))
        await become(True, lambda: sent(running))
        await running.close("orders")
        shutil.copy(tmp_path / "orders.db", tmp_path / "backup.db")
        await running.open("orders")
        await running.close("learner")
        await running.get(Orders).place("o-1", (2, 3))
        await become(True, lambda: sent(running))
        await running.close("orders")
        restore(tmp_path, "orders")  # while the server keeps 2 and 3
        await running.open("orders")
        await running.open("learner")
        await running.get(Orders).place("o-1", (4, 5, 6))
        await become(placed(1, 2, 3, 4, 5, 6), learned(running, "o-1"))
        assert "was it restored from a backup?" in caplog.text


def restore(data: Path, service: str) -> None:
    """Put a service's database back to its backup."""
    for file in data.glob(f"{service}.db*"):
        file.unlink()
    shutil.copy(data / "backup.db", data / f"{service}.db")
