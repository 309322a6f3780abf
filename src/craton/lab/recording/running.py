"""What runs now, as far as it is recorded: the run of a method, and the statement that it waits for."""

from __future__ import annotations

from collections import Counter
from contextvars import ContextVar

MANY = 4
"""So often in one run is a loop: what is written out stands there two or three times."""


class Run:
    """One run of a method, within that of another where `parent` called it in the same process.

    `seen` counts statements, and calls over links, by what brought them about. What it did many times is told of it,
    and else counts for who called it: the loop may be there.
    """

    __slots__ = ("method", "module", "parent", "seen", "sent")

    def __init__(self, method: str, parent: Run | None) -> None:
        self.method, self.module, self.parent = method, method.partition(".")[0], parent
        self.seen, self.sent = Counter[str](), Counter[str]()

    def end(self) -> None:
        """Let who called it know what it did only a few times."""
        if self.parent is not None:
            pass_on(self.seen, self.parent.seen, again=self.parent.method == self.method)
            pass_on(self.sent, self.parent.sent, again=self.parent.method == self.method)


def pass_on(own: Counter[str], above: Counter[str], *, again: bool) -> None:
    """Count for the caller. `again`: the caller is the same call, of which this was one attempt."""
    for what, number in own.items():
        if number < MANY:
            above[what] = max(above[what], number) if again else above[what] + number


class Statement:
    """A statement that runs: its text, once that is known, and the seconds that it had to wait before."""

    __slots__ = ("text", "waited")

    def __init__(self) -> None:
        self.text, self.waited = "", 0.0


RUNNING: ContextVar[Run | None] = ContextVar("craton-recorded", default=None)
"""The method that runs now; it is set only where something is recorded."""
STATEMENT: ContextVar[Statement | None] = ContextVar("craton-recorded-statement", default=None)
