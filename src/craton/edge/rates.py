"""Rates: so many requests a second for each caller, kept in little memory (a token bucket as one moment in time)."""

from __future__ import annotations

from math import ceil

from craton.edge.problems import Problem

KEPT = 1000
"""Values of RateLimit that are made once."""
MOST = 100_000
"""Callers that are remembered at once; who is forgotten begins anew."""


class Rate:
    """`per_second` requests of each who asks, and `burst` of them at once; 0 means as many as they like.

    Of each, all that is kept is when their bucket will be full again (the generic cell rate algorithm of ATM).
    """

    def __init__(self, name: str, *, per_second: float, burst: int, most: int = MOST) -> None:
        self.name, self.per_second, self.burst, self.most = name, per_second, burst, most
        self.each = 1 / per_second if per_second else 0.0
        self.depth = burst * self.each
        self.full: dict[str, float] = {}
        window = max(1, ceil(self.depth))
        self.policy = b'"%b";q=%d;w=%d' % (name.encode(), max(1, round(window * per_second)), window)
        self.states: dict[int, bytes] = {}

    def take(self, who: str, *, now: float) -> bytes:
        """Take one; the value of RateLimit. Problem where there is none left."""
        before = self.full.get(who)
        if before is None and len(self.full) >= self.most:
            self.forget(now)
        full = (before if before is not None and before > now else now) + self.each
        left = self.depth - (full - now)
        if left < -1e-9:
            raise self.refused(-left)
        self.full[who] = full
        count = int(left * self.per_second + 1e-9)
        return self.states.get(count) or self.state(count)

    def state(self, left: int) -> bytes:
        """RateLimit (draft-ietf-httpapi-ratelimit-headers): how many are left, and when all will be there again."""
        made = b'"%b";r=%d;t=%d' % (self.name.encode(), left, ceil((self.burst - left) * self.each))
        if left < KEPT:
            self.states[left] = made
        return made

    def refused(self, wait: float) -> Problem:
        """What to answer to one too many."""
        seconds = max(1, ceil(wait))
        told = {"RateLimit-Policy": self.policy.decode(), "RateLimit": f'"{self.name}";r=0;t={seconds}'}
        return Problem("too-many-requests", f"Ask again in {seconds} s.", headers=told | {"Retry-After": str(seconds)})

    def forget(self, now: float) -> None:
        """Forget those whose buckets are full; where that is not enough, those who came first."""
        self.full = {who: full for who, full in self.full.items() if full > now}
        while len(self.full) >= self.most:
            del self.full[next(iter(self.full))]
