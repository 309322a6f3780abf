"""What `craton doctor` says of Amazon SQS: credentials and address, limits, and its queues."""

from __future__ import annotations

import json
from typing import Any

from craton.application import Application
from craton.errors import NotRun
from craton.pools import queues_of
from craton.run.doctors.finding import Finding
from craton.tasks.doorbell import LARGEST
from craton.tasks.doorbells.sqs import DELIVERIES, RETENTION, SQS
from craton.tasks.doorbells.sqs_ear import AWAY, LONG_POLL, PROLONGED_EVERY, VISIBILITY

PART = "broker"
NAMES = (
    "QueueArn", "ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "RedrivePolicy",
    "MessageRetentionPeriod",
)


async def examine_sqs(application: Application, url: str) -> list[Finding]:
    """The service in one region; no queue is changed, nor made."""
    async with SQS(url, application.name) as sqs:
        address = sqs.client.meta.endpoint_url
        try:
            found = [await queue(sqs, one) for one in queues_of(application.modules)] + [await dead(sqs)]
        except (NotRun, *AWAY) as error:
            why = (
                "check the region, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (or AWS's other ways), which must allow "
                "GetQueueUrl, GetQueueAttributes, CreateQueue, SendMessage, ReceiveMessage, DeleteMessage and "
                "ChangeMessageVisibility; until then jobs wait in the databases"
            )
            return [Finding(PART, f"SQS at {address}", str(error) or type(error).__name__, why, True)]
    return [*about(sqs, address), *found]


def about(sqs: SQS, address: str) -> list[Finding]:
    """What holds of every queue."""
    return [
        Finding(
            PART, "SQS", f"{address}, queues {sqs.prefix}-...",
            "rings for jobs go over it; events go straight from service to service",
        ),
        Finding(
            PART, "queues", "standard",
            "their order and the few that come twice do not matter: jobs are handed out by their rows in the database",
        ),
        Finding(
            PART, "long polls", f"{LONG_POLL} s", "the most it does: who waits hears at once, and costs little",
        ),
        Finding(
            PART, "visibility", f"{VISIBILITY} s, prolonged every {PROLONGED_EVERY:.0f} s",
            "also of what a worker has received and not begun; a killed worker's rings come again after it",
        ),
        Finding(
            PART, "largest message", f"1 MiB; batches of 10, {LARGEST // 1024} KiB together",
            "older emulators keep to that; rings for larger inputs go without them, and workers fetch them anyhow",
        ),
        Finding(
            PART, "delays", "in the database", "jobs due later, and retries, ring when it is time; SQS has 15 minutes",
        ),
    ]


async def queue(sqs: SQS, name: str) -> Finding:
    """One queue of jobs."""
    told = await attributes(sqs, f"{sqs.prefix}-{name}")
    what = f"queue {sqs.prefix}-{name}"
    if told is None:
        return Finding(PART, what, "not there yet", "it is made when it is first needed")
    redrive = json.loads(told.get("RedrivePolicy") or "{}")
    if not redrive:
        why = f"give it a redrive policy to {sqs.prefix}-dead, such as maxReceiveCount {DELIVERIES}"
        return Finding(PART, what, f"{waiting(told)}; what kills each worker comes for ever", why, True)
    if int(told["MessageRetentionPeriod"]) < RETENTION:
        days = int(told["MessageRetentionPeriod"]) / 86400
        return Finding(PART, what, waiting(told), f"it keeps rings {days:g} days; jobs that wait longer ring again")
    return Finding(PART, what, waiting(told), f"to the dead letters after {redrive['maxReceiveCount']} receipts")


async def dead(sqs: SQS) -> Finding:
    """The queue of dead letters."""
    told = await attributes(sqs, f"{sqs.prefix}-dead")
    count = int(told["ApproximateNumberOfMessages"]) if told else 0
    what_to_do = "ring them again: craton doctor ... --redrive" if count else ""
    return Finding(PART, f"queue {sqs.prefix}-dead", f"{count} dead letters", what_to_do, count > 0)


def waiting(told: dict[str, str]) -> str:
    """What a queue holds."""
    return f"{told['ApproximateNumberOfMessages']} waiting, {told['ApproximateNumberOfMessagesNotVisible']} at workers"


async def attributes(sqs: SQS, name: str) -> dict[str, str] | None:
    """What SQS says of a queue; None where it is not there."""
    address = await sqs.find(name)
    if not address:
        return None
    found: dict[str, Any] = await sqs.client.get_queue_attributes(QueueUrl=address, AttributeNames=list(NAMES))
    return dict(found["Attributes"])
