"""What others may know of transcoding."""

from __future__ import annotations

from typing import Literal, Protocol

from craton import Fault, Value, query

Stage = Literal["inspecting", "encoding", "assembling", "checking", "published", "refused", "failed", "stopped"]
"""inspecting -> encoding -> assembling -> checking -> published; refused: nothing can be made of what was uploaded;
failed: it could not be done; stopped: the video was deleted meanwhile."""


class Rendition(Value):
    """A video in one size. `bandwidth` and `average`: bits per second, sound included, of its heaviest segment and of
    all; `size`: bytes. `name` is the length of its shorter side, such as "720p"."""

    name: str
    width: int
    height: int
    bandwidth: int
    average: int
    size: int


class Output(Value):
    """What came of a video: HLS with fMP4 segments, and pictures. Everything stands in the blobs, under `folder`.

    `playlist`, `poster` and `storyboard` are paths in that folder: the playlist of all renditions, a JPEG, and a
    WebVTT file that says which part of which picture belongs to which second. `rate`: frames per second.
    """

    folder: str
    playlist: str
    poster: str
    storyboard: str
    duration: float
    frames: int
    rate: float
    renditions: tuple[Rendition, ...]
    sound: bool


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
    """Makes of what was uploaded what browsers play."""

    @query(get="/videos/{video}/transcoding", raises=TranscodingNotFound, allow="anyone")
    async def progress(self, video: str) -> Progress:
        """How far a video has come."""
        ...
