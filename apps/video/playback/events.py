"""What happens in playback."""

from __future__ import annotations

from craton import Event


class VideoViewed(Event, key="video"):
    """A viewer has watched a video, for the first time in a while."""

    video: str
    viewer: str
