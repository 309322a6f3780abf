"""Doorbells over Amazon SQS: a standard queue for each queue of jobs, and one for dead letters."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from typing import Any, Self

from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from yarl import URL

from craton.calls.codec import MALFORMED
from craton.errors import NotRun, SettingsError
from craton.tasks.doorbell import LARGEST, Redriven
from craton.tasks.doorbells.requested import CONTENT_TYPE, attributes_of, short
from craton.tasks.doorbells.sqs_ear import AWAY, LONG_POLL, VISIBILITY, Ear

DELIVERIES = 1000
"""Receipts after which SQS moves a ring to the dead letters: the most it knows. Attempts are counted in jobs' rows."""
RETENTION = 14 * 86400
"""Seconds that SQS keeps what nobody takes: the most it knows."""
BATCH = 10
"""Messages in a batch: the most it takes; with LARGEST bytes together, which older emulators keep to."""
AT_ONCE = 8
"""Batches under way at a time, within one call."""
CONNECTIONS = 64
"""Connections at a time; each queue that is listened to keeps one busy."""


class SQS:
    """One process at SQS. What an application has there: `<prefix>-<queue>` for each queue of jobs, `<prefix>-dead`.

    Credentials and address come from AWS's own environment variables and files. Queues that are not there are made.
    """

    def __init__(self, url: str, application: str) -> None:
        where = URL(url)
        if not where.host or len(where.parts) > 2:
            raise SettingsError(f"CRATON_BROKER is {url!r}: give sqs://REGION/PREFIX, such as sqs://eu-central-1/video.")
        self.region, self.prefix = where.host, where.path.strip("/") or application
        self.addresses: dict[str, str] = {}
        self.opening = asyncio.Lock()
        self.ears: set[Ear] = set()

    async def __aenter__(self) -> Self:
        self.stack = AsyncExitStack()
        config = AioConfig(max_pool_connections=CONNECTIONS, retries={"mode": "standard", "max_attempts": 3})
        opened = get_session().create_client("sqs", region_name=self.region, config=config)
        self.client: Any = await self.stack.enter_async_context(opened)
        return self

    async def __aexit__(self, *error: object) -> None:
        for ear in list(self.ears):
            await ear.end()
        await self.stack.aclose()

    # ------------------------------------------------------------------ queues

    async def address(self, queue: str) -> str:
        """The URL of a queue of jobs, which is made if it is not there. Raises what the client raises."""
        name = f"{self.prefix}-{queue}"
        if name not in self.addresses:
            async with self.opening:
                self.addresses[name] = await self.find(name) or await self.make(name)
        return self.addresses[name]

    def forget(self, queue: str) -> None:
        """Look for a queue again, or make it: it may have been deleted."""
        self.addresses.pop(f"{self.prefix}-{queue}", None)

    async def find(self, name: str) -> str:
        """The URL of a queue; "" when it is not there."""
        try:
            return str((await self.client.get_queue_url(QueueName=name))["QueueUrl"])
        except self.client.exceptions.QueueDoesNotExist:
            return ""

    async def make(self, name: str) -> str:
        """Make a queue, and the one for its dead letters."""
        attributes = {"MessageRetentionPeriod": str(RETENTION), "VisibilityTimeout": str(VISIBILITY)}
        dead = await self.client.create_queue(QueueName=f"{self.prefix}-dead", Attributes=attributes)
        self.addresses[f"{self.prefix}-dead"] = dead["QueueUrl"]
        if name == f"{self.prefix}-dead":
            return str(dead["QueueUrl"])
        told = await self.client.get_queue_attributes(QueueUrl=dead["QueueUrl"], AttributeNames=["QueueArn"])
        redrive = {"deadLetterTargetArn": told["Attributes"]["QueueArn"], "maxReceiveCount": str(DELIVERIES)}
        attributes |= {"ReceiveMessageWaitTimeSeconds": str(LONG_POLL), "RedrivePolicy": json.dumps(redrive)}
        return str((await self.client.create_queue(QueueName=name, Attributes=attributes))["QueueUrl"])

    # ------------------------------------------------------------------ ringing

    async def ring(self, queue: str, events: Sequence[bytes]) -> None:
        """Send all. Raises NotRun unless SQS has taken all."""
        entries = [entry_of(number, event) for number, event in enumerate(events)]
        turn = asyncio.Semaphore(AT_ONCE)
        try:
            address = await self.address(queue)
            failed = await asyncio.gather(*(self.send(address, batch, turn) for batch in batches(entries)))
        except AWAY as error:
            self.forget(queue)
            raise NotRun(f"SQS: {error}") from error
        if troubles := [trouble for batch in failed for trouble in batch]:
            raise NotRun(f"SQS refuses {len(troubles)} of {len(events)}: {troubles[0]}")

    async def send(self, address: str, batch: list[dict[str, Any]], turn: asyncio.Semaphore) -> list[str]:
        """Send a batch; why some of it was refused (SQS answers 200 also where it was)."""
        async with turn:
            answer = await self.client.send_message_batch(QueueUrl=address, Entries=batch)
        return [f"{one['Code']} {one.get('Message', '')}" for one in answer.get("Failed", ())]

    # ------------------------------------------------------------------ listening

    def listen(self, queues: Sequence[str], room: int) -> Ear:
        """Listen to queues, for as long as the doorbell is open."""
        ear = Ear(self, queues, room=room)
        self.ears.add(ear)
        return ear

    async def bury(self, body: str) -> None:
        """Put a message among the dead letters. Raises what the client raises."""
        await self.client.send_message(QueueUrl=await self.address("dead"), MessageBody=body)

    # ------------------------------------------------------------------ dead letters

    async def redrive(self) -> Redriven:
        """Ring again what is among the dead letters; what nobody can read stays. Raises NotRun when SQS is away."""
        rung: set[str] = set()  # the ids of events: what comes back at once does so once
        kept: set[str] = set()
        try:
            address = await self.address("dead")
            while letters := await self.letters(address, rung | kept):
                for letter in letters:
                    (rung if await self.again(address, letter) else kept).add(id_of(letter))
        except AWAY as error:
            raise NotRun(f"SQS: {error}") from error
        return Redriven(len(rung), len(kept))

    async def letters(self, address: str, seen: set[str]) -> list[dict[str, Any]]:
        """Some dead letters that were not seen yet, which are hidden for a while from whoever asks again."""
        answer = await self.client.receive_message(QueueUrl=address, MaxNumberOfMessages=BATCH, WaitTimeSeconds=1)
        return [letter for letter in answer.get("Messages", ()) if id_of(letter) not in seen]

    async def again(self, address: str, letter: dict[str, Any]) -> bool:
        """Ring a dead letter; whether it could be read."""
        event = letter["Body"].encode()
        try:
            queue = attributes_of(event).taskqueue
        except (*MALFORMED, ValueError):
            return False
        await self.ring(queue, [event])
        await self.client.delete_message(QueueUrl=address, ReceiptHandle=letter["ReceiptHandle"])
        return True


