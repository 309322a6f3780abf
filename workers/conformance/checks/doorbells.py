"""A broker only tells that there is something to do: what it loses, doubles or garbles does no harm."""

from __future__ import annotations

from workers.conformance.broker import Broker
from workers.conformance.kit import Kit


def broker_of(kit: Kit) -> Broker:
    """The broker, which these checks have."""
    assert kit.broker
    return kit.broker


async def a_job_that_rings_twice_is_done_once(kit: Kit) -> None:
    broker = broker_of(kit)
    job, gate = await kit.running()
    await broker.ring(job.event)
    await broker.until(broker.queue, messages=0)
    gate.touch()
    await job.ended("succeeded")
    await broker.ring(job.event)
    await kit.works()
    await broker.until(broker.queue, messages=0)
    assert job.given == 1


async def a_ring_that_nobody_can_read_goes_to_the_dead_letters(kit: Kit) -> None:
    broker = broker_of(kit)
    await kit.works()  # the queue is there
    before = await broker.waiting(broker.dead)
    for body in (b"\xff no JSON", b"[]", b'{"specversion":"1.0","type":"nothing"}'):
        await broker.send(body)
    await broker.until(broker.dead, messages=before + 3)
    await kit.works()


async def a_worker_finds_a_broker_again_that_was_away(kit: Kit) -> None:
    broker = broker_of(kit)
    job, gate = await kit.running()
    await broker.gate.shut()
    gate.touch()
    await job.ended("succeeded")
    await broker.gate.open()
    await kit.works()
    await broker.until(broker.queue, messages=0)


async def jobs_that_were_rung_while_the_broker_was_out_of_reach_are_done(kit: Kit) -> None:
    broker = broker_of(kit)
    await kit.works()
    await broker.gate.shut()
    job = await kit.offer("echo", {"text": "unheard"})
    await broker.gate.open()
    await job.ended("succeeded")
    await kit.works()
