"""A mail server of one's own, by aiosmtpd, that fails as it is told to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any, Literal

from aiosmtpd.controller import Controller

from craton.run.folder import free_port

Trouble = Literal["fine", "busy", "unknown mailbox", "greylisted", "cut off when taken"]


class Mailbox:
    """What arrived, in order; `troubles` are what happens to the next deliveries, the first of them first."""

    def __init__(self) -> None:
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.troubles: list[Trouble] = []
        self.arrived: list[EmailMessage] = []
        self.recipients: list[tuple[str, ...]] = []
        self.controller: Controller | None = None

    @property
    def ids(self) -> list[str]:
        """The Message-IDs of what arrived."""
        return [str(mail["Message-ID"]) for mail in self.arrived]

    def open(self) -> None:
        """Listen."""
        self.controller = Controller(self, hostname="127.0.0.1", port=self.port)
        self.controller.start()

    def close(self) -> None:
        """Be away."""
        controller, self.controller = self.controller, None
        if controller is not None:
            controller.stop()

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        """What aiosmtpd calls for a recipient."""
        refusals = {"busy": "421 not now", "unknown mailbox": "550 no such user", "greylisted": "450 come back"}
        if self.troubles and (refusal := refusals.get(self.troubles[0])):
            self.troubles.pop(0)
            return refusal
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        """What aiosmtpd calls for a message."""
        self.arrived.append(message_from_bytes(envelope.content, policy=policy.default))
        self.recipients.append(tuple(envelope.rcpt_tos))
        if self.troubles and self.troubles.pop(0) == "cut off when taken":
            server.transport.abort()
        return "250 OK"


@contextmanager
def mailbox() -> Iterator[Mailbox]:
    """A mail server that runs as long as the `with` block."""
    box = Mailbox()
    box.open()
    try:
        yield box
    finally:
        box.close()
