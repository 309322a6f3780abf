"""What every process starts with: its event loop, and its log."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable


def event_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop's, where it is installed; None stands for Python's own."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


def log_to_stderr(service: str, package: str) -> None:
    """Plain lines under the service's name; of libraries, only what is a warning or worse."""
    form = f"{service} | %(asctime)s %(levelname)s %(name)s: %(message)s"
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format=form, datefmt="%H:%M:%S")
    for ours in ("craton", package.partition(".")[0]):
        logging.getLogger(ours).setLevel(logging.INFO)
    logging.getLogger("aiormq").setLevel(logging.CRITICAL)  # it logs each attempt; Craton says once how it is
