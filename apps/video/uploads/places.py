"""Where the bytes of uploads lie in the blobs."""

from __future__ import annotations

FOLDER = "uploads/parts"


def folder_of(upload: str) -> str:
    """The parts of one upload."""
    return f"{FOLDER}/{upload}"


def part_of(upload: str, offset: int, name: str) -> str:
    """A part that begins at a byte. Whoever sends one sends it under another name: of two only one may be recorded."""
    return f"{folder_of(upload)}/{offset:013d}-{name}"


def job_of(source: str) -> str:
    """All that the attempts of a job have written, whose one result this is: uploads/job-1/2-5/source."""
    return attempt_of(source).rpartition("/")[0]


def attempt_of(source: str) -> str:
    """All that the attempt has written whose result this is: uploads/job-1/2-5."""
    return source.rpartition("/")[0]
