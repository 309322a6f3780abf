"""Which tests run one after the other in one worker: those of a file, but those of an application's structure together.

An application that a session's fixture starts is started once for all tests of its structure, not again for each file.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling, Scheduling

STRUCTURE = re.compile(r"\[(?:.*-)?(\w+-(?:local|wire)-(?:sqlite|postgresql))\]$")


class LoadStructureScheduling(LoadFileScheduling):  # type: ignore[misc]
    """Gives a worker all tests of one file, or of one application in one structure."""

    def _split_scope(self, nodeid: str) -> str:
        file, _, test = nodeid.partition("::")
        folder, found = str(PurePosixPath(file).parent), STRUCTURE.search(test)
        return f"{folder}/{found[1]}" if found and folder in ("tests/store", "tests/video") else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Scheduling | None:
    """Put it in the place of `--dist=loadfile`."""
    return LoadStructureScheduling(config, log) if config.getvalue("dist") == "loadfile" else None
