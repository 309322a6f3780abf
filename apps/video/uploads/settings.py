"""What differs from one installation to another in the uploads module."""

from __future__ import annotations

from craton import Settings


class UploadSettings(Settings):
    """`most`: bytes of one upload; `quota`: bytes of one person's uploads; `lifetime`: seconds that an upload waits for
    its next bytes, before it expires."""

    most: int = 8 << 30
    quota: int = 32 << 30
    lifetime: int = 24 * 3600


class TusSettings(Settings):
    """`part`: bytes that are written, and recorded, at once; what has come since is lost where a connection breaks."""

    part: int = 8 << 20
