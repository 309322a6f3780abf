"""Controllers in other processes, asked by HTTP: what a worker does in place of asking them directly."""

from __future__ import annotations

import logging
import random
from collections.abc import Sequence
from types import TracebackType
from typing import Self

import msgspec

from craton.calls.codec import MALFORMED
from craton.errors import InvalidArguments, NotRun, SettingsError
from craton.tasks.messages import (
    BATCH,
    ENCODER,
    READ_REQUESTED,
    READ_VERDICTS,
    Report,
    Requested,
    Take,
    Verdict,
    encode,
)

try:
    import aiohttp
except ImportError as missing:
    raise SettingsError(f"workers need an HTTP client ({missing}): install craton[workers].") from missing

TIME = 10.0
"""Seconds within which a controller answers, besides what it was asked to wait."""
CONNECT = 3.0
"""Seconds within which it takes the connection."""
SHOWN = 300
MALFORMED_STATUSES = (400, 413, 415, 422)
READ_BATCH = msgspec.json.Decoder(list[msgspec.Raw])
log = logging.getLogger("craton.tasks")


class RemoteControl:
    """The controllers at some addresses, all of which answer for the same modules: `async with RemoteControl(...)`.

    It keeps to one of them as long as that answers.
    """

    def __init__(self, addresses: Sequence[str], token: str) -> None:
        self.addresses, self.token = [address.rstrip("/") for address in addresses], token
        self.at = random.randrange(len(addresses))

    async def __aenter__(self) -> Self:
        headers = {"Authorization": f"Bearer {self.token}"}
        self.session = aiohttp.ClientSession(headers=headers, connector=aiohttp.TCPConnector(limit=0))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.session.close()

    async def take(self, asked: Take) -> list[Requested]:
        """As `Control.take`. NotRun where no controller answers."""
        body = ENCODER.encode({"room": asked.room, "most": asked.most, **msgspec.to_builtins(asked)})
        answer = await self.post("/jobs/v1/take", body, kind="application/json", wait=asked.wait)
        try:
            jobs = READ_BATCH.decode(answer)
        except MALFORMED as error:
            raise NotRun(f"{self.addresses[self.at]} answers what is no list of jobs: {error}.") from error
        return [job for event in jobs if (job := job_of(event))]

    async def report(self, reports: Sequence[Report]) -> list[Verdict]:
        """As `Control.report`. InvalidArguments where they are called malformed: sent again, they would be so again."""
        answer = await self.post("/jobs/v1/report", encode(list(reports)), kind=BATCH)
        try:
            verdicts = READ_VERDICTS.decode(answer).verdicts
        except MALFORMED as error:
            raise NotRun(f"{self.addresses[self.at]} answers what are no verdicts: {error}.") from error
        if len(verdicts) != len(reports):
            raise NotRun(f"{self.addresses[self.at]} answers {len(reports)} reports with {len(verdicts)} verdicts.")
        return list(verdicts)

    async def post(self, path: str, body: bytes, *, kind: str, wait: float = 0.0) -> bytes:
        """The answer of the first controller that gives one."""
        troubles = []
        for _ in self.addresses:
            address = self.addresses[self.at]
            try:
                return await self.post_to(address + path, body, kind=kind, wait=wait)
            except InvalidArguments:  # the others would say the same
                raise
            except (aiohttp.ClientError, TimeoutError, NotRun) as error:
                troubles.append(f"{address}: {error or type(error).__name__}")
                self.at = (self.at + 1) % len(self.addresses)
        raise NotRun("; ".join(troubles))

    async def post_to(self, url: str, body: bytes, *, kind: str, wait: float) -> bytes:
        """The answer of one."""
        time = aiohttp.ClientTimeout(total=wait + TIME, sock_connect=CONNECT)
        async with self.session.post(url, data=body, headers={"Content-Type": kind}, timeout=time) as answer:
            said = await answer.read()
        if answer.status == 401:
            raise SettingsError(
                f"{url} does not know this worker: set CRATON_WORKER_TOKEN to what belongs to the services' secret."
            )
        if answer.status in MALFORMED_STATUSES:
            raise InvalidArguments(f"{url} calls it malformed: {said[:SHOWN].decode(errors='replace')}")
        if answer.status != 200:
            raise NotRun(f"HTTP {answer.status} {said[:SHOWN].decode(errors='replace')}")
        return said


def job_of(event: msgspec.Raw) -> Requested | None:
    """A job; None, and that is said, for one that cannot be read: its lease ends, and another worker may be luckier."""
    try:
        return READ_REQUESTED.decode(event)
    except MALFORMED as error:
        shown = bytes(event)[:SHOWN].decode(errors="replace")
        log.error("a job that cannot be read is left alone: %s: %s", error, shown)
        return None
