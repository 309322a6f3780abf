"""`python -m craton.lab.crashtest_armed`: one service, as `craton serve` runs it, that asks the crash test at each
failpoint whether it may go on. Its leases are short, so that one can be slept through.
"""

from __future__ import annotations

import os
import socket
import sys
from contextlib import suppress
from stat import S_ISSOCK
from threading import Lock

from craton.data import effects
from craton.failpoints import LISTENERS
from craton.messages import relay
from craton.run.environment import Environment
from craton.run.serve import run
from craton.sagas import asking

CONTROL = "CRATON_CRASHTEST"
"""The environment variable that names the socket of the crash test."""
LEASE = 2.0
"""Seconds that anything is leased to one process."""
SELDOM = 1.0
"""Seconds between two looks for what another process has left behind, at most."""
GO_ON, CUT = b"+", b"-"


class Told:
    """The line to the crash test: it is told of each failpoint, and this thread waits for what it says."""

    def __init__(self, path: str, service: str) -> None:
        self.path, self.turn = path, Lock()
        self.line = socket.socket(socket.AF_UNIX)
        self.line.connect(path)
        self.line.sendall(f"{service} {os.getpid()}\n".encode())

    def __call__(self, name: str) -> None:
        """A failpoint: the crash test may kill or stop this process before it answers."""
        with self.turn:
            self.line.sendall(f"{name}\n".encode())
            if self.line.recv(1) == CUT:
                cut(self.path)


def cut(path: str) -> None:
    """End every connection of this process, whoever is at its other end, but the one to `path`."""
    for file in map(int, os.listdir("/dev/fd")):
        with suppress(OSError):
            if S_ISSOCK(os.fstat(file).st_mode):
                with socket.socket(fileno=os.dup(file)) as found:
                    ends = found.getpeername(), found.getsockname()  # an event loop's own pairs have no names
                    if any(ends) and path not in ends:
                        found.shutdown(socket.SHUT_RDWR)


def hasten() -> None:
    """Short leases, and patience to match."""
    for name, file in sys.modules.items():
        if name.startswith(("craton.sagas.", "craton.messages.")):
            vars(file).update({word: globals()[word] for word in ("LEASE", "SELDOM") if word in vars(file)})
    effects.MARGIN, asking.ANSWER, relay.LONGEST = LEASE / 4, LEASE, LEASE / 2


def main() -> None:
    """Serve, armed."""
    environment = Environment.parse(os.environ)
    hasten()
    LISTENERS.append(Told(os.environ[CONTROL], environment.service))
    run(sys.argv[1], environment)


if __name__ == "__main__":
    main()
