"""A test that does not end even when its time is over ends its worker, with all stacks printed: no run hangs."""

from __future__ import annotations

import faulthandler
import os
import threading
from collections.abc import Generator

import pytest
from _pytest.faulthandler import fault_handler_stderr_fd_key

FURTHER = 120.0
"""Seconds for what a test that ran out of time has to close."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Give one test, with its fixtures, the time that pytest-timeout gives it, and some more."""
    marker = item.get_closest_marker("timeout")
    limit = float(marker.args[0] if marker else item.config.getini("timeout"))
    timer = threading.Timer(limit + FURTHER, end, [item])  # not faulthandler's own: a test that fails cancels it
    timer.daemon = True
    timer.start()
    try:
        return (yield)
    finally:
        timer.cancel()


def end(item: pytest.Item) -> None:
    """End this process, at once."""
    terminal = item.config.stash[fault_handler_stderr_fd_key]  # what the usual place gets is captured
    os.write(terminal, f"\n{item.nodeid} does not end:\n".encode())
    faulthandler.dump_traceback(terminal)
    os._exit(1)
