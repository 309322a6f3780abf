"""Says what goes wrong once for each cause, however often it is tried again."""

from __future__ import annotations

import logging

log = logging.getLogger("craton.messages")


class Told:
    """`bad` logs an error unless it is the one that was logged last; `good` forgets it, and says that it is over."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.causes: dict[str, str] = {}

    def bad(self, error: BaseException, what: str | None = None) -> None:
        """It went wrong."""
        what, cause = what or self.what, f"{type(error).__name__}: {error}"
        if self.causes.get(what) != cause:
            self.causes[what] = cause
            log.warning("%s: %s", what, cause)

    def good(self, what: str | None = None) -> None:
        """It went well."""
        what = what or self.what
        if self.causes.pop(what, None) is not None:
            log.info("%s: no longer", what)
