"""The cookies of the pages, which other ASGI applications of this origin may read."""

from __future__ import annotations

SESSION = "video_session"
"""The token of whoever is signed in."""
REFRESH = "video_refresh"
"""What renews it."""
