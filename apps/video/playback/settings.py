"""What differs from one installation to another in the playback module."""

from __future__ import annotations

from craton import Settings


class PlaybackSettings(Settings):
    """`lifetime`: seconds that an address of a file is good for at least, and twice that at most. `window`: seconds
    within which a viewer's views of a video count as one. `enough`: seconds to watch, or a third of what is shorter,
    before that is a view."""

    lifetime: int = 1800
    window: int = 3600
    enough: float = 10.0
