"""The video application, as a value: its modules, and where their implementations stand."""

from __future__ import annotations

from apps.video.playback.contract import Playback
from apps.video.playback.settings import PlaybackSettings
from apps.video.uploads.contract import Uploads
from apps.video.uploads.settings import UploadSettings
from apps.video.videos.contract import Videos
from craton import Application, Module

video = Application("video", [
    Module(
        "uploads", Uploads, "apps.video.uploads.module:Desk", owner="ingest", settings=UploadSettings,
        tables="apps.video.uploads.tables:metadata", migrations="apps.video.uploads.migrations",
    ),
    Module(
        "videos", Videos, "apps.video.videos.module:Shelf", owner="catalog",
        tables="apps.video.videos.tables:metadata", migrations="apps.video.videos.migrations",
    ),
    Module(
        "playback", Playback, "apps.video.playback.module:Projector", owner="delivery", settings=PlaybackSettings,
        tables="apps.video.playback.tables:metadata", migrations="apps.video.playback.migrations",
    ),
])
