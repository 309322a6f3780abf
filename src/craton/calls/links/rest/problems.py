"""Errors as they cross HTTP: the problems of RFC 9457 that stand for them, and what a problem stands for."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from craton.calls import codec
from craton.calls.link import Reply
from craton.calls.receiver import reply_error
from craton.errors import (
    CallError,
    Failed,
    InvalidArguments,
    KeyReused,
    NotAllowed,
    NotAuthenticated,
    NotRun,
    OutcomeUnknown,
    StillRunning,
    Withdrawn,
)
from craton.values import Fault, body_of

PROBLEM = "urn:craton:problem:"
"""How the types of problems begin that are no faults."""
ERRORS: list[tuple[type[CallError], str]] = [
    (InvalidArguments, "invalid-arguments"),
    (NotAuthenticated, "not-authenticated"),
    (NotAllowed, "not-allowed"),
    (KeyReused, "key-reused"),
    (Withdrawn, "withdrawn"),
    (NotRun, "not-run"),
    (StillRunning, "still-running"),
    (OutcomeUnknown, "outcome-unknown"),
    (Failed, "failed"),
]
BY_TYPE = {f"{PROBLEM}{kind}": error for error, kind in ERRORS}
BY_STATUS: dict[int, type[CallError]] = {
    **dict.fromkeys((400, 413, 415, 422), InvalidArguments), 401: NotAuthenticated, 403: NotAllowed,
    **dict.fromkeys((404, 405, 429), NotRun), **dict.fromkeys((408, 502, 503, 504), OutcomeUnknown),
}
"""What an answer stands for that is no problem, or one of a type that is not known. (Envoy says 503 where it lost the
connection to a service that may be at work.)"""


def urn(application: str, fault: type[Fault]) -> str:
    """The stable name of a fault: urn:craton:store:out-of-stock."""
    return f"urn:craton:{application}:{words(fault).replace(' ', '-').lower()}"


def words(fault: type[Fault]) -> str:
    """A class name in words: "Out of stock"."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", fault.__name__).capitalize()


def kind_of(error: CallError) -> str:
    """Which problem an error is."""
    return next((kind for of, kind in ERRORS if isinstance(error, of)), "failed")


def details_of(error: CallError) -> dict[str, str]:
    """What makes of the problem the same error again, for a service that asks."""
    found = {name: getattr(error, name, None) for name in ("method", "saga", "cause")}
    return {name: value for name, value in found.items() if value}


def reply_of(application: str, name: str, raises: Sequence[type[Fault]], status: int, data: bytes) -> Reply:
    """What a problem stands for, that was answered in place of a result of "orders.checkout"."""
    try:
        told = msgspec.json.decode(data, type=dict[str, Any])
    except codec.MALFORMED:
        told = {}
    fault = next((fault for fault in raises if urn(application, fault) == told.get("type")), None)
    if fault is None:
        return reply_error(error_of(name, status, told))
    try:
        return Reply("fault", codec.encode(codec.from_json(body_of(fault), data)), fault.__name__)
    except codec.MALFORMED as error:
        return reply_error(Failed(name, f"its {fault.__name__} does not fit the contract: {error}"))


def error_of(name: str, status: int, told: dict[str, Any]) -> CallError:
    """The error that a problem stands for."""
    if status == 202:  # a saga that goes on
        return StillRunning(name, told.get("id"))
    kind = BY_TYPE.get(str(told.get("type"))) or BY_STATUS.get(status, Failed)
    text = str(told.get("detail") or told.get("title") or f"{name} was answered with status {status}.")
    if kind is Failed:
        return Failed(str(told.get("method", name)), str(told.get("cause", text)))
    if kind is StillRunning:
        return StillRunning(str(told.get("method", name)), told.get("saga"))
    if kind in (KeyReused, Withdrawn):
        return kind(str(told.get("method", name)))
    return kind(text)
