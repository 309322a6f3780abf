"""Files that pages ask for: under addresses that name what is in them, so that browsers keep them for a year."""

from __future__ import annotations

import mimetypes
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

STATIC = Path(__file__).with_name("static")
PLAYER = Path(__file__).parents[1] / "node_modules/hls.js/dist/hls.min.js"
"""The player of HLS for browsers that do not play it themselves, as `make` installs it."""
FOR_GOOD = "public, max-age=31536000, immutable"
FOR_NOW = "public, max-age=3600"


@lru_cache(1000)
def content(name: str) -> tuple[bytes, str] | None:
    """A file and the digest of it; None where there is none."""
    file = PLAYER if name == PLAYER.name else (STATIC / name).resolve()
    if not (file is PLAYER or file.is_relative_to(STATIC.resolve())) or not file.is_file():
        return None
    found = file.read_bytes()
    return found, sha256(found).hexdigest()[:12]


def address(name: str) -> str:
    """Where a file is: another place once it has changed; nothing where there is none."""
    found = content(name)
    return f"/static/{name}?v={found[1]}" if found else ""


async def serve(request: Request) -> Response:
    """One file."""
    name = request.path_params["name"]
    found = content(name) if len(name.encode()) < 200 and name.isprintable() else None
    if found is None:
        raise HTTPException(404)
    body, digest = found
    tag = f'"{digest}"'
    keep = FOR_GOOD if request.query_params.get("v") == digest else FOR_NOW
    headers = {"ETag": tag, "Cache-Control": keep}
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(body, 200, headers, mimetypes.guess_type(name)[0] or "application/octet-stream")
