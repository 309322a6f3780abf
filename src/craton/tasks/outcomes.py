"""How a handler's work ends, as its worker reports it: the same on the worker's loop and in a child process."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Any

import msgspec
from msgspec import UNSET
from msgspec.structs import asdict

from craton.calls import codec
from craton.task import Retry
from craton.tasks.handlers import Handler
from craton.tasks.messages import ENCODER, FAILED, SUCCEEDED, Failed, Succeeded
from craton.values import Fault

LARGEST = 1 << 20
"""Bytes of a result; what is larger belongs into blobs."""
LONGEST = 2000
"""Letters of a message."""
OURS = str(Path(__file__).parent)


class Outcome(msgspec.Struct, frozen=True, tag="outcome"):
    """The type and the data of the report that says how an attempt ended."""

    kind: str
    data: bytes


def failed(code: str, message: str, *, retryable: bool = True) -> Outcome:
    """It failed, as a worker itself says."""
    return told(Failed(code, message[:LONGEST], retryable))


def told(failure: Failed) -> Outcome:
    """A failure as it is reported: with `retryable` always, and with the rest where there is any."""
    fields = {name: value for name, value in asdict(failure).items() if value is not None and value is not UNSET}
    return Outcome(FAILED, ENCODER.encode(fields))


def given(handler: Handler, result: Any) -> Outcome:
    """It gave a result: taken where it is of the type that the task says, and not too large."""
    if not isinstance(result, handler.output):
        wrong = type(result).__name__
        why = f"{handler.path} gave {wrong}, and not {handler.output.__name__}: mend it"
        return failed("wrong-result", why, retryable=False)
    try:
        data = codec.to_json(result)
    except (TypeError, *codec.MALFORMED) as error:
        return failed("wrong-result", f"{handler.path}: its result is no JSON: {error}", retryable=False)
    if len(data) > LARGEST:
        why = f"the result has {len(data)} bytes, and {LARGEST} are the most: put it into blobs"
        return failed("result-too-large", why, retryable=False)
    return Outcome(SUCCEEDED, ENCODER.encode(Succeeded(msgspec.Raw(data))))


def raised(error: BaseException) -> Outcome:
    """It raised something."""
    if isinstance(error, Retry):
        return told(Failed("retry", error.why[:LONGEST], retryable=True, retryafter=error.after))
    if isinstance(error, Fault):
        fields = msgspec.Raw(codec.to_json(error.body))
        return told(Failed(type(error).__name__, str(error)[:LONGEST], retryable=False, fault=fields))
    return told(Failed(type(error).__name__, (str(error) or type(error).__name__)[:LONGEST]))


def is_expected(error: BaseException) -> bool:
    """Whether a handler raises it on purpose: then its traceback says nothing."""
    return isinstance(error, Retry | Fault)


def trace(error: BaseException) -> str:
    """A traceback, from where the handler's own code begins."""
    begins = error.__traceback__
    while begins and begins.tb_frame.f_code.co_filename.startswith(OURS) and begins.tb_next:
        begins = begins.tb_next
    return "".join(traceback.format_exception(type(error), error, begins)).rstrip()
