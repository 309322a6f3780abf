"""What runs now, as far as it is recorded: the run of a method, and the statement that it waits for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from contextvars import ContextVar

MANY = 4
"""So often in one run is a loop: what is written out stands there two or three times."""
Done = tuple[str, str]
"""By which method that was called, and those that it called, what was done."""


class Run:
    """One run of a method, within that of another where `parent` called it in the same process.

    `seen` counts statements, and `sent` calls over links: those of its own (by ""), and those of methods that it called
    here, by their names. What a method did many times is told of it; what it did a few times counts for who called it,
    since the loop may be there.
    """

    __slots__ = ("method", "module", "parent", "seen", "sent")

    def __init__(self, method: str, parent: Run | None) -> None:
        self.method, self.module, self.parent = method, method.partition(".")[0], parent
        self.seen, self.sent = Counter[Done](), Counter[Done]()

    def end(self) -> None:
        """Let who called it know what it did only a few times."""
        if self.parent is not None:
            for own, above in ((self.seen, self.parent.seen), (self.sent, self.parent.sent)):
                self.pass_on({done: number for done, number in own.items() if number < MANY}, above)

    def pass_on(self, own: Mapping[Done, int], above: Counter[Done]) -> None:
        """Count for the caller. Where that is the same call, of which this was one attempt, no more than once."""
        assert self.parent is not None
        for (by, what), number in own.items():
            if self.parent.method == self.method:
                above[by, what] = max(above[by, what], number)
            else:
                above[f"{self.method} {by}", what] += number


class Statement:
    """A statement that runs: its text, once that is known, and the seconds that it had to wait before."""

    __slots__ = ("text", "waited")

    def __init__(self) -> None:
        self.text, self.waited = "", 0.0


RUNNING: ContextVar[Run | None] = ContextVar("craton-recorded", default=None)
"""The method that runs now; it is set only where something is recorded."""
STATEMENT: ContextVar[Statement | None] = ContextVar("craton-recorded-statement", default=None)
