"""The page at /docs: the OpenAPI document to read and to try, from this server alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from craton.edge.endpoint import Answer
from craton.edge.exchange import Exchange
from craton.edge.gate import Gate

FILES = Path(__file__).parent / "docs"
KINDS = {"index.html": b"text/html; charset=utf-8", "docs.css": b"text/css", "docs.js": b"text/javascript"}
POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def pages(gate: Gate) -> Iterator[tuple[str, Answer]]:
    """The files of the page, by path."""
    for name, media in KINDS.items():
        path = "/docs" if name == "index.html" else f"/docs/{name}"
        yield path, page((FILES / name).read_bytes(), media, gate=gate)


def page(body: bytes, media: bytes, *, gate: Gate) -> Answer:
    """One file."""

    async def answer(exchange: Exchange) -> None:
        gate.charge(exchange, "")
        exchange.told = [pair for pair in exchange.told if pair[0] != b"content-security-policy"]
        exchange.told += [(b"content-security-policy", POLICY), (b"cache-control", b"no-cache")]
        await exchange.answer(200, body, media=media)

    return answer
