"""How well the replicas of a service answer: one that fails, or is far slower than the others, is set aside."""

from __future__ import annotations

from craton.calls.link import Reply

FAILURES = 5  # in a row
PAUSE, LONGEST = 1.0, 60.0  # seconds that a replica is set aside: doubled each time, until it has answered well
SLOWER, SLOW = 10.0, 0.1  # so many times slower than the best one, and slower than so many seconds
SAMPLE = 50  # answers that a pace is judged by
BROKEN = ("failed", "unknown")


class Health:
    """What is known of one replica. `until`: when it may be asked again; `pace`: how long answers took lately."""

    def __init__(self) -> None:
        self.failures, self.answers, self.pace = 0, 0, 0.0
        self.ejections, self.until = 0, 0.0

    def failed(self) -> bool:
        """No answer came, or it said that something broke. Whether that was once too often."""
        self.failures += 1
        return self.failures >= (1 if self.ejections and not self.answers else FAILURES)

    def answered(self, reply: Reply, seconds: float) -> bool:
        """An answer came. Whether this replica should be set aside, or compared with the others."""
        if reply.status in BROKEN:
            return self.failed()
        self.failures, self.answers = 0, self.answers + 1
        self.pace += (seconds - self.pace) / min(self.answers, SAMPLE)
        if self.answers >= 4 * SAMPLE:
            self.ejections = 0
        return self.answers % SAMPLE == 0

    def complaint(self, others: list[Health]) -> str:
        """What is wrong with it, compared with the others; "" when nothing is."""
        if self.failures:
            return f"{self.failures} calls in a row failed"
        best = min((other.pace for other in others if other.answers >= SAMPLE), default=self.pace)
        return f"it takes {self.pace:.2g} s, others {best:.2g} s" if self.pace > max(SLOW, SLOWER * best) else ""

    def eject(self, now: float, share: float) -> float:
        """Set it aside for a share of the pause that is due; for how long."""
        pause = min(PAUSE * 2.0 ** min(self.ejections, 10), LONGEST) * share
        self.failures, self.answers, self.pace = 0, 0, 0.0
        self.ejections, self.until = self.ejections + 1, now + pause
        return pause
