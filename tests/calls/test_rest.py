"""rest, beside what all links do: how arguments are said at routes, who is believed, and what strangers may answer."""

from __future__ import annotations

import asyncio
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from os import urandom
from time import time
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

import httpx
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Receive, Scope, Send

from craton import (
    Application,
    CallError,
    Failed,
    Fault,
    InvalidArguments,
    KeyReused,
    Module,
    NotAllowed,
    NotAuthenticated,
    NotRun,
    OutcomeUnknown,
    Version,
    command,
    query,
)
from craton.calls.codec import decode, encode_arguments
from craton.calls.link import Reply, Request
from craton.calls.links.rest.headers import carried, from_text, headers_of, text_of
from craton.calls.links.rest.link import RestLink
from craton.calls.links.rest.places import Place
from craton.calls.links.rest.proof import DIGEST, PEER, Once, Peer, Prover, digest_of
from craton.calls.receiver import error_of
from craton.contract import methods_of
from craton.edge import peers
from craton.edge.arguments import reader_of
from craton.edge.headers import version_in
from craton.edge.server import serve_http
from craton.errors import StillRunning
from craton.testing.start import SECRET
from tests.calls.conformance.conftest import opened


class Gone(Fault, status=410):
    since: int


class Shelf(Protocol):
    @query(get="/shelf/{name}/{place}", raises=Gone)
    async def look(
        self, name: str, place: int, flag: bool = False, ratio: float = 0.5, tags: tuple[str, ...] = (),
        note: str | None = None,
    ) -> int: ...

    @command(put="/shelf/{name}")
    async def put(
        self, name: str, tags: tuple[str, ...], seen: Version | None = None, note: str | None = None
    ) -> int: ...


METHODS = methods_of(Shelf)
library = Application("library", [Module("shelf", Shelf, "nowhere:Nothing")])
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


@given(
    name=TEXT, place=st.integers(-(2**63), 2**63 - 1), flag=st.booleans(), tags=st.lists(TEXT).map(tuple),
    ratio=st.floats(allow_nan=False, allow_infinity=False), note=st.none() | TEXT,
)
def test_arguments_in_a_path_and_a_query_string_are_read_as_they_were_said(**said: Any) -> None:
    same_when_read("look", said)


@given(name=TEXT, tags=st.lists(TEXT).map(tuple), seen=st.none() | st.integers(0, 10**18 - 1), note=st.none() | TEXT)
def test_arguments_in_a_body_and_in_if_match_are_read_as_they_were_said(**said: Any) -> None:
    same_when_read("put", said)


def same_when_read(name: str, said: Mapping[str, Any]) -> None:
    """What the edge reads of what the link says; unless the route cannot say it."""
    method = METHODS[name]
    assert method.route
    arguments = method.arguments(**said)
    asked = Place(method, method.route).asked(arguments)
    if asked is None:
        assert said["name"] in ("", ".", "..") or "/" in said["name"]
        return
    path, query_string = urlsplit(asked.target)[2:4]
    parts = dict(zip(["name", "place"], map(unquote, path.split("/")[2:]), strict=False))
    version = version_in(asked.seen.encode(), needed=False) if asked.seen else None
    read = reader_of(method, method.route).read(parts, query_string.encode(), asked.body, version=version)
    assert msgspec.structs.asdict(read) == msgspec.structs.asdict(arguments)


@given(key=st.none() | TEXT, undoes=st.none() | TEXT, timeout=st.none() | st.floats(0, 1e6), caller=st.binary())
def test_what_a_call_carries_arrives_in_headers(
    key: str | None, undoes: str | None, timeout: float | None, caller: bytes
) -> None:
    headers = headers_of(Request("shelf.look", b"", key, undoes, timeout, caller, "00-a-b-01"))
    assert all(value.isascii() and value.isprintable() for value in headers.values())
    found = carried(headers)
    assert (found["key"], found["undoes"], found["caller"]) == (key, undoes, caller)
    assert found["timeout"] == (None if timeout is None else pytest.approx(timeout, abs=1e-6))
    assert from_text(text_of(key) or None) == key


# ---------------------------------------------------------------------- who is believed


