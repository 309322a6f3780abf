"""Services in other languages: how they are started, and how they are brought events."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path

from craton.calls import codec
from craton.calls.link import Request
from craton.calls.links.rest.places import EVENTS as PATH
from craton.calls.links.rest.places import Asked
from craton.calls.links.rpc.address import Address
from craton.messages.brokers.cloudevents import encode
from craton.run.child import Program
from craton.run.environment import Environment
from craton.run.places import filled
from craton.run.post import EVENTS
from craton.topology import Service

BATCH = "application/cloudevents-batch+json"
HOST = "127.0.0.1"
READY = "/health/ready"
"""Where a program says that it takes requests."""


class Deliveries:
    """Events for a module in another language, as a batch of CloudEvents; it answers with a verdict on each."""

    def __init__(self, application: str) -> None:
        self.application = application

    def asked(self, request: Request) -> Asked:
        """The delivery as a request over HTTP."""
        module = request.method.partition(".")[0]
        batch = codec.decode(EVENTS.arguments, request.body).batch
        events = [encode(message, application=self.application, destination=module) for message in batch]
        return Asked("POST", PATH, b"[" + b",".join(events) + b"]", BATCH)

    def result(self, data: bytes) -> bytes:
        """The verdicts, in the one encoding. Raises MALFORMED errors where they are none."""
        return codec.encode(codec.from_json(EVENTS.result, data))


def program_of(
    service: Service, replica: int,
    *, port: int, data: Path, here: Path, topology: str, secret: bytes, environ: Mapping[str, str],
) -> Program:
    """One process of a service that has a command. It is told the secret, by which it knows who asks."""
    places = dict(data=shlex.quote(str(data)), here=shlex.quote(str(here)), port=port)
    command = shlex.split(filled(service.command, service.name, **places))
    told = Environment(topology=topology, service=service.name, secret=secret, http=f"{HOST}:{port}")
    name = f"{service.name}.{replica}" if service.replicas > 1 else service.name
    return Program(name, command, {**environ, **told.variables()}, Address(host=HOST, port=port), health=READY)
