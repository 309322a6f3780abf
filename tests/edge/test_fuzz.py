"""Whatever a request holds, the edge answers it: with a result, or with a problem that is the client's to solve."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.edge.desk import CLERK, Service, app_of, authorized

APP = app_of(Service())
KNOWN = ["/stock/low", "/find", "/lines", "/ask", "/orders", "/card", "/checkout", "/openapi.json", "/health/live"]
SEGMENT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
PATHS = (
    st.sampled_from(KNOWN)
    | SEGMENT.map(lambda s: f"/stock/{s}")
    | st.tuples(SEGMENT, SEGMENT).map(lambda two: f"/sagas/{two[0]}/{two[1]}")
    | SEGMENT.map(lambda s: f"/{s}")
)
VERBS = st.sampled_from(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW"])
NAMES = st.sampled_from([b"text", b"sizes", b"under", b"at", b"ids", b"limit", b"share", b"sure", b"why", b"count"])
TEXTS = st.sampled_from([b"1e999", b"nan", b"%00", b"%ff", b"9" * 5000, b"null", b"small", b"9999-12-31T23:59:59-23"])
PAIRS = st.tuples(NAMES | st.binary(max_size=4), TEXTS | st.binary(max_size=8))
QUERIES = st.lists(PAIRS.map(b"=".join), max_size=5).map(b"&".join)
HEADS = st.sampled_from([b"authorization", b"idempotency-key", b"content-type", b"prefer", b"traceparent", b"accept"])
CONTENTS = st.sampled_from([b"application/json", b"wait=99999", b'"k"', b"9" * 5000, b"Bearer \xff"])
HEADERS = st.lists(st.tuples(HEADS, CONTENTS | st.binary(max_size=20)), max_size=4)
WHOLE = st.sampled_from([
    b'{"lines":[{"sku":"a"}],"price":"1"}', b'{"number":"4242","wait":"PT1S"}', b'{"cart":"slow"}', b'{"quantity":7}',
    b'{"lines":[],"price":1e999999}', b'{"by":99999999999999999999}', b'{"cart":"\\ud800"}', b'{"number":"\\u0000"}',
])
BODIES = st.binary(max_size=40) | WHOLE | st.tuples(WHOLE, st.integers(0, 40)).map(lambda cut: cut[0][: cut[1]])
USUAL = [(b"idempotency-key", b"k"), (b"content-type", b"application/json"), *(
    (name.lower().encode(), value.encode()) for name, value in authorized(CLERK).items()
)]


async def answered(verb: str, path: str, query: bytes, *, headers: list[tuple[bytes, bytes]], body: bytes) -> list[Any]:
    """What the edge sends for one request, which no client library has made valid first."""
    sent: list[Any] = []
    scope = {"type": "http", "method": verb, "path": path, "query_string": query, "headers": headers}
    messages = [{"type": "http.request", "body": body}]

    async def receive() -> Any:
        if not messages:
            await asyncio.sleep(60)
        return messages.pop()

    async def send(message: Any) -> None:
        sent.append(message)

    async with asyncio.timeout(10):
        await APP(scope, receive, send)
    return sent


@settings(max_examples=400)
@given(verb=VERBS, path=PATHS, query=QUERIES | st.binary(max_size=20), own=HEADERS, usual=st.booleans(), body=BODIES)
async def test_no_request_breaks_the_edge(
    verb: str, path: str, query: bytes, own: list[tuple[bytes, bytes]], usual: bool, body: bytes
) -> None:
    sent = await answered(verb, path, query, headers=[*own, *(USUAL if usual else [])], body=body)
    assert sent[0]["status"] < 500, sent
    assert not sent[-1].get("more_body")
    if sent[0]["status"] >= 400 and verb != "HEAD":
        assert dict(sent[0]["headers"])[b"content-type"] == b"application/problem+json"
        assert json.loads(sent[1]["body"])["status"] == sent[0]["status"]


@pytest.mark.parametrize("scope", [{"type": "websocket", "path": "/find", "headers": []}])
async def test_a_websocket_is_closed(scope: dict[str, Any]) -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    await APP(scope, receive, send)
    assert sent == [{"type": "websocket.close", "code": 1000}]
