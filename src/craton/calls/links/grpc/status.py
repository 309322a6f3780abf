"""What came of a call, as gRPC says it: a status code, and google.rpc.Status with ErrorInfo and the fault beside it."""

from __future__ import annotations

import re
from typing import Any, cast

from google.protobuf.any_pb2 import Any as Packed
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status

import grpc
from craton.calls import codec
from craton.calls.link import Reply
from craton.calls.links.grpc.schema import Described
from craton.errors import CallError, NotRun, OutcomeUnknown
from craton.values import Fault, body_of

CODES: dict[str, grpc.StatusCode] = {
    "NotAuthenticated": grpc.StatusCode.UNAUTHENTICATED, "NotAllowed": grpc.StatusCode.PERMISSION_DENIED,
    "KeyReused": grpc.StatusCode.FAILED_PRECONDITION, "Withdrawn": grpc.StatusCode.FAILED_PRECONDITION,
    "TooManyRequests": grpc.StatusCode.RESOURCE_EXHAUSTED, "TooLarge": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "NotRun": grpc.StatusCode.UNAVAILABLE,  # which clients may repeat by themselves, and should
    "StillRunning": grpc.StatusCode.ABORTED,
    "OutcomeUnknown": grpc.StatusCode.DEADLINE_EXCEEDED,  # of which gRPC says that it may have happened
    "Failed": grpc.StatusCode.INTERNAL,
}
"""The codes of what is no fault; INVALID_ARGUMENT for the rest."""
FAULTS = {
    400: grpc.StatusCode.INVALID_ARGUMENT, 401: grpc.StatusCode.UNAUTHENTICATED,
    403: grpc.StatusCode.PERMISSION_DENIED, 404: grpc.StatusCode.NOT_FOUND, 410: grpc.StatusCode.NOT_FOUND,
    413: grpc.StatusCode.RESOURCE_EXHAUSTED, 429: grpc.StatusCode.RESOURCE_EXHAUSTED,
}
"""The codes of faults by their HTTP status; FAILED_PRECONDITION for all others: it may not be repeated as it is."""
DETAILS = "grpc-status-details-bin"
DOMAIN = "craton"
UNSENT = "failed to connect to all addresses"
"""How gRPC says that it had no connection to send the request over."""
LONGEST = 2000  # characters of a message: headers are short


def code_of(fault: type[Fault]) -> grpc.StatusCode:
    """The code of a fault."""
    return FAULTS.get(fault.status, grpc.StatusCode.FAILED_PRECONDITION)


def reason_of(type_: str) -> str:
    """OutOfStock -> OUT_OF_STOCK, as ErrorInfo wants it."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", type_).upper()


def status_of(reply: Reply, described: Described | None, application: str) -> tuple[grpc.StatusCode, Status]:
    """What to answer in place of a result."""
    if reply.status == "fault":
        return fault_status(reply, described, application)
    details = codec.decode(dict[str, str], reply.body)
    code = CODES.get(reply.type, grpc.StatusCode.INVALID_ARGUMENT)
    text, more = details.pop("text")[:LONGEST], {name: text[:LONGEST] for name, text in details.items() if text}
    info = ErrorInfo(
        reason=reason_of(reply.type), domain=DOMAIN, metadata={"status": reply.status, "type": reply.type} | more,
    )
    return code, packed(code, text, info)


def fault_status(reply: Reply, described: Described | None, application: str) -> tuple[grpc.StatusCode, Status]:
    """A fault: its message stands beside the ErrorInfo, where the contract declares it."""
    info = ErrorInfo(reason=reason_of(reply.type), domain=application, metadata={"type": reply.type})
    if described is None or reply.type not in described.faults:
        code = grpc.StatusCode.FAILED_PRECONDITION
        return code, packed(code, reply.type, info)
    kind, shape = described.faults[reply.type]
    value, code = codec.decode(body_of(kind), reply.body), code_of(kind)
    words = ", ".join(f"{name} {getattr(value, name)}" for name in value.__struct_fields__)
    return code, packed(code, f"{reply.type}: {words}" if words else reply.type, info, described.written(shape, value))


def packed(code: grpc.StatusCode, text: str, *details: Any) -> Status:
    """A google.rpc.Status."""
    wrapped = [Packed(type_url=f"type.googleapis.com/{one.DESCRIPTOR.full_name}", value=one.SerializeToString())
               for one in details]
    return Status(code=code.value[0], message=text, details=wrapped)


def reply_of(error: grpc.aio.AioRpcError, described: Described | None, name: str) -> Reply:
    """What the other side answered in place of a result. Raises NotRun and OutcomeUnknown where it answered nothing."""
    metadata: dict[str, Any] = dict(error.trailing_metadata() or ())
    found = metadata.get(DETAILS)
    status = Status.FromString(found) if found else Status()
    said = {one.TypeName(): one.value for one in status.details}
    if ErrorInfo.DESCRIPTOR.full_name not in said:
        raise unanswered(error, name)
    info = ErrorInfo.FromString(said[ErrorInfo.DESCRIPTOR.full_name])
    type_ = info.metadata["type"]
    if info.domain == DOMAIN and "status" in info.metadata:
        details = {part: info.metadata.get(part, "") for part in ("method", "saga", "cause")}
        return Reply(cast("Any", info.metadata["status"]), codec.encode({"text": status.message} | details), type_)
    if described is None or type_ not in described.faults:
        return Reply("fault", b"", type_)
    _, shape = described.faults[type_]
    return Reply("fault", described.read(shape, said.get(shape.form, b"")), type_)


def unanswered(error: grpc.aio.AioRpcError, name: str) -> CallError:
    """What became of a call that the service itself gave no answer to."""
    code, why = error.code(), error.details() or ""
    if code is grpc.StatusCode.UNIMPLEMENTED or why.startswith(UNSENT):
        return NotRun(f"{name} was not called: {why}.")
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return OutcomeUnknown(f"{name}: there was no answer before the deadline.")
    return OutcomeUnknown(f"{name}: the connection was lost before its answer came ({code.name}: {why}).")
