"""What the edge reads from a request's headers: who asks, under which key, for how long, as part of which trace."""

from __future__ import annotations

import re

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
TAG = re.compile(rb'(?:W/)?"([^"]*)"')
SHORTEST_WAIT = 1.0


def caller_of(given: bytes, tokens: Tokens) -> Caller:
    """Whose token it is; a token that is not valid is refused wherever it is given."""
    scheme, _, token = given.decode("latin-1").partition(" ")
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


def key_of(given: bytes | None, caller: Caller) -> str:
    """The idempotency key, in the scope of the caller: nobody finds another's answer under it."""
    if given is None:
        raise Problem("key-missing", "Send a new one with each new request, and the same with its repetition.")
    return scoped(key_in(given.decode("latin-1").strip()), caller)


def key_in(text: str) -> str:
    """The key that a header holds."""
    quoted = QUOTED.fullmatch(text)
    key = re.sub(r"\\(.)", r"\1", quoted[1]) if quoted else text
    if not (quoted or BARE.fullmatch(text)) or not 0 < len(key) <= LONGEST_KEY:
        raise Problem("key-malformed", f"It is one string in double quotes, of 1 to {LONGEST_KEY} ASCII characters.")
    return key


def wait_of(given: bytes | None, *, default: float, longest: float) -> float:
    """How many seconds the client waits: by `Prefer: wait=5` (RFC 7240), within limits."""
    found = WAIT.search(given.decode("latin-1")) if given is not None else None
    return min(max(float(found[1]), SHORTEST_WAIT), longest) if found else default


def trace_in(given: bytes) -> str:
    """The W3C traceparent, where the client sent one that is valid."""
    text = given.decode("latin-1")
    return text if TRACE.fullmatch(text) else ""


def version_in(given: bytes | None, *, needed: bool) -> int | None:
    """The version that If-Match names (RFC 9110, section 13.1.1); None where any will do. Problem where it is missing,
    or can be the version of nothing."""
    if given is None or given.strip() == b"*":
        if needed:
            raise Problem("precondition-required", "Send the ETag of what you have seen as If-Match.")
        return None
    tags = TAG.findall(given)
    if len(tags) != 1 or TAG.fullmatch(given.strip()) is None:
        raise Problem("malformed", 'If-Match is one ETag, such as "7".')
    if given.strip().startswith(b"W/") or not re.fullmatch(rb"\d{1,18}", tags[0]):
        raise Problem("precondition-failed", "This has no such version: look at it again.")
    return int(tags[0])


def is_known(given: bytes, tag: bytes) -> bool:
    """Whether If-None-Match names an ETag (RFC 9110, section 13.1.2)."""
    return given.strip() == b"*" or tag[1:-1] in TAG.findall(given)