async def test_what_was_not_signed_by_a_peer_is_a_visitors_and_what_was_changed_is_refused() -> None:
    async with opened("rest") as running:
        transport = httpx.AsyncHTTPTransport(uds=running.address("desk").removeprefix("unix:"))
        async with httpx.AsyncClient(transport=transport, base_url="http://desk") as http:
            assert (await http.post("/craton/desk.notes", content=b"\x80")).status_code == 404
            assert (await http.get("/told")).status_code == 401  # a visitor's own token is missing
            assert (await http.get("/told", headers=signed("GET", "/told"))).status_code == 200
            for target, headers in changed("/found/7"):
                answer = await http.get(target, headers=headers)
                assert answer.status_code == 401 and "not signed by a service" in answer.json()["detail"]
            late = await http.get("/told", headers=signed("GET", "/told", at=-1e9))
            assert late.status_code == 401 and "compare the clocks" in late.json()["detail"]
            strange = await http.get("/told", headers=signed("GET", "/told", service="nobody"))
            assert strange.status_code == 403
            big, target = b"x" * (17 << 20), "/craton/desk.notes"
            large = await http.post(target, content=big, headers=signed("POST", target, big))
            assert large.status_code == 422
            other = await http.post(target, content=b"other", headers=signed("POST", target, b"\x80"))
            assert other.status_code == 401 and "not signed by a service" in other.json()["detail"]


async def test_a_request_that_was_overheard_changes_nothing_when_it_is_sent_again() -> None:
    async with opened("rest") as running:
        transport = httpx.AsyncHTTPTransport(uds=running.address("desk").removeprefix("unix:"))
        target = "/craton/desk.$events"
        async with httpx.AsyncClient(transport=transport, base_url="http://desk") as http:
            asked = signed("GET", "/told")
            assert [(await http.get("/told", headers=asked)).status_code for _ in range(2)] == [200, 200]
            once = signed("POST", target, service="clerk")
            answers = [await http.post(target, headers=once) for _ in range(2)]
            assert answers[0].status_code != 504  # whatever it was answered
            assert answers[1].status_code == 504 and "came before" in answers[1].json()["detail"]
            again = await http.post(target, headers=signed("POST", target))
            assert again.status_code == answers[0].status_code


def test_what_came_is_remembered_as_long_as_it_would_be_believed() -> None:
    once, one = Once(), Peer("clerk", (), 0.0, "1")
    for now in (0.0, 121.0):
        once.take(one, now=now)
    with pytest.raises(OutcomeUnknown):
        once.take(one, now=241.0)
    once.take(Peer("clerk", (), 0.0, "2"), now=242.0)
    assert len(once.seen) == 1


def signed(
    verb: str, target: str, body: bytes = b"", *, service: str = "clerk", at: float = 0.0, **headers: str
) -> dict[str, str]:
    """The headers of a request as a peer sends it."""
    peer, digest = Peer(service, ("desk", "desk.$events"), time() + at, urandom(9).hex()), digest_of(body)
    return headers | {DIGEST: digest, PEER: Prover(SECRET).sign(peer, verb, target, headers, digest)}


def changed(target: str) -> list[tuple[str, dict[str, str]]]:
    """A signed request, changed in each of its parts."""
    good = signed("GET", target, traceparent="00-a-b-01")
    data = urlsafe_b64decode(good[PEER])
    forged = [data[:-2] + b" }", bytes([data[0] ^ 1]) + data[1:], data[:32], b""]
    return [
        ("/found/8", good), (f"{target}?x=1", good), (target, good | {"craton-caller": "AAAA"}),
        (target, good | {"idempotency-key": '"k"'}), (target, good | {"traceparent": "00-a-b-00"}),
        *((target, good | {PEER: urlsafe_b64encode(one).decode()}) for one in forged), (target, good | {PEER: "=!"}),
    ]


async def test_a_body_that_does_not_come_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "BODY_SECONDS", 0.1)
    async with opened("rest") as running:
        reader, writer = await asyncio.open_unix_connection(running.address("desk").removeprefix("unix:"))
        lines = [f"{name}: {text}\r\n" for name, text in signed("POST", "/craton/desk.notes", b"abcde").items()]
        writer.write(b"POST /craton/desk.notes HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n")
        writer.write("".join((*lines, "\r\nab")).encode())
        assert b" 408 " in await reader.read()  # to its end: the connection is closed
        writer.close()


