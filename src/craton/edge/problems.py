"""Problems: every error as the edge tells it, by RFC 9457 (problem details), with a `type` that never changes."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from craton.calls.codec import to_json
from craton.errors import (
    CallError,
    InvalidArguments,
    KeyReused,
    NotAllowed,
    NotAuthenticated,
    NotRun,
    OutcomeUnknown,
    StillRunning,
    Withdrawn,
)
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
    "still-running": (409, "The first request with this key is still running"),
    "withdrawn": (409, "The request was undone before it ran"),
    "too-large": (413, "The request is too large"),
    "unsupported-media-type": (415, "The request's body is not JSON"),
    "invalid-arguments": (422, "The arguments do not fit"),
    "key-reused": (422, "The Idempotency-Key was used for another request"),
    "failed": (500, "The server failed"),
    "not-run": (503, "The request could not be taken, and changed nothing"),
    "outcome-unknown": (504, "No answer came in time"),
}
HEADERS = {
    "not-authenticated": {"WWW-Authenticate": "Bearer"},
    "not-run": {"Retry-After": "1"},
    "still-running": {"Retry-After": "1"},
}
AGAIN = "It may have happened: send the same request with the same Idempotency-Key to know."
ERRORS: list[tuple[type[CallError], str]] = [
    (InvalidArguments, "invalid-arguments"),
    (NotAuthenticated, "not-authenticated"),
    (NotAllowed, "not-allowed"),
    (KeyReused, "key-reused"),
    (Withdrawn, "withdrawn"),
    (NotRun, "not-run"),
    (StillRunning, "still-running"),
    (OutcomeUnknown, "outcome-unknown"),
]
TOLD = (InvalidArguments, NotAuthenticated, NotAllowed, KeyReused, Withdrawn)
"""The errors whose message was written for the one who asks; the others name hosts, sockets and causes."""


class Problem(Exception):
    """What to answer in place of a result: members beside `type` and `title` in `extra`."""

    def __init__(self, kind: str, detail: str = "", *, headers: Mapping[str, str] | None = None, **extra: Any) -> None:
        self.status, title = KINDS[kind]
        self.headers = HEADERS.get(kind, {}) | dict(headers or {})
        self.body = {"type": f"urn:craton:problem:{kind}", "title": title, "status": self.status}
        self.body |= ({"detail": detail} if detail else {}) | extra
        super().__init__(detail or title)


def invalid(field: str, why: str) -> Problem:
    """An argument that does not fit: where it stands, and why."""
    detail = f"{field}: {why}." if field else f"{why}."
    return Problem("invalid-arguments", detail, errors=[{"field": field, "detail": why}])


def problem_of(error: CallError) -> Problem:
    """What to answer to a call that did not complete."""
    kind = next((kind for type_, kind in ERRORS if isinstance(error, type_)), "failed")
    detail = str(error) if isinstance(error, TOLD) else AGAIN if kind == "outcome-unknown" else ""
    return Problem(kind, detail)


def fault_response(application: str, fault: Fault) -> Response:
    """A fault as a problem, with its fields as members."""
    fields = {name: getattr(fault, name) for name in fault.body.__struct_fields__}
    own = {"type": urn(application, type(fault)), "title": title(type(fault)), "status": fault.status}
    return respond(own | {"detail": detail_of(fault)} | fields, status=fault.status)


def detail_of(fault: Fault) -> str:
    """The fault's own words, where it has some; else its name and its fields."""
    if type(fault).__str__ is not Fault.__str__:
        return str(fault)
    fields = ", ".join(f"{name} {getattr(fault, name)}" for name in fault.body.__struct_fields__)
    return f"{words(type(fault))}: {fields}." if fields else f"{words(type(fault))}."


def urn(application: str, fault: type[Fault]) -> str:
    """The stable name of a fault: urn:craton:store:out-of-stock."""
    return f"urn:craton:{application}:{words(fault).replace(' ', '-').lower()}"


def title(fault: type[Fault]) -> str:
    """What a fault means, in its own first line; its name where it has none."""
    text = inspect.cleandoc(fault.__doc__ or "").partition("\n")[0].removesuffix(".")
    return text or words(fault)


def words(fault: type[Fault]) -> str:
    """A class name in words: "Out of stock"."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", fault.__name__).capitalize()


def problem_response(problem: Problem) -> Response:
    """A problem on its way out."""
    return respond(problem.body, status=problem.status, headers=problem.headers)


def respond(body: Mapping[str, Any], *, status: int, headers: Mapping[str, str] | None = None) -> Response:
    """A problem's members as a response."""
    return Response(to_json(body), status, headers, MEDIA_TYPE)
