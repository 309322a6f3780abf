"""Sessions: whose a visit is, and how it goes on when its token has run out."""

from __future__ import annotations

from datetime import timedelta

from apps.store.storefront.shop import Shop
from apps.store.storefront.visit import NOBODY, Visit
from apps.store.users.contract import InvalidRefreshToken
from craton import CallError, NotAuthenticated, NotRun, Secret


async def recognize(shop: Shop, visit: Visit) -> None:
    """Find out whose session it is. The session of an account is renewed, where its token has run out; one that cannot
    be renewed at the moment rests until it can be."""
    if is_good(shop, visit):
        return
    visit.token = None
    if visit.refresh is None:
        visit.close()
        return
    try:
        async with shop.call.within(shop.settings.limit):
            visit.open(await shop.users.refresh(Secret(visit.refresh)))
    except InvalidRefreshToken:
        visit.close()
    except CallError:
        return
    is_good(shop, visit)


def is_good(shop: Shop, visit: Visit) -> bool:
    """Whether there is a session that has not run out; then the visit is its caller's."""
    visit.caller = NOBODY
    try:
        with shop.call.acting(visit.token):
            visit.caller = shop.call.caller
    except NotAuthenticated:
        return False
    return visit.token is not None


def begin(shop: Shop, visit: Visit) -> None:
    """A session for a visitor who has none: guests may buy. Whose session rests is no guest."""
    if visit.token is None:
        if visit.refresh is not None:
            raise NotRun("the session cannot be renewed at the moment.")
        seconds = shop.settings.guest_lifetime
        token = shop.tokens.guest(shop.ids.new("guest"), lifetime=timedelta(seconds=seconds))
        visit.keep(token, lifetime=seconds)


async def end(shop: Shop, visit: Visit) -> None:
    """No session any more; nor can it be renewed."""
    if visit.refresh is not None:
        await shop.soon(shop.users.logout(Secret(visit.refresh)), None)
    visit.close()
