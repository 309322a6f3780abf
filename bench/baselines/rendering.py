"""The store's own pages: its templates, pictures and currencies, so that rendering costs what it costs there."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

from fastapi.responses import HTMLResponse, RedirectResponse, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from apps.store.storefront import statics
from apps.store.storefront.currencies import AS_OF, CURRENCIES, exact
from bench.baselines.visit import Visit

TEMPLATES = Path(statics.__file__).with_name("templates")
FRESH = {"Cache-Control": "no-store"}


@cache
def environment() -> Environment:
    """The templates, all of them compiled."""
    made = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, auto_reload=False, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )
    made.globals.update(static=statics.address, picture=statics.picture_address, currencies=CURRENCIES, as_of=AS_OF)
    made.filters.update(exact=exact, words=words)
    for name in made.list_templates():
        made.get_template(name)
    return made


def words(name: str) -> str:
    """A name that was made for programs, for people."""
    return re.sub(r"[-_]+", " ", name).strip().capitalize()


def page(template: str, visit: Visit, *, status: int = 200, **values: Any) -> Response:
    """A page for a visitor."""
    about = {"visit": visit, "note": visit.note, "show": visit.currency.show}
    return HTMLResponse(environment().get_template(template).render(about, **values), status, FRESH)


def go(path: str, note: str = "") -> Response:
    """Send the browser on to another page."""
    return RedirectResponse(path + (f"?note={note}" if note else ""), 303, FRESH)
