"""A ring is acknowledged as soon as its job is leased, so that no limit of a broker bites a long job."""

from __future__ import annotations

import signal

from workers.conformance.kit import Kit


async def a_ring_is_acknowledged_before_the_work_ends(kit: Kit) -> None:
    assert kit.broker
    broker, queue = kit.broker, kit.broker.queue
    async with kit.start() as worker:
        await kit.works()
        await broker.until(queue, messages=0, consumers=1)
        job, gate = await kit.running()
        await broker.until(queue, messages=0)
        worker.signal(signal.SIGKILL)
        await worker.ended()
        await broker.until(queue, consumers=0)
        assert await broker.waiting(queue) == 0
        gate.touch()
        assert job.end() is None