def id_of(letter: dict[str, Any]) -> str:
    """What a dead letter is known by: its event, or itself where it holds none."""
    try:
        return attributes_of(letter["Body"].encode()).id
    except (*MALFORMED, ValueError):
        return str(letter["MessageId"])


def entry_of(number: int, event: bytes) -> dict[str, Any]:
    """One message of a batch."""
    told = attributes_of(event)
    attributes = {"ct": CONTENT_TYPE, "cetype": told.type, "traceparent": told.traceparent}
    return {
        "Id": str(number), "MessageBody": legal(short(event).decode()),
        "MessageAttributes": {n: {"DataType": "String", "StringValue": v} for n, v in attributes.items() if v},
    }


def legal(text: str) -> str:
    """JSON without the characters that XML, and so SQS, refuses; control characters are escaped in JSON anyhow."""
    return text.replace("\ufffe", "\\ufffe").replace("\uffff", "\\uffff")


def batches(entries: Sequence[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """In parts that SQS takes at once."""
    batch: list[dict[str, Any]] = []
    size = 0
    for entry in entries:
        bytes_of = len(entry["MessageBody"].encode()) + 400  # 400: the attributes
        if batch and (len(batch) == BATCH or size + bytes_of > LARGEST):
            yield batch
            batch, size = [], 0
        batch.append(entry)
        size += bytes_of
    if batch:
        yield batch