async def test_a_body_is_not_read_before_it_is_known_that_a_peer_sends_it() -> None:
    async with opened("rest") as running:
        reader, writer = await asyncio.open_unix_connection(running.address("desk").removeprefix("unix:"))
        writer.write(b"POST /craton/desk.notes HTTP/1.1\r\nHost: a\r\nCraton-Peer: a\r\nContent-Length: 5\r\n\r\n")
        assert b" 401 " in await reader.read()  # to its end: the connection is closed
        writer.close()


# ---------------------------------------------------------------------- what strangers may answer

PROBLEM = "application/problem+json"
GONE = b'{"type":"urn:craton:library:gone","title":"Gone","status":410,"since":7}'


@pytest.mark.parametrize(("status", "media", "body", "kind"), [
    (503, PROBLEM, b'{"type":"urn:craton:problem:not-run"}', NotRun), (429, "text/plain", b"", NotRun),
    (503, "text/plain", b"upstream connect error or disconnect/reset before headers", OutcomeUnknown),
    (404, "text/plain", b"", NotRun), (502, "text/html", b"", OutcomeUnknown), (504, "text/html", b"", OutcomeUnknown),
    (500, "text/plain", b"", Failed), (418, "text/plain", b"", Failed), (401, PROBLEM, b"{}", NotAuthenticated),
    (403, PROBLEM, b"[]", NotAllowed), (400, PROBLEM, b'{"detail":"no"}', InvalidArguments),
    (409, PROBLEM, b'{"type":"urn:craton:problem:key-reused"}', KeyReused),
    (202, "application/json", b"{}", StillRunning),
    (410, PROBLEM, b'{"type":"urn:craton:library:gone"}', Failed),
    (410, PROBLEM, b'{"type":"urn:other:gone","since":7}', Failed), (302, "text/html", b"", Failed),
    (200, "application/json", b'"text"', Failed), (200, "application/json", b"{", Failed),
    (200, "text/html", b"<p>", Failed),
])
async def test_whatever_is_answered_becomes_an_error_that_calls_know(
    status: int, media: str, body: bytes, kind: type[CallError]
) -> None:
    error = await error_answered(status, media, body)
    assert type(error) is kind


async def test_a_declared_fault_of_a_stranger_is_that_fault() -> None:
    async with stranger(410, PROBLEM, GONE) as link:
        reply = await link.send(look())
    assert (reply.status, reply.type, decode(dict[str, int], reply.body)) == ("fault", "Gone", {"since": 7})


async def test_an_argument_that_a_route_cannot_say_is_refused_before_a_stranger_is_asked() -> None:
    async with stranger(200, "application/json", b"1") as link:
        assert isinstance(await link.send(look()), Reply)
        with pytest.raises(InvalidArguments, match=r"/shelf/\{name\}/\{place\} cannot say one of its arguments"):
            await link.send(look(name="a/b"))
        with pytest.raises(NotRun, match="only services of Craton answer it"):
            await link.send(Request("shelf.saga-status", b"\x80"))


def look(name: str = "a") -> Request:
    """A request for the shelf."""
    method = METHODS["look"]
    return Request("shelf.look", encode_arguments(method, method.arguments(name=name, place=1)), timeout=10)


async def error_answered(status: int, media: str, body: bytes) -> CallError:
    """The error that an answer stands for."""
    async with stranger(status, media, body) as link:
        try:
            return error_of(await link.send(look()))
        except CallError as error:
            return error


@asynccontextmanager
async def stranger(status: int, media: str, body: bytes) -> AsyncIterator[RestLink]:
    """A link to a program that always answers this."""
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", media.encode()), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async with serve_http(app, "127.0.0.1:0", drain=1) as port:
        link = RestLink(library, [f"http://127.0.0.1:{port}"], secret=SECRET, needs=frozenset({"shelf"}), foreign={})
        try:
            yield link
        finally:
            await link.close()

