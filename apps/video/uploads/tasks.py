"""The tasks of uploads: files are put together, and removed, outside of anybody's request."""

from __future__ import annotations

from apps.video.uploads.events import SweepDue, UploadJoined
from craton import Task, Value


class Join(Value):
    """The parts of an upload, in their order: blobs in one folder."""

    upload: str
    folder: str
    parts: tuple[str, ...]


class Remove(Value):
    """Blobs, or folders of them, but for what is in the folder that is `kept`."""

    paths: tuple[str, ...]
    kept: str = ""


class Removed(Value):
    """They are gone."""


class Sweep(Value):
    """It is time."""


join = Task("join", Join, UploadJoined, queue="files", timeout=3600, stall=120, retries=5, backoff=(1, 60))
remove = Task("remove", Remove, Removed, queue="files", timeout=600, retries=10, backoff=(2, 600))
sweep = Task("sweep", Sweep, SweepDue, queue="files", timeout=60, every=600)
