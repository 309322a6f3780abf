"""Files in a folder, written so that they are there whole or not at all, while others write and remove beside them.

All of it blocks: it is called on threads.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import IO, TypeVar

T = TypeVar("T")
TRIES = 20
"""How often a folder that somebody else removes is made anew, and a folder that somebody else fills is emptied."""


def again(work: Callable[[], T], folder: Path) -> T:
    """Do something in a folder, which somebody else may remove meanwhile since it is empty."""
    for _ in range(TRIES):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            return work()
        except (FileNotFoundError, FileExistsError):  # also of mkdir: it may go between two looks at it
            continue
    return work()


def opened(file: Path) -> IO[bytes]:
    """A new file."""
    return again(lambda: file.open("xb"), file.parent)


def settle(out: IO[bytes]) -> None:
    """Have it on the disk."""
    out.flush()
    os.fsync(out.fileno())


def replace(partial: Path, target: Path) -> None:
    """Put a whole file in its place, for good."""
    partial.replace(target)
    try:
        folder = os.open(target.parent, os.O_RDONLY)
    except FileNotFoundError:  # somebody has removed it since, with the file
        return
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def move(source: Path, target: Path, root: Path) -> None:
    """Move a file."""
    if not source.is_file():
        raise FileNotFoundError(source)
    again(lambda: replace(source, target), target.parent)
    prune(source.parent, root)


def remove(path: Path, root: Path) -> None:
    """Remove a file, or a folder with all that is in it, though somebody may still be writing there."""
    for _ in range(TRIES):
        if not path.is_dir():
            path.unlink(missing_ok=True)
            break
        shutil.rmtree(path, ignore_errors=True)
    prune(path.parent, root)


def remove_all_but(kept: Path, path: Path, root: Path) -> None:
    """Remove what is in a folder, but for a folder below it."""
    for one in list(path.iterdir()) if path.is_dir() else ():
        if kept != one and kept.is_relative_to(one):
            remove_all_but(kept, one, root)
        elif kept != one:
            remove(one, root)


def prune(folder: Path, root: Path) -> None:
    """Remove folders that are empty."""
    while folder != root and folder.is_relative_to(root):
        try:
            folder.rmdir()
        except FileNotFoundError:
            pass
        except OSError:
            return
        folder = folder.parent
