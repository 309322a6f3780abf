"""Pages made of templates, which are compiled once."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse, Response

from apps.store.storefront import statics
from apps.store.storefront.currencies import AS_OF, CURRENCIES, exact
from apps.store.storefront.visit import Visit

TEMPLATES = Path(__file__).with_name("templates")
FRESH = {"Cache-Control": "no-store"}
"""Pages hold what is the visitor's own, and keys that are good for one use: no cache keeps them."""


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
    """A name that was made for programs, for people: `home-decor` becomes `Home decor`."""
    return re.sub(r"[-_]+", " ", name).strip().capitalize()


def page(template: str, visit: Visit, *, status: int = 200, **values: Any) -> Response:
    """A page for a visitor."""
    about = {"visit": visit, "note": visit.note, "show": visit.currency.show}
    shown = environment().get_template(template).render(about, **values)
    return HTMLResponse(shown, status, FRESH)
