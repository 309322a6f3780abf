"""What the edge reads from a request's headers: who asks, under which key, for how long, as part of which trace."""

from __future__ import annotations

import re

from starlette.requests import HTTPConnection, Request

from craton.calls.context import NOBODY, Caller, scoped
from craton.edge.authentication import Tokens
from craton.edge.problems import Problem
from craton.errors import NotAuthenticated

LONGEST_KEY = 200
QUOTED = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\])*)"')
"""A string of RFC 9651 (structured fields), which is what the Idempotency-Key draft wants."""
BARE = re.compile(r"[!#-+\--\[\]-~]+")
"""What clients send instead: visible characters without quotes, backslashes and commas."""
WAIT = re.compile(r'(?:^|[,;])\s*wait\s*=\s*"?(\d{1,6})"?', re.IGNORECASE)
TRACE = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
SHORTEST_WAIT = 1.0


def all_of(request: HTTPConnection, name: bytes) -> list[str]:
    """The values of a header, which a client may send several times."""
    return [value.decode("latin-1") for given, value in request.scope["headers"] if given == name]


def first_of(request: HTTPConnection, name: bytes) -> str | None:
    """The first value of a header."""
    return next(iter(all_of(request, name)), None)


def caller_of(request: Request, tokens: Tokens) -> Caller:
    """Who asks: NOBODY without a token; a token that is not valid is refused wherever it is given."""
    given = first_of(request, b"authorization")
    if given is None:
        return NOBODY
    scheme, _, token = given.partition(" ")
    try:
        if scheme.lower() != "bearer":
            raise NotAuthenticated("give the token as `Authorization: Bearer TOKEN`.")
        return tokens.verify(token.strip())
    except NotAuthenticated as error:
        refused = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
        raise Problem("not-authenticated", str(error), headers=refused) from error


def admit(caller: Caller, allow: str) -> None:
    """Refuse a caller whom a method does not allow."""
    if allow == "anyone":
        return
    if caller is NOBODY:
        raise Problem("not-authenticated", "This needs a token: sign in, or open a guest session.")
    if allow != "caller" and allow not in caller.roles:
        raise Problem("not-allowed", f"This needs the role {allow}.")


def key_of(request: Request, caller: Caller) -> str:
    """The idempotency key, in the scope of the caller: nobody finds another's answer under it."""
    given = all_of(request, b"idempotency-key")
    if not given:
        raise Problem("key-missing", "Send a new one with each new request, and the same with its repetition.")
    if len(given) > 1:
        raise Problem("key-malformed", "Send one Idempotency-Key.")
    return scoped(key_in(given[0].strip()), caller)


def key_in(text: str) -> str:
    """The key that a header holds."""
    quoted = QUOTED.fullmatch(text)
    key = re.sub(r"\\(.)", r"\1", quoted[1]) if quoted else text
    if not (quoted or BARE.fullmatch(text)) or not 0 < len(key) <= LONGEST_KEY:
        raise Problem("key-malformed", f"It is a string in double quotes, of 1 to {LONGEST_KEY} ASCII characters.")
    return key


def wait_of(request: Request, *, default: float, longest: float) -> float:
    """How many seconds the client waits: by `Prefer: wait=5` (RFC 7240), within limits."""
    found = WAIT.search(",".join(all_of(request, b"prefer")))
    return min(max(float(found[1]), SHORTEST_WAIT), longest) if found else default


def trace_of(request: HTTPConnection) -> str:
    """The W3C traceparent, where the client sent one that is valid."""
    given = first_of(request, b"traceparent") or ""
    return given if TRACE.fullmatch(given) else ""
