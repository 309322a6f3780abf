"""What all pages for administrators have in common: who may see them, and how forms are answered."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from starlette.exceptions import HTTPException
from starlette.responses import Response

from apps.store.storefront.forms import Form
from apps.store.storefront.rendering import page
from apps.store.storefront.serving import WHY, Handler, new_key, once
from apps.store.storefront.shop import Shop
from apps.store.storefront.visit import Visit
from craton import NotAuthenticated

PAGE = 50
"""Rows of a table."""


def guarded(handler: Handler) -> Handler:
    """A page for administrators alone. Who has not signed in may do so; the modules ask for the role, too."""

    async def answer(visit: Visit) -> Response:
        if "admin" not in visit.caller.roles:
            if visit.known:
                raise HTTPException(403, WHY[403])
            raise NotAuthenticated("sign in as an administrator.")
        return await handler(visit)

    return answer


async def shown(shop: Shop, template: str, visit: Visit, **values: Any) -> Response:
    """A page of the desk, with a key for its forms; its status is 422 where something is wrong with what was typed."""
    errors = values.setdefault("errors", {})
    values = {"status": 422 if errors else 200, "typed": visit.form, "problem": "", **values}
    return page(f"admin/{template}", visit, frame=await shop.frame(), key=new_key(shop), **values)


def text_of(visit: Visit, name: str) -> str:
    """A word of the address's query."""
    return visit.request.query_params.get(name, "").replace("\0", "").strip()[:100]


@asynccontextmanager
async def soon(shop: Shop, visit: Visit) -> AsyncIterator[None]:
    """What is asked in this block is done once for the form, and waited for as long as somebody likes to look at an
    empty window."""
    with once(shop, visit):
        async with shop.call.within(shop.settings.wait):
            yield


def amount_of(form: Form, name: str, *, least: int, most: int) -> int:
    """An amount of money in minor units, written as 12.50."""
    given = form.text(name, most=20, missing="Enter an amount.")
    whole, _, cents = given.partition(".")
    good = given.isascii() and whole.isdecimal() and len(whole) < 10 and len(cents) <= 2
    if given and not (good and (cents.isdecimal() or not cents)):
        form.wrong(name, "Enter an amount such as 12.50.")
        return least
    amount = int(whole or 0) * 100 + int(cents.ljust(2, "0") or 0)
    if given and not least <= amount <= most:
        form.wrong(name, f"Enter an amount from {written(least)} to {written(most)}.")
    return amount


def written(amount: int) -> str:
    """An amount in minor units, as people type it."""
    return f"{amount // 100}.{amount % 100:02d}"
