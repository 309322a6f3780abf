"""Looking around: the library, and the search."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.responses import Response

from apps.video.site.cinema import Cinema
from apps.video.site.rendering import page
from apps.video.site.visit import Visit
from apps.video.videos.contract import InvalidCursor
from craton import Page

MANY = 24


@dataclass(frozen=True, slots=True)
class Library:
    """What there is to watch."""

    cinema: Cinema

    async def home(self, visit: Visit) -> Response:
        """The newest videos, or those that were searched for."""
        asked = visit.request.query_params
        question, cursor = asked.get("q", "").replace("\0", "").strip()[:200], asked.get("cursor") or None
        try:
            found = await self.cinema.videos.search(question, cursor, MANY)
        except InvalidCursor:
            found = Page(())
        covers = await self.cinema.covers(found.items)
        return page("home.html", visit, found=found, covers=covers, question=question, first=cursor is None)
