"""`python -m bench.killing NAME [SECONDS]`: a worker is killed every second, and its jobs' effects are counted.

A job takes 20 ms, and then has its effect. Of the peers, that is done by the handler: a line in a file. Of ours it is
done by who hears of the job's result, in the transaction that takes it: a row; a handler may be begun again, as theirs.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, closing
from pathlib import Path

from bench import tasks
from bench.events import broker, no_broker
from bench.submitting import Submitter, side
from bench.tally import APPLIED
from craton.run.folder import free_port

PEERS = {
    "celery": tasks.on_rabbitmq, "dramatiq": tasks.on_rabbitmq, "taskiq": tasks.on_rabbitmq,
    "procrastinate": tasks.on_postgresql,
}
OURS = {"ours": no_broker, "ours-rabbitmq": broker}
PAUSE = 0.03
"""Seconds between two jobs."""
LONGEST = 150.0
"""Seconds without anything applied after which what is missing is lost. (Two of our leases, and a while.)"""
Applied = Callable[[], Counter[int]]


async def submit(submitter: Submitter, told: Callable[[int], Awaitable[object]], seconds: float) -> set[int]:
    """Submit jobs; those that were accepted."""
    accepted, until = set[int](), time.monotonic() + seconds
    while time.monotonic() < until:
        at = time.monotonic_ns()
        await told(at)
        accepted.add(at)
        await asyncio.sleep(PAUSE)
    return accepted


async def kill_each_second(command: tuple[str, ...], environ: dict[str, str], over: asyncio.Event) -> int:
    """Run a worker, kill it and start another, until it is over; then one goes on. How often that was."""
    killed = 0
    while True:
        worker = await asyncio.create_subprocess_exec(
            sys.executable, "-m", *command, env=os.environ | environ, stdout=asyncio.subprocess.PIPE
        )
        try:
            assert worker.stdout
            if not await worker.stdout.readline():
                raise RuntimeError(f"{command[0]} ended with {await worker.wait()} before it was ready")
            if over.is_set():
                await asyncio.Event().wait()
            await asyncio.sleep(1)
        finally:
            worker.kill()
            await worker.wait()
        killed += 1
        print(f"killed {killed}", end="\r", file=sys.stderr)


async def settled(applied: Applied, accepted: set[int]) -> Counter[int]:
    """What was applied, once all was, or nothing more comes."""
    found, since = applied(), time.monotonic()
    while accepted - found.keys() and time.monotonic() - since < LONGEST:
        await asyncio.sleep(1)
        now = applied()
        if now.total() > found.total():
            since = time.monotonic()
        found = now
    await asyncio.sleep(5)  # what is applied a second time may come later
    return applied()


def lines(file: Path) -> Counter[int]:
    """The effects of a peer's jobs."""
    return Counter(map(int, file.read_text().split())) if file.exists() else Counter()


def rows(file: str) -> Counter[int]:
    """The effects of our jobs."""
    with closing(sqlite3.connect(file)) as connection:
        return Counter(at for (at,) in connection.execute("SELECT at FROM mill_weighed"))


async def main(name: str, seconds: str = "60") -> None:
    """One side."""
    command: tuple[str, ...]
    async with AsyncExitStack() as stack:
        folder, _ = await stack.enter_async_context(tasks.counted())
        environ = {APPLIED: f"{folder}/applied"}
        if name in OURS:
            url, address = f"sqlite:///{folder}/jobs.db", f"127.0.0.1:{free_port()}"
            amqp = await stack.enter_async_context(OURS[name]())
            submitting = side("ours").submitting(address, url, amqp, "weigh")
            command, applied = ("bench.jobs", address, amqp), lambda: rows(f"{folder}/jobs.db")
        else:
            url = await stack.enter_async_context(PEERS[name](folder))
            submitting = side(name).submitting(url)
            command, applied = (f"bench.peers.{name}", url), lambda: lines(Path(folder) / "applied")
        over = asyncio.Event()
        if name in OURS:
            submitter = await stack.enter_async_context(submitting)
            killing = asyncio.create_task(kill_each_second(command, environ, over))
        else:
            killing = asyncio.create_task(kill_each_second(command, environ, over))
            await asyncio.sleep(5)  # the worker makes the queue, or the tables
            submitter = await stack.enter_async_context(submitting)
        accepted = await submit(submitter, submitter.one, float(seconds))
        over.set()
        found = await settled(applied, accepted)
        killing.cancel()
        await asyncio.gather(killing, return_exceptions=True)
        runs = lines(Path(folder) / "applied").total()
    twice = sum(1 for at in accepted if found[at] > 1)
    print(f"{name}: {len(accepted)} jobs, {runs} runs, {len(accepted - found.keys())} lost, {twice} applied twice")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
