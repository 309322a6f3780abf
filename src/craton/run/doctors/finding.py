"""One thing that `craton doctor` found."""

from __future__ import annotations

from craton.values import Value


class Finding(Value):
    """Of `part`, `what` was `found`, and `why` it is so or set so; where it is `wrong`, `why` says what to do."""

    part: str
    what: str
    found: str
    why: str = ""
    wrong: bool = False
