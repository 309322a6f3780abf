"""What others may know of transcoding."""

from __future__ import annotations

from typing import Literal, Protocol

from apps.video.videos.events import VideoDeleted, VideoUploaded
from craton import Fault, Value, on, query, saga

Stage = Literal["inspecting", "encoding", "assembling", "checking", "published", "refused", "failed", "stopped"]
"""inspecting -> encoding -> assembling -> checking -> published; refused: nothing can be made of what was uploaded;
failed: it could not be done; stopped: the video was deleted."""


class Progress(Value):
    """How far a video has come. `done`: the share of the work that is done, 0 to 1; `reason`: why it was refused, or
    failed."""

    video: str
    stage: Stage
    done: float
    reason: str = ""


class TranscodingNotFound(Fault, status=404):
    """Nothing was ever transcoded for this video."""

    video: str


class Transcoding(Protocol):
    """Makes of what was uploaded what browsers play, with workers of whom any may die at any moment."""

    @query(get="/videos/{video}/transcoding", raises=TranscodingNotFound, allow="anyone")
    async def progress(self, video: str) -> Progress:
        """How far a video has come."""
        ...

    @on(VideoUploaded)
    @saga
    async def transcode(self, event: VideoUploaded) -> None:
        """Make an edition of a video, and publish it; or say why there is none."""
        ...

    @on(VideoDeleted)
    async def stop(self, event: VideoDeleted) -> None:
        """Its jobs stop, and all files that were made of it go."""
        ...
