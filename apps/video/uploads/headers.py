"""The headers of tus requests."""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Mapping
from typing import Any, get_args

from apps.video.videos.editions import Privacy

LONGEST_NAME, LONGEST_TITLE = 255, 200
SHA256 = re.compile("[0-9a-fA-F]{64}")


class BadHeader(Exception):
    """A header is missing, or is not what the protocol says."""


def number(headers: Mapping[str, str], name: str, otherwise: int | None = None) -> int:
    """A header that is a whole number."""
    if name not in headers and otherwise is not None:
        return otherwise
    text = headers.get(name, "")
    if not (text.isascii() and text.isdecimal() and len(text) <= 15):
        raise BadHeader(f"{name.title()}: {text[:30]!r} is no whole number of bytes.")
    return int(text)


def metadata_of(header: str) -> dict[str, str]:
    """Upload-Metadata: names, each with a text in base64, with commas between them."""
    found: dict[str, str] = {}
    for pair in filter(None, map(str.strip, header.split(","))):
        name, _, encoded = pair.partition(" ")
        try:
            found[name] = b64decode(encoded, validate=True).decode()
        except ValueError:
            raise BadHeader(f"Upload-Metadata: what stands after {name!r} is no text in base64.") from None
    return found


def asked_for(metadata: Mapping[str, str]) -> dict[str, Any]:
    """What a client says of its file, under the names that clients use, as `Uploads.create` takes it."""
    named = {name: text.replace("\0", "").strip() for name, text in metadata.items()}
    privacy, sha256 = named.get("privacy") or "private", named.get("sha256", "")
    if privacy not in get_args(Privacy):
        raise BadHeader(f"Upload-Metadata: privacy is one of {', '.join(get_args(Privacy))}.")
    if sha256 and not SHA256.fullmatch(sha256):
        raise BadHeader("Upload-Metadata: sha256 has 64 hexadecimal digits.")
    return {
        "filename": (named.get("filename") or named.get("name", ""))[-LONGEST_NAME:],
        "media_type": (named.get("filetype") or named.get("type", ""))[:100],
        "title": named.get("title", "")[:LONGEST_TITLE], "privacy": privacy, "sha256": sha256.lower() or None,
    }
