"""Files that pages ask for: under addresses that name what is in them, so that browsers keep them for a year."""

from __future__ import annotations

import mimetypes
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from apps.store.storefront.pictures import picture

STATIC = Path(__file__).with_name("static")
FOR_GOOD = "public, max-age=31536000, immutable"
FOR_NOW = "public, max-age=3600"


@lru_cache(1000)
def content(name: str) -> tuple[bytes, str] | None:
    """A file and the digest of it; None where there is none."""
    file = (STATIC / name).resolve()
    if not file.is_relative_to(STATIC.resolve()) or not file.is_file():
        return None
    found = file.read_bytes()
    return found, sha256(found).hexdigest()[:12]


def address(name: str) -> str:
    """Where a file is: another place once it has changed."""
    found = content(name)
    return f"/static/{name}" + (f"?v={found[1]}" if found else "")


def picture_address(sku: str) -> str:
    """Where the picture of a product is: another place once it is drawn in another way."""
    return f"/static/pictures/{quote(sku)}.svg?v={made(f'pictures/{sku}.svg')[1]}"


async def serve(request: Request) -> Response:
    """One file."""
    name = request.path_params["name"]
    found = content(name) if len(name.encode()) < 200 and name.isprintable() else None
    if found is None:
        found = made(name)
    body, digest = found
    tag = f'"{digest}"'
    keep = FOR_GOOD if request.query_params.get("v") == digest else FOR_NOW
    headers = {"ETag": tag, "Cache-Control": keep}
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(body, 200, headers, mimetypes.guess_type(name)[0] or "application/octet-stream")


@lru_cache(2000)
def made(name: str) -> tuple[bytes, str]:
    """A picture that is drawn, since there is no file of it."""
    folder, _, file = name.partition("/")
    if folder != "pictures" or not file.endswith(".svg") or "/" in file:
        raise HTTPException(404)
    drawn = picture(file.removesuffix(".svg")).encode()
    return drawn, sha256(drawn).hexdigest()[:12]
