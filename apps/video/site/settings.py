"""What differs from one installation to another in the pages."""

from __future__ import annotations

from craton import Settings


class SiteSettings(Settings):
    """`name`: what it is called; `limit`: seconds that a page may take; `patience`: that it waits for what it can do
    without."""

    name: str = "Matinée"
    limit: float = 4.0
    patience: float = 0.3
