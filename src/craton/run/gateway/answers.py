"""What the gateway itself answers when no service does: problem details of RFC 9457, as the edge has them."""

from __future__ import annotations

from craton.edge.problems import AGAIN, HEADERS, KINDS, MEDIA_TYPE
from craton.run.gateway.words import Json

PROBLEMS = {
    400: "malformed", 404: "not-found", 405: "method-not-allowed", 408: "request-timeout", 413: "too-large",
    429: "too-many-requests", 431: "head-too-large", 503: "not-run", 504: "outcome-unknown",
}
"""Which problem stands for a status that Envoy itself answers with."""
LOST = ["UC", "UR", "LR", "UPE"]
"""Envoy's words for a request that had reached a service when the connection broke: it may have been carried out."""


def reply(filters: Json, status: int, kind: str, **also: str) -> Json:
    """The answer in place of Envoy's own, where the filters fit."""
    body = {"type": f"urn:craton:problem:{kind}", "title": KINDS[kind][1], "status": status} | also
    headers = HEADERS.get(kind, {}) | ({"Retry-After": "1"} if status in (429, 503) else {})
    return {
        "filter": filters, "status_code": status,
        "body_format_override": {"json_format": body, "content_type": MEDIA_TYPE},
        "headers_to_add": [
            {"header": {"key": name, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
            for name, value in headers.items()
        ],
    }


def with_status(status: int) -> Json:
    """The answers of this status."""
    value = {"default_value": status, "runtime_key": f"gateway.answers.{status}"}
    return {"status_code_filter": {"comparison": {"op": "EQ", "value": value}}}


def local_replies() -> Json:
    """All of them: a change whose service was lost under way is told apart from one that nobody took."""
    changes = {"header_filter": {"header": {
        "name": ":method", "string_match": {"safe_regex": {"regex": "GET|HEAD|OPTIONS"}}, "invert_match": True,
    }}}
    lost = {"and_filter": {"filters": [{"response_flag_filter": {"flags": LOST}}, changes]}}
    ready = {"header_filter": {"header": {"name": ":path", "string_match": {"prefix": "/health/ready"}}}}
    found = [
        {
            "filter": {"and_filter": {"filters": [ready, with_status(200)]}},
            "body_format_override": {"json_format": {"status": "ready"}, "content_type": "application/json"},
        },
        reply(lost, 504, "outcome-unknown", detail=AGAIN),
    ]
    for status, kind in PROBLEMS.items():
        found.append(reply(with_status(status), status, kind, **({"detail": AGAIN} if status == 504 else {})))
    return {"mappers": found}
