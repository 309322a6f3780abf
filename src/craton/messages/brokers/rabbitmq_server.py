"""What a RabbitMQ server can do, by the version that it tells."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiormq.exceptions import AMQPError

OLDEST = (3, 10)
MIB = 2**20


@dataclass(frozen=True)
class Server:
    """One server. What is said of 4.x is from RabbitMQ's documentation, and untested: the tests run 3.10."""

    version: str

    @property
    def numbers(self) -> tuple[int, ...]:
        """Its version's first two numbers."""
        return tuple(int(n) for n in re.findall(r"\d+", self.version)[:2])

    @property
    def largest(self) -> int:
        """Bytes of the largest message that it takes."""
        return (16 if self.numbers >= (4, 0) else 128) * MIB

    @property
    def priorities(self) -> int:
        """How many levels of priority its quorum queues tell apart."""
        if self.numbers >= (4, 3):
            return 32
        return 2 if self.numbers >= (4, 0) else 1


def server_of(properties: Mapping[str, Any]) -> Server:
    """The server that a connection's properties tell of. Raises AMQPError when it is too old."""
    version = properties["version"]
    server = Server(version.decode() if isinstance(version, bytes) else str(version))
    if server.numbers < OLDEST:
        raise AMQPError(f"it is RabbitMQ {server.version}; Craton needs 3.10 or newer")
    return server
