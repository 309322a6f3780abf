"""A visitor understands what a server says, whatever way it says it, and has cookies of their own."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from craton.lab.load.visitor import Guest, NoAnswer, Unwanted, visit
from craton.run.certs import certs
from tests.lab.load.places import Place, Reader, Writer, opened


class Script(Place):
    """A site that says what is written down, one text after the other, and closes the connection after some."""

    def __init__(self, *texts: str, close: Sequence[int] = ()) -> None:
        super().__init__()
        self.texts, self.close, self.heads = list(texts), close, list[str]()

    async def serve(self, reader: Reader, writer: Writer) -> None:
        """One connection."""
        self.connections += 1
        with closing(writer):
            while head := (await reader.readuntil(b"\r\n\r\n")).decode():
                number = len(self.heads)
                self.heads.append(head)
                for byte in (self.texts[number].replace("\n", "\r\n")).encode().splitlines(keepends=True):
                    writer.write(byte)
                    await asyncio.sleep(0)
                if number in self.close:
                    return


@asynccontextmanager
async def visiting(script: Script, *, limit: float = 10.0) -> AsyncIterator[Guest]:
    """A visitor of such a site."""
    async with opened(script), visit(script.url, limit=limit) as guest:
        yield guest


WELL = "HTTP/1.1 200 OK\ncontent-length: 4\n\nwell"
SAID = {
    "by its length": WELL,
    "in chunks": "HTTP/1.1 200 OK\ntransfer-encoding: chunked\n\n2\nwe\n2\nll\n0\n\n",
    "after hints": f"HTTP/1.1 103 Early Hints\nlink: </style.css>\n\n{WELL}",
}


@pytest.mark.parametrize("text", SAID.values(), ids=SAID)
async def test_an_answer_is_understood_however_it_is_said(text: str) -> None:
    script = Script(text, text)
    async with visiting(script) as guest:
        assert [(await guest.get("/")).text for _ in range(2)] == ["well", "well"]
        assert guest.received == len(text.replace("\n", "\r\n").encode()) * 2
    assert script.connections == 1


async def test_an_answer_without_a_length_ends_with_its_connection() -> None:
    script = Script("HTTP/1.1 200 OK\n\nwell", WELL, close=[0])
    async with visiting(script) as guest:
        assert [(await guest.get("/")).body for _ in range(2)] == [b"well", b"well"]
    assert script.connections == 2


async def test_a_connection_that_is_to_be_closed_is_not_used_again() -> None:
    script = Script("HTTP/1.1 200 OK\ncontent-length: 4\nconnection: close\n\nwell", WELL)
    async with visiting(script) as guest:
        await guest.get("/")
        await guest.get("/")
    assert script.connections == 2


async def test_an_answer_without_a_body_has_none() -> None:
    async with visiting(Script("HTTP/1.1 204 No Content\n\n", WELL)) as guest:
        assert (await guest.post("/", json={"a": 1})).body == b""
        assert (await guest.get("/")).status == 200


async def test_of_headers_with_one_name_the_last_one_counts() -> None:
    text = "HTTP/1.1 303 See Other\nX-Place: one\nx-place: two\nLocation: /cart\ncontent-length: 0\n\n"
    async with visiting(Script(text)) as guest:
        answer = await guest.post("/cart", form={})
        assert (answer.status, answer.headers["x-place"], answer.headers["location"]) == (303, "two", "/cart")


async def test_cookies_are_sent_back_until_they_are_taken_back() -> None:
    script = Script(
        "HTTP/1.1 200 OK\nset-cookie: a=1; Path=/; HttpOnly\nset-cookie: b=2==\ncontent-length: 0\n\n",
        "HTTP/1.1 200 OK\nset-cookie: a=\"\"; Max-Age=0; Path=/\ncontent-length: 0\n\n", WELL,
    )
    async with visiting(script) as guest:
        for _ in range(3):
            await guest.get("/")
    assert ["cookie: a=1; b=2==\r\n" in head for head in script.heads] == [False, True, False]
    assert "cookie: b=2==\r\n" in script.heads[2]


async def test_a_form_and_json_are_sent_as_what_they_are() -> None:
    async with opened(Place()) as place, visit(place.url) as guest:
        await guest.post("/cart", form={"sku": "a b&c", "quantity": "1"})
        await guest.post("/orders", json={"lines": [1, 2]})
        assert place.bodies == ["POST /cart sku=a+b%26c&quantity=1", 'POST /orders {"lines": [1, 2]}']
        assert (guest.requests, guest.sent, guest.received) == (2, place.bytes_in, place.bytes_out)


async def test_a_status_that_was_not_expected_is_a_failure_that_names_the_place() -> None:
    async with opened(Place()) as place, visit(place.url) as guest:
        with pytest.raises(Unwanted, match=r"^404 at /missing/\.\.\.$"):
            await guest.get("/missing/7?page=2")
        assert (await guest.get("/missing", expect=(404,))).status == 404


async def test_an_answer_that_breaks_off_is_none() -> None:
    script = Script("HTTP/1.1 200 OK\ncontent-length: 40\n\nwell", "HTTP/1.1 200 OK\ncontent-le", close=[0, 1])
    async with visiting(script) as guest:
        for _ in range(2):
            with pytest.raises(NoAnswer, match=r"^connection lost$"):
                await guest.get("/")


async def test_what_is_no_http_is_no_answer() -> None:
    async with visiting(Script("220 mail.example.org ESMTP\n")) as guest:
        with pytest.raises(NoAnswer, match=r"^no HTTP: "):
            await guest.get("/")


@pytest.mark.parametrize(("method", "connections"), [("get", 2), ("post", 1)])
async def test_a_page_is_asked_for_again_where_an_old_connection_ends_in_silence_and_a_form_is_not_sent_twice(
    method: str, connections: int
) -> None:
    script = Script(WELL, "", WELL, close=[1])
    async with visiting(script) as guest:
        await guest.get("/")
        if method == "get":
            assert (await guest.get("/")).text == "well"
        else:
            with pytest.raises(NoAnswer, match=r"^connection lost$"):
                await guest.post("/", form={})
    assert script.connections == connections


async def test_a_new_connection_that_ends_in_silence_is_a_failure() -> None:
    async with visiting(Script("", close=[0])) as guest:
        with pytest.raises(NoAnswer, match=r"^connection lost$"):
            await guest.get("/")


async def test_after_the_time_limit_the_connection_is_given_up() -> None:
    script = Script("HTTP/1.1 200 OK\ncontent-length: 4\n\nwe", WELL)
    async with visiting(script, limit=0.3) as guest:
        with pytest.raises(NoAnswer, match=r"^no response within 0\.3 s$"):
            await guest.get("/")
        assert (await guest.get("/")).text == "well"
    assert script.connections == 2


async def test_a_site_that_speaks_tls_is_believed_by_who_knows_its_authority(tmp_path: Path) -> None:
    certs(tmp_path, ["gateway"], hosts=["127.0.0.1"])
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "gateway.crt", tmp_path / "gateway.key")
    async with opened(Place(), tls=context) as place:
        async with visit(place.url, authority=str(tmp_path / "ca.crt")) as guest:
            assert [(await guest.get("/")).text for _ in range(2)] == ["well", "well"]
            assert (guest.sent, guest.received) == (place.bytes_in, place.bytes_out)
        async with visit(place.url) as stranger:
            with pytest.raises(NoAnswer, match="CERTIFICATE_VERIFY_FAILED"):
                await stranger.get("/")
        assert place.connections == 1


async def test_who_asks_for_several_things_at_once_has_as_many_connections() -> None:
    async with opened(Place()) as place, visit(place.url) as guest:
        for _ in range(3):
            await asyncio.gather(guest.get("/a"), guest.get("/b"))
        assert place.connections == 2
