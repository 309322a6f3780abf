"""What `craton doctor` says of a RabbitMQ server: its version, and what follows from that; its queues."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import aiormq
from aiormq.abc import AbstractConnection
from aiormq.exceptions import AMQPError, ChannelNotFoundEntity, ChannelPreconditionFailed
from yarl import URL

from craton.application import Application
from craton.messages.brokers.rabbitmq import QUEUE as EVENTS
from craton.messages.brokers.rabbitmq_server import MIB, Server, server_of
from craton.pools import queues_of
from craton.run.doctors.finding import Finding
from craton.tasks.doorbell import LARGEST
from craton.tasks.doorbells.rabbitmq import DELIVERIES
from craton.tasks.doorbells.rabbitmq import QUEUE as RINGS
from craton.topology import Topology

OPENED_WITHIN = 10.0  # seconds
PART = "broker"
DEAD: Mapping[str, Any] = {"x-queue-type": "quorum"}


async def examine_rabbitmq(application: Application, topology: Topology, url: str) -> list[Finding]:
    """A server, whose queues are not changed, nor made."""
    where = URL(url)
    try:
        async with asyncio.timeout(OPENED_WITHIN):
            connection = await aiormq.connect(where.with_query({**where.query, "name": f"{application.name} doctor"}))
    except (AMQPError, OSError, TimeoutError) as error:
        why = "start it, or mend the URL of --broker or CRATON_BROKER; until then events and jobs wait in the databases"
        return [Finding(PART, f"RabbitMQ at {where.host}:{where.port}", f"{error or 'does not answer'}", why, True)]
    try:
        return await examine_server(application, topology, connection)
    finally:
        await connection.close()


async def examine_server(
    application: Application, topology: Topology, connection: AbstractConnection
) -> list[Finding]:
    """One that answered."""
    try:
        server = server_of(connection.server_properties)
    except AMQPError as error:
        return [Finding(PART, "RabbitMQ", str(error), "install a newer one", True)]
    found = about(server, connection.url)
    for name, arguments in expected(application, topology).items():
        found.append(await queue(connection, name, arguments))
    return [*found, await dead(connection, f"{application.name}.dead.jobs", "craton doctor ... --redrive"),
            await dead(connection, f"{application.name}.dead", "read it, and mend who sends what nobody can read")]


def expected(application: Application, topology: Topology) -> dict[str, Mapping[str, Any]]:
    """The queues that there are to be, and how they are declared."""
    name = application.name
    dead = {"x-dead-letter-routing-key": f"{name}.dead.jobs"}
    found: dict[str, Mapping[str, Any]] = {
        f"{name}.jobs.{queue}": RINGS | dead for queue in queues_of(application.modules)
    }
    if len(topology.services) > 1:
        events = EVENTS | {"x-dead-letter-exchange": f"{name}.dead"}
        found |= {f"{name}.{module.name}": events for module in application.modules if not module.asgi}
    return found


def about(server: Server, url: URL) -> list[Finding]:
    """What its version means."""
    tested = "" if server.numbers < (4, 0) else "; what is done for 4.x is from its documentation, and untested"
    return [
        Finding(PART, "RabbitMQ", f"{server.version} at {url.host}:{url.port}", f"3.10 or newer is needed{tested}"),
        Finding(
            PART, "queues", "quorum, durable, reject-publish",
            "what it has confirmed survives the loss of a minority of its nodes; a single node works, too",
        ),
        Finding(PART, "delivery limit", f"{DELIVERIES} for rings, out of reach for events", limits(server)),
        Finding(
            PART, "dead letters", "at least once, to queues that nobody empties",
            "by default they are lost where their queue cannot take them at that moment",
        ),
        Finding(
            PART, "priorities", f"{server.priorities} level{'s' * (server.priorities > 1)} in its queues",
            "the controller rings for urgent jobs first" + (
                "" if server.priorities == 1 else ", and tells their priorities to the server"),
        ),
        Finding(
            PART, "largest message", f"{server.largest // MIB} MiB",
            f"rings for inputs over {LARGEST // 1024} KiB go without them, and workers fetch them anyhow",
        ),
        Finding(
            PART, "consumer timeout", timeout(server), "rings are acknowledged before jobs begin: it never matters",
        ),
        Finding(PART, "delays", "in the database", "jobs that are due later, and retries, ring when it is time"),
    ]


def limits(server: Server) -> str:
    """Why the delivery limit is given."""
    if server.numbers >= (4, 3):
        return "without one it gives up after 20 failed deliveries (what is given back does not count)"
    if server.numbers >= (4, 0):
        return "without one it gives up after 20 deliveries"
    return "without one, what is given back goes behind all others"


def timeout(server: Server) -> str:
    """What it does to consumers that do not acknowledge."""
    if server.numbers >= (4, 3):
        return "30 minutes by default; it cancels the consumer"
    scope = "for each queue, by policy" if server.numbers >= (3, 12) else "for the whole server"
    return f"30 minutes by default, {scope}; it closes the channel"


async def queue(connection: AbstractConnection, name: str, arguments: Mapping[str, Any]) -> Finding:
    """One queue: whether it is there, declared as it must be, and what is in it."""
    counts = await look(connection, name)
    if counts is None:
        return Finding(PART, f"queue {name}", "not there yet", "it is made when it is first needed")
    channel = await connection.channel()
    try:
        await channel.queue_declare(name, durable=True, arguments=dict(arguments))
    except ChannelPreconditionFailed as error:
        why = "it was made in another way, and RabbitMQ changes no queue: stop what uses it, delete it, and start again"
        return Finding(PART, f"queue {name}", str(error), why, True)
    await channel.close()
    messages, consumers = counts
    return Finding(PART, f"queue {name}", f"{messages} waiting, {consumers} listening")


async def dead(connection: AbstractConnection, name: str, what_to_do: str) -> Finding:
    """A queue of dead letters."""
    messages = (await look(connection, name) or (0, 0))[0]
    return Finding(PART, f"queue {name}", f"{messages} dead letters", what_to_do if messages else "", messages > 0)


async def look(connection: AbstractConnection, name: str) -> tuple[int, int] | None:
    """How many messages and consumers a queue has; None where it is not there."""
    channel = await connection.channel()
    try:
        found = await channel.queue_declare(name, passive=True)
    except ChannelNotFoundEntity:
        return None
    await channel.close()
    return found.message_count or 0, found.consumer_count or 0
