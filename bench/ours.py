"""Our side: what calls carry."""

from __future__ import annotations

import itertools
import os
from contextlib import AbstractContextManager
from importlib.metadata import version

from craton.testing.start import calling, user

CRATON = f"craton {version('craton')} (msgspec {version('msgspec')})"
NUMBERS = itertools.count()


def order() -> str:
    """A new order's id."""
    return f"order-{next(NUMBERS):012d}"


def calls_of_a_user() -> AbstractContextManager[object]:
    """What real calls carry: a caller and a deadline."""
    return calling(caller=user("1"), timeout=3600)


def keyed() -> AbstractContextManager[object]:
    """The same, and a new random idempotency key: the call writes an inbox row."""
    return calling(caller=user("1"), key=os.urandom(16).hex(), timeout=3600)
