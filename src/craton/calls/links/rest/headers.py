"""What a call carries beside its arguments, as HTTP headers."""

from __future__ import annotations

import re
from base64 import b64decode, urlsafe_b64encode
from binascii import Error
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, unquote

from craton.calls.link import Request
from craton.errors import InvalidArguments

PLAIN = re.compile(r"[ -~]*")
PRINTABLE = " !#$&'()*+,/:;<=>?@[]^`{|}"


def headers_of(request: Request) -> dict[str, str]:
    """The headers of a request: of what it has."""
    found = {
        "craton-caller": urlsafe_b64encode(request.caller).decode(), "idempotency-key": text_of(request.key),
        "craton-undoes": text_of(request.undoes), "traceparent": request.trace,
        "craton-timeout": "" if request.timeout is None else f"{request.timeout:.6f}",
    }
    return {name: value for name, value in found.items() if value}


def carried(headers: Mapping[str, str]) -> dict[str, Any]:
    """What `headers_of` wrote, as the fields of a request; InvalidArguments where it is malformed."""
    timeout = headers.get("craton-timeout")
    try:
        return dict(
            key=from_text(headers.get("idempotency-key")), undoes=from_text(headers.get("craton-undoes")),
            timeout=float(timeout) if timeout else None, trace=headers.get("traceparent", ""),
            caller=b64decode(headers.get("craton-caller", ""), altchars=b"-_", validate=True),
        )
    except (Error, ValueError) as error:
        raise InvalidArguments(f"a header is malformed: {error}.") from error


def text_of(value: str | None) -> str:
    """Text as a string of RFC 9651 (structured fields); as a display string where it is not plain. Nothing for None."""
    if value is None:
        return ""
    if PLAIN.fullmatch(value):
        return '"' + re.sub(r'(["\\])', r"\\\1", value) + '"'
    return '%"' + re.sub("%[0-9A-F]{2}", lambda found: found[0].lower(), quote(value, safe=PRINTABLE)) + '"'


def from_text(header: str | None) -> str | None:
    """The text in such a header."""
    if header is None:
        return None
    return unquote(header[2:-1]) if header.startswith("%") else re.sub(r"\\(.)", r"\1", header[1:-1])
