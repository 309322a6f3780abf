"""The crash test's side of the failpoints: it hears of each that is reached, and strikes at the one it waits for."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from craton.lab.crashtest_armed import CUT, GO_ON

Kind = Literal["kill", "disconnect", "pause"]
KINDS: tuple[Kind, ...] = get_args(Kind)
PAUSE = 3.5
"""Seconds for which a process is stopped: longer than any lease of an armed one."""


@dataclass(frozen=True, slots=True)
class Place:
    """A failpoint of one service."""

    service: str
    point: str


@dataclass(frozen=True, slots=True)
class Blow:
    """What happens to the process that comes to a place for the n-th time."""

    place: Place
    nth: int
    kind: Kind


class Control:
    """Listens on a socket, with a thread for each armed process: `with Control(path) as control`."""

    def __init__(self, path: Path) -> None:
        self.path, self.turn = path, threading.Lock()
        self.seen: Counter[Place] = Counter()
        self.blow: Blow | None = None
        self.struck = threading.Event()
        self.resting = 0

    def __enter__(self) -> Control:
        self.server = socket.create_server(str(self.path), family=socket.AF_UNIX)
        threading.Thread(target=self.listen, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self.server.close()

    def listen(self) -> None:
        """Take connections until the socket is closed."""
        try:
            while True:
                line, _ = self.server.accept()
                threading.Thread(target=self.attend, args=(line,), daemon=True).start()
        except OSError:
            return

    def attend(self, line: socket.socket) -> None:
        """One process, until its end."""
        with line, line.makefile("r") as told:
            service, _, pid = told.readline().partition(" ")
            try:
                for name in told:
                    line.sendall(self.judge(Place(service, name.strip()), int(pid)))
            except OSError:  # it died
                return

    def judge(self, place: Place, pid: int) -> bytes:
        """What a process hears that has come to a place; nothing, if it is killed there."""
        with self.turn:
            self.seen[place] += 1
            blow = self.blow
            if blow is None or self.struck.is_set() or blow.place != place or self.seen[place] != blow.nth:
                return GO_ON
            self.resting += blow.kind == "pause"
            self.struck.set()
        if blow.kind == "kill":
            os.kill(pid, signal.SIGKILL)
        elif blow.kind == "pause":
            self.stop(pid)
        return CUT if blow.kind == "disconnect" else GO_ON

    def stop(self, pid: int) -> None:
        """Have a process stand still, as on a machine that is moved; then it goes on as if nothing had been."""
        os.kill(pid, signal.SIGSTOP)
        try:
            time.sleep(PAUSE)
        finally:
            self.resting -= 1
            os.kill(pid, signal.SIGCONT)

    @contextmanager
    def armed(self, blow: Blow | None) -> Iterator[None]:
        """Strike once within a `with` block, counting anew."""
        with self.turn:
            self.seen.clear()
            self.struck.clear()
            self.blow = blow
        try:
            yield
        finally:
            with self.turn:
                self.blow = None
