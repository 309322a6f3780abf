"""Pages made of templates, which are compiled once."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse, Response

from apps.video.site import statics
from apps.video.site.visit import Visit

TEMPLATES = Path(__file__).with_name("templates")
FRESH = {"Cache-Control": "no-store"}
"""Pages hold what is the visitor's own, and addresses that expire: no cache keeps them."""
SIZES = ("bytes", "KB", "MB", "GB", "TB")
AGES = ((365 * 86400, "year"), (30 * 86400, "month"), (86400, "day"), (3600, "hour"), (60, "minute"))


@cache
def environment() -> Environment:
    """The templates, all of them compiled."""
    made = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, auto_reload=False, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )
    made.globals.update(static=statics.address)
    made.filters.update(clock=clock, size=size, age=age, times=times)
    for name in made.list_templates():
        made.get_template(name)
    return made


def clock(seconds: float) -> str:
    """A length of time as players show it: 1:02:03."""
    minutes, left = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{left:02d}" if hours else f"{minutes}:{left:02d}"


def size(count: float) -> str:
    """Bytes, for people."""
    steps = 0
    while count >= 1000 and steps < len(SIZES) - 1:
        count, steps = count / 1000, steps + 1
    return f"{count:.1f} {SIZES[steps]}" if steps and count < 100 else f"{count:.0f} {SIZES[steps]}"


def age(then: datetime) -> str:
    """How long ago something was, for people."""
    passed = (datetime.now(UTC) - then).total_seconds()
    for unit, name in AGES:
        if passed >= unit:
            return f"{times(int(passed // unit), name)} ago"
    return "just now"


def times(count: int, what: str) -> str:
    """So many of something: `1 view`, `2 views`."""
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"


def page(template: str, visit: Visit, *, status: int = 200, **values: Any) -> Response:
    """A page for a visitor."""
    shown = environment().get_template(template).render({"visit": visit, "note": visit.note}, **values)
    return HTMLResponse(shown, status, FRESH)
