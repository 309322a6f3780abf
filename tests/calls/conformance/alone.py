"""The desk in a process of its own, to be killed: `python -m tests.calls.conformance.alone rest unix:/path folder`."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from craton.data.migrations import migrate
from craton.run.linking import KINDS
from craton.run.process import Process
from craton.testing.start import SECRET
from tests.calls.conformance.conftest import nobody, split_by
from tests.calls.conformance.desk import Counter, office


async def main(kind: str, address: str, folder: str) -> None:
    """Serve until killed; say when the third call waits."""
    database = f"sqlite:///{folder}/desk.db"
    await migrate(database, [office.module("desk")])
    made = Process(office, split_by(kind), "desk", database=database, secret=SECRET, links=nobody, environ={})
    async with made as process, KINDS[kind].serve(process, address):
        print("ready", flush=True)
        found: Any = process.hosted["desk"].instance
        assert isinstance(found, Counter)
        while len(found.began) < 3:  # noqa: ASYNC110  # the desk offers no event
            await asyncio.sleep(0.01)
        print("began", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
