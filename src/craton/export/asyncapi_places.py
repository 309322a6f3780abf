"""Where messages go, for the AsyncAPI document: servers, and queues as the brokers are asked to make them."""

from __future__ import annotations

from typing import Any

from craton.messages.brokers.rabbitmq import QUEUE as EVENTS
from craton.tasks.doorbells.rabbitmq import QUEUE as RINGS
from craton.tasks.doorbells.sqs import DELIVERIES, RETENTION
from craton.tasks.doorbells.sqs_ear import LONG_POLL, VISIBILITY

Json = dict[str, Any]
RABBITMQ, SQS, CONTROLLERS = "rabbitmq", "sqs", "controllers"
SERVERS: Json = {
    RABBITMQ: {
        "host": "{broker}", "protocol": "amqp", "protocolVersion": "0.9.1",
        "description": "RabbitMQ 3.10 or newer: CRATON_BROKER=amqp://...",
        "variables": {"broker": {"default": "localhost:5672"}},
    },
    SQS: {
        "host": "sqs.{region}.amazonaws.com", "protocol": "sqs",
        "description": "Amazon SQS: CRATON_BROKER=sqs://REGION/PREFIX",
        "variables": {"region": {"default": "eu-central-1"}},
    },
    CONTROLLERS: {
        "host": "{controller}", "protocol": "http", "description": "The services with tasks: CRATON_CONTROLLERS.",
        "variables": {"controller": {"default": "localhost:7001"}},
    },
}


def at(server: str) -> list[Json]:
    """One server of the document."""
    return [{"$ref": f"#/servers/{server}"}]


def amqp_queue(name: str, arguments: Json, description: str) -> Json:
    """A queue in RabbitMQ. The binding of AsyncAPI knows no arguments of queues: they stand beside it."""
    return {
        "address": name, "description": description, "servers": at(RABBITMQ),
        "bindings": {"amqp": {
            "is": "queue", "queue": {"name": name, "durable": True, "exclusive": False, "autoDelete": False},
            "bindingVersion": "0.3.0",
        }},
        "x-queue-arguments": arguments,
    }


def ring_place(application: str, queue: str) -> Json:
    """The queue of RabbitMQ that rings for jobs of one queue go to, by the default exchange."""
    arguments = RINGS | {"x-dead-letter-routing-key": f"{application}.dead.jobs"}
    what = f"Rings for jobs of {queue}: ask the controller for each."
    return amqp_queue(f"{application}.jobs.{queue}", arguments, what)


def dead_of(application: str) -> Json:
    """The queue of RabbitMQ for rings that nobody could read, or that came back too often."""
    return amqp_queue(f"{application}.dead.jobs", {"x-queue-type": "quorum"}, "Rings that are dead letters.")


def events_place(application: str, module: str) -> Json:
    """The queue of RabbitMQ for the events that one module hears."""
    name, exchange = f"{application}.{module}", f"{application}.events"
    arguments = EVENTS | {"x-dead-letter-exchange": f"{application}.dead"}
    place = amqp_queue(name, arguments, f"Events for {module}, from the exchange {exchange} by the key {module}.")
    return place | {"x-bound-to": {"exchange": exchange, "type": "direct", "routing-key": module}}


def sqs_place(prefix: str, queue: str) -> Json:
    """The queue of SQS for rings; its prefix is the application's name, where the broker's URL has no other."""
    dead = {"name": f"{prefix}-dead"}
    own = {
        "name": f"{prefix}-{queue}", "fifoQueue": False, "visibilityTimeout": VISIBILITY,
        "receiveMessageWaitTime": LONG_POLL, "messageRetentionPeriod": RETENTION,
        "redrivePolicy": {"deadLetterQueue": dead, "maxReceiveCount": DELIVERIES},
    }
    return {
        "address": own["name"], "description": f"Rings for jobs of {queue}: ask the controller for each.",
        "servers": at(SQS),
        "bindings": {"sqs": {
            "queue": own, "deadLetterQueue": dead | {"fifoQueue": False, "messageRetentionPeriod": RETENTION},
            "bindingVersion": "0.2.0",  # the newest that AsyncAPI's own schema knows
        }},
    }
