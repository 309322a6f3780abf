"""The video application, as a value: its modules, and where their implementations stand."""

from __future__ import annotations

from apps.store.users.contract import Users
from apps.store.users.settings import UserSettings
from apps.video.playback.contract import Playback
from apps.video.playback.settings import PlaybackSettings
from apps.video.site.settings import SiteSettings
from apps.video.transcoding import tasks as transcoding
from apps.video.transcoding.contract import Transcoding
from apps.video.transcoding.settings import TranscodingSettings
from apps.video.uploads.contract import Uploads
from apps.video.uploads.settings import TusSettings, UploadSettings
from apps.video.uploads.tasks import join, remove, sweep
from apps.video.videos.contract import Videos
from craton import Application, Module

video = Application("video", [
    Module(  # accounts and sessions are the same for a shop as for films: this is the store's module
        "users", Users, "apps.store.users.module:Accounts", owner="identity", settings=UserSettings,
        tables="apps.store.users.tables:metadata", migrations="apps.store.users.migrations",
    ),
    Module(
        "uploads", Uploads, "apps.video.uploads.module:Desk", owner="ingest", settings=UploadSettings,
        tables="apps.video.uploads.tables:metadata", migrations="apps.video.uploads.migrations",
        tasks={
            join: "apps.video.uploads.work:join", remove: "apps.video.uploads.work:remove",
            sweep: "apps.video.uploads.work:sweep",
        },
    ),
    Module("tus", asgi="apps.video.uploads.tus:tus", path="/files", owner="ingest", settings=TusSettings),
    Module(
        "videos", Videos, "apps.video.videos.module:Shelf", owner="catalog",
        tables="apps.video.videos.tables:metadata", migrations="apps.video.videos.migrations",
    ),
    Module(
        "transcoding", Transcoding, "apps.video.transcoding.module:Desk", owner="studio", settings=TranscodingSettings,
        tables="apps.video.transcoding.tables:metadata", migrations="apps.video.transcoding.migrations",
        tasks={
            transcoding.inspect: "apps.video.transcoding.work:inspect",
            transcoding.encode: "apps.video.transcoding.work:encode",
            transcoding.hear: "apps.video.transcoding.work:hear",
            transcoding.depict: "apps.video.transcoding.work:depict",
            transcoding.assemble: "apps.video.transcoding.work:assemble",
            transcoding.finish: "apps.video.transcoding.work:finish",
            transcoding.remove: "apps.video.transcoding.work:remove",
        },
    ),
    Module(
        "playback", Playback, "apps.video.playback.module:Projector", owner="delivery", settings=PlaybackSettings,
        tables="apps.video.playback.tables:metadata", migrations="apps.video.playback.migrations",
    ),
    Module("site", asgi="apps.video.site.site:site", owner="web", settings=SiteSettings),
    Module("media", asgi="apps.video.media.files:files", path="/media", owner="delivery"),
])
