"""Sessions: whose a visit is, and how it goes on when its token has run out."""

from __future__ import annotations

from apps.store.users.contract import InvalidRefreshToken
from apps.video.site.cinema import Cinema
from apps.video.site.visit import NOBODY, Visit
from craton import CallError, NotAuthenticated, Secret


async def recognize(cinema: Cinema, visit: Visit) -> None:
    """Find out whose session it is. The session of an account is renewed, where its token has run out; one that cannot
    be renewed at the moment rests until it can be."""
    if is_good(cinema, visit):
        return
    visit.token = None
    if visit.refresh is None:
        visit.close()
        return
    try:
        async with cinema.call.within(cinema.settings.limit):
            visit.open(await cinema.users.refresh(Secret(visit.refresh)))
    except InvalidRefreshToken:
        visit.close()
    except CallError:
        return
    is_good(cinema, visit)


def is_good(cinema: Cinema, visit: Visit) -> bool:
    """Whether there is a session that has not run out; then the visit is its caller's."""
    visit.caller = NOBODY
    try:
        with cinema.call.acting(visit.token):
            visit.caller = cinema.call.caller
    except NotAuthenticated:
        return False
    return visit.token is not None


async def begin(cinema: Cinema, visit: Visit) -> None:
    """A session for a visitor who has none, so that a film goes on where they left it; where none can be had soon, they
    watch without."""
    if visit.token is None and visit.refresh is None:
        if (session := await cinema.soon(cinema.users.guest(), None)) is not None:
            visit.open(session)


async def end(cinema: Cinema, visit: Visit) -> None:
    """No session any more; nor can it be renewed."""
    if visit.refresh is not None:
        await cinema.soon(cinema.users.logout(Secret(visit.refresh)), None)
    visit.close()
