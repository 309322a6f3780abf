"""Problems: every error as the edge tells it, by RFC 9457 (problem details), with a `type` that never changes."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from craton.calls.links.rest.problems import PROBLEM, kind_of, urn, words
from craton.errors import CallError, InvalidArguments, KeyReused, NotAllowed, NotAuthenticated, Withdrawn
from craton.values import Fault

MEDIA_TYPE = "application/problem+json"
MEMBERS = ("type", "title", "status", "detail", "instance")
"""What RFC 9457 gives a meaning to; a fault's own fields stand beside them."""

KINDS = {
    "malformed": (400, "The request cannot be read"),
    "key-missing": (400, "The request needs an Idempotency-Key"),
    "key-malformed": (400, "The Idempotency-Key cannot be read"),
    "not-authenticated": (401, "Who asks is not known"),
    "not-allowed": (403, "The caller may not do this"),
    "not-found": (404, "There is nothing here"),
    "method-not-allowed": (405, "This address does not take this method"),
    "request-timeout": (408, "The request did not arrive in time"),
    "still-running": (409, "The first request with this key is still running"),
    "withdrawn": (409, "The request was undone before it ran"),
    "precondition-failed": (412, "This is no longer at the version that was asked for"),
    "too-large": (413, "The request is too large"),
    "unsupported-media-type": (415, "The request's body is not JSON"),
    "invalid-arguments": (422, "The arguments do not fit"),
    "key-reused": (422, "The Idempotency-Key was used for another request"),
    "precondition-required": (428, "The request needs an If-Match"),
    "too-many-requests": (429, "There are too many requests"),
    "head-too-large": (431, "The request's line and headers are too large"),
    "failed": (500, "The server failed"),
    "not-run": (503, "The request could not be taken, and changed nothing"),
    "outcome-unknown": (504, "No answer came in time"),
}
HEADERS = {
    "not-authenticated": {"WWW-Authenticate": "Bearer"},
    "not-run": {"Retry-After": "1"},
    "still-running": {"Retry-After": "1"},
    "request-timeout": {"Connection": "close"},
}
AGAIN = "It may have happened: send the same request with the same Idempotency-Key to know."
TOLD = (InvalidArguments, NotAuthenticated, NotAllowed, KeyReused, Withdrawn)
"""The errors whose message was written for the one who asks; the others name hosts, sockets and causes."""


class Problem(Exception):
    """What to answer in place of a result: members beside `type` and `title` in `extra`."""

    def __init__(self, kind: str, detail: str = "", *, headers: Mapping[str, str] | None = None, **extra: Any) -> None:
        self.status, title = KINDS[kind]
        self.headers = HEADERS.get(kind, {}) | dict(headers or {})
        self.body = {"type": f"{PROBLEM}{kind}", "title": title, "status": self.status}
        self.body |= ({"detail": detail} if detail else {}) | extra
        super().__init__(detail or title)


def invalid(field: str, why: str) -> Problem:
    """An argument that does not fit: where it stands, and why."""
    detail = f"{field}: {why}." if field else f"{why}."
    return Problem("invalid-arguments", detail, errors=[{"field": field, "detail": why}])


def problem_of(error: CallError) -> Problem:
    """What to answer to a call that did not complete."""
    kind = kind_of(error)
    detail = str(error) if isinstance(error, TOLD) else AGAIN if kind == "outcome-unknown" else ""
    return Problem(kind, detail)


class FaultProblem(Problem):
    """A fault as a problem, with its fields as members; a field `retry_after` is a header, too."""

    def __init__(self, application: str, fault: Fault) -> None:
        fields = {name: getattr(fault, name) for name in fault.body.__struct_fields__}
        own = {"type": urn(application, type(fault)), "title": title(type(fault)), "status": fault.status}
        self.status, self.body = fault.status, own | {"detail": detail_of(fault)} | fields
        self.headers = dict(HEADERS["not-authenticated"]) if fault.status == 401 else {}
        self.headers |= {"Retry-After": str(fields["retry_after"])} if "retry_after" in fields else {}
        Exception.__init__(self, self.body["detail"])


def detail_of(fault: Fault) -> str:
    """The fault's own words, where it has some; else its name and its fields."""
    if type(fault).__str__ is not Fault.__str__:
        return str(fault)
    fields = ", ".join(f"{name} {getattr(fault, name)}" for name in fault.body.__struct_fields__)
    return f"{words(type(fault))}: {fields}." if fields else f"{words(type(fault))}."


def title(fault: type[Fault]) -> str:
    """What a fault means, in its own first line; its name where it has none."""
    text = inspect.cleandoc(fault.__doc__ or "").partition("\n")[0].removesuffix(".")
    return text or words(fault)
