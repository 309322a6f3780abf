"""A child process of a worker: runs handlers that are a plain `def`, one job at a time.

`python -m craton.tasks.child FD` talks with its worker over a socket. It leads a process group of its own, so that all
that a handler has started can be killed with it; and kills that group itself when its worker is gone.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import struct
import sys
import threading
from queue import SimpleQueue
from typing import Any

import msgspec

from craton.calls import codec
from craton.tasks.handlers import Handler, Supplies, handler_of
from craton.tasks.job import ChildJob
from craton.tasks.messages import READ_REQUESTED, Requested
from craton.tasks.outcomes import Outcome, failed, given, is_expected, raised, trace

log = logging.getLogger("craton.tasks")
SIZE = struct.Struct("!I")


class Start(msgspec.Struct, frozen=True, tag="start"):
    """Where modules are looked for."""

    places: list[str]


class Work(msgspec.Struct, frozen=True, tag="work"):
    """A job to do: the handler of the task "module.task", and the requested event."""

    path: str
    name: str
    job: bytes


class Recorded(msgspec.Struct, frozen=True, tag="recorded"):
    """The checkpoint that was told last is recorded."""


class Begun(msgspec.Struct, frozen=True, tag="begun"):
    """The handler is called now."""


class Told(msgspec.Struct, frozen=True, tag="told"):
    """How far the job is. With a checkpoint, the child waits for `Recorded`."""

    share: float
    checkpoint: bytes | None = None


WRITER = msgspec.msgpack.Encoder()
TO_CHILD = msgspec.msgpack.Decoder(Start | Work | Recorded)
TO_WORKER = msgspec.msgpack.Decoder(Begun | Told | Outcome)


def framed(message: Any) -> bytes:
    """A message as it goes over the socket: its size, and itself."""
    body = WRITER.encode(message)
    return SIZE.pack(len(body)) + body


class Desk:
    """The child's side of the socket."""

    def __init__(self, line: socket.socket) -> None:
        self.line, self.stream = line, line.makefile("rb")
        self.work: SimpleQueue[Work] = SimpleQueue()
        self.recorded: SimpleQueue[Recorded] = SimpleQueue()

    def send(self, message: Begun | Told | Outcome) -> None:
        """Tell the worker something."""
        self.line.sendall(framed(message))

    def listen(self) -> None:
        """Take what the worker says, until it is gone: then nobody wants what runs here."""
        try:
            while head := self.stream.read(SIZE.size):
                self.take(TO_CHILD.decode(self.stream.read(SIZE.unpack(head)[0])))
        except Exception as error:
            log.error("the worker cannot be understood: %r", error)
        os.killpg(0, signal.SIGKILL)

    def take(self, message: Start | Work | Recorded) -> None:
        """One message."""
        if isinstance(message, Start):
            sys.path[:] = message.places
        elif isinstance(message, Work):
            self.work.put(message)
        else:
            self.recorded.put(message)

    def tell(self, share: float, checkpoint: bytes | None) -> None:
        """How far the job is; a checkpoint is recorded when this returns."""
        self.send(Told(share, checkpoint))
        if checkpoint is not None:
            self.recorded.get()


def main(number: int) -> None:
    """Do jobs until the worker is gone."""
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    desk = Desk(socket.socket(fileno=number))
    threading.Thread(target=desk.listen, name="worker", daemon=True).start()
    handlers: dict[str, Handler] = {}
    supplies = Supplies(os.environ)
    while True:
        work = desk.work.get()
        desk.send(outcome_of(work, handlers, supplies, desk))


def outcome_of(work: Work, handlers: dict[str, Handler], supplies: Supplies, desk: Desk) -> Outcome:
    """Do one job."""
    job = READ_REQUESTED.decode(work.job)
    try:
        if work.name not in handlers:
            handlers[work.name] = handler_of(work.path, work.name)
        return carry_out(handlers[work.name], job, supplies, desk)
    except SystemExit as error:
        return failed("exit", f"the handler called exit({error.code})")
    except BaseException as error:
        if not is_expected(error):
            log.warning("%s, attempt %s: %s", job.taskid, job.taskattempt, trace(error))
        return raised(error)


def carry_out(handler: Handler, job: Requested, supplies: Supplies, desk: Desk) -> Outcome:
    """Call the handler."""
    given_job = ChildJob(job, desk.tell)
    input, needs = codec.from_json(handler.input, job.data), supplies.of(handler, given_job)
    desk.send(Begun())
    return given(handler, handler.function(input, **needs))


if __name__ == "__main__":
    main(int(sys.argv[1]))
