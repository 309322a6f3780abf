"""What a client sends reaches the method as typed arguments, and what the method gives comes back as JSON."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from craton.edge.settings import EdgeSettings
from tests.edge.desk import ADMIN, ANN, CLERK, Service, app_of, authorized, client

KEY = {"Idempotency-Key": '"k-1"'}
UUIDS = ("0192d1d6-0000-7000-8000-000000000001", "0192d1d6-0000-7000-8000-000000000002")
FOUND = [
    ("text=mug", ["mug", "None", "None", "10", "0.5", "False"]),
    ("sizes=large&sizes=small&under=9.50", ["", "large", "small", "9.50", "None", "10", "0.5", "False"]),
    (f"ids={UUIDS[0]}&ids={UUIDS[1]}&limit=3&share=1e-1", ["", "None", "None", *UUIDS, "3", "0.1", "False"]),
    ("at=2026-01-02T03:04:05Z&sure=true", ["", "None", "2026-01-02 03:04:05+00:00", "10", "0.5", "True"]),
    ("text=caf%C3%A9+%26+tea&unknown=1", ["café & tea", "None", "None", "10", "0.5", "False"]),
]


@pytest.mark.parametrize(("text", "found"), FOUND)
async def test_a_query_string_becomes_typed_arguments(text: str, found: list[str]) -> None:
    async with client(Service()) as http:
        answer = await http.get(f"/find?{text}")
    assert (answer.status_code, answer.json()) == (200, found)
    assert answer.headers["content-type"] == "application/json"


async def test_a_parameter_in_the_path_reaches_the_method() -> None:
    async with client(Service()) as http:
        assert (await http.get("/stock/abcd")).json() == 4
        assert (await http.get("/stock/caf%C3%A9")).json() == 4


async def test_fixed_paths_come_before_parameters() -> None:
    async with client(Service()) as http:
        assert (await http.get("/stock/low")).json() == [{"sku": "low", "quantity": 1}]


async def test_a_body_becomes_typed_arguments() -> None:
    service = Service()
    body = {"lines": [{"sku": "a"}, {"sku": "b", "quantity": 2}], "price": "1.50", "colour": "ignored"}
    async with client(service, ANN) as http:
        answer = await http.post("/orders", json=body, headers=KEY)
    assert answer.status_code == 201
    assert answer.json()["said"] == ["a", "b", "1.50", "None"]


@pytest.mark.parametrize(
    ("verb", "path", "body", "status", "result"),
    [
        ("POST", "/checkout", {"cart": "c"}, 201, "order of c"),
        ("POST", "/card", {"number": "4242"}, 204, None),
        ("POST", "/ask", {"lines": [{"sku": "a", "quantity": 3}]}, 200, 3),
        ("POST", "/ask", None, 200, 0),
        ("PUT", "/stock/a", {"quantity": 1}, 204, None),
        ("PATCH", "/stock/a", {"by": 2}, 200, 2),
        ("PATCH", "/stock/a", None, 200, 1),
        ("DELETE", "/stock/a?why=gone", None, 204, None),
    ],
)
async def test_each_kind_of_method_has_its_status(verb: str, path: str, body: Any, status: int, result: Any) -> None:
    async with client(Service(), CLERK) as http:
        answer = await http.request(verb, path, json=body, headers=KEY)
    assert answer.status_code == status, answer.text
    assert answer.content == b"" if status == 204 else answer.json() == result


async def test_head_answers_as_get_without_the_body() -> None:
    service = Service()
    async with client(service) as http:
        for path in ("/stock/abcd", "/find?text=mug", "/lines?count=3", "/openapi.json"):
            got, head = await http.get(path), await http.head(path)
            assert (head.status_code, head.content) == (200, b"")
            own = {"x-request-id", "ratelimit"}
            assert {n: v for n, v in head.headers.items() if n not in own} == {
                n: v for n, v in got.headers.items() if n not in own
            }
        missing = await http.head("/stock/none")
        assert (missing.status_code, missing.content) == (404, b"")


async def test_a_stream_arrives_line_by_line() -> None:
    service = Service()
    async with client(service) as http:
        answer = await http.get("/lines?count=3")
        empty = await http.get("/lines?count=0")
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert answer.text == "".join(f'{{"sku":"a","quantity":{n}}}\n' for n in range(3))
    assert (empty.status_code, empty.text) == (200, "")
    assert service.shelf.closed.is_set()


async def test_a_stream_that_fails_at_once_has_the_status_of_its_fault() -> None:
    async with client(Service()) as http:
        assert (await http.get("/lines?count=0&fails=true")).status_code == 404


async def test_a_stream_that_breaks_off_is_left_unfinished() -> None:
    sent = await talk("/lines", query=b"count=2&fails=true")
    assert [m.get("body") for m in sent[1:]] == [b'{"sku":"a","quantity":0}\n', b'{"sku":"a","quantity":1}\n']
    assert sent[-1]["more_body"]


async def test_a_query_is_stopped_when_its_client_goes_away() -> None:
    service = Service()
    assert await talk("/wait", service=service, leaves=True) == []
    assert service.shelf.stopped.is_set()


async def test_a_command_is_not_stopped_when_its_client_goes_away() -> None:
    service = Service()
    own = {"Idempotency-Key": "k", "Content-Type": "application/json"} | authorized(ANN)
    headers = [(name.lower().encode(), value.encode()) for name, value in own.items()]
    slow = b'{"number": "4242", "wait": "PT0.1S"}'
    await talk("/card", verb="POST", body=slow, headers=headers, service=service, leaves=True)
    assert service.charged == "4242"


async def test_a_client_that_goes_away_before_its_body_is_complete_calls_nothing() -> None:
    service = Service()
    sent = await talk("/orders", verb="POST", body=None, headers=[(b"idempotency-key", b"k")], service=service)
    assert sent == [] and service.seen == {}


async def talk(
    path: str, *, verb: str = "GET", query: bytes = b"", body: bytes | None = b"", service: Service | None = None,
    headers: list[tuple[bytes, bytes]] | None = None, leaves: bool = False,
) -> list[Any]:
    """One conversation at the level of ASGI; a body of None is a client that goes away while it sends."""
    sent: list[Any] = []
    messages: list[dict[str, Any]] = [{"type": "http.request", "body": body}] if body is not None else []

    async def receive() -> Any:
        if messages:
            return messages.pop(0)
        if body is not None:
            await asyncio.sleep(0.02 if leaves else 60)
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": verb, "path": path, "query_string": query, "headers": headers or []}
    async with asyncio.timeout(10):
        await app_of(service or Service())(scope, receive, send)
    return sent


async def test_the_caller_of_the_token_and_the_trace_are_passed_on() -> None:
    service = Service()
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    async with client(service, ANN) as http:
        await http.get("/stock/a", headers={"traceparent": trace})
        assert (service.seen["caller"], service.seen["trace"], service.seen["key"]) == (ANN, trace, None)
        await http.get("/stock/a", headers={"traceparent": trace.replace("b7", "zz")})
        assert service.seen["trace"] == ""


@pytest.mark.parametrize(
    ("prefer", "seconds"),
    [
        (None, 10.0), ("wait=3", 3.0), ("respond-async, wait=20", 20.0), ('Wait = "7"', 7.0), ("wait=9999", 60.0),
        ("wait=0", 1.0), ("wait=-1", 10.0), ("wait=long", 10.0), ("await=3", 10.0), ("", 10.0),
    ],
)
async def test_the_client_may_say_how_long_it_waits_within_limits(prefer: str | None, seconds: float) -> None:
    service = Service()
    async with client(service) as http:
        await http.get("/stock/a", headers={} if prefer is None else {"Prefer": prefer})
    assert service.seen["timeout"] == seconds


async def test_the_limits_can_be_set() -> None:
    service = Service()
    async with client(service, settings=EdgeSettings(timeout=2, longest=5)) as http:
        await http.get("/stock/a")
        assert service.seen["timeout"] == 2
        await http.get("/stock/a", headers={"Prefer": "wait=30"})
        assert service.seen["timeout"] == 5


async def test_a_saga_that_goes_on_is_answered_with_its_address() -> None:
    async with client(Service(), ANN) as http:
        answer = await http.post("/checkout", json={"cart": "slow"}, headers=KEY)
        assert (answer.status_code, answer.json()) == (202, {"id": "saga-1", "state": "running"})
        status = await http.get(answer.headers["location"])
    assert status.status_code == 200
    assert status.json() == {
        "id": "saga-1", "method": "orders.checkout", "state": "done", "answer": {"order": 1}, "fault": None,
    }


async def test_only_its_subject_and_an_admin_may_ask_about_a_saga() -> None:
    async with client(Service()) as http:
        found = [await http.get("/sagas/orders/saga-1", headers=authorized(who)) for who in (ANN, ADMIN, CLERK)]
        nobody = await http.get("/sagas/orders/saga-1")
        unknown = [await http.get(path) for path in ("/sagas/orders/saga-2", "/sagas/nothing/saga-1")]
    assert [answer.status_code for answer in found] == [200, 200, 403]
    assert nobody.status_code == 401
    assert [answer.status_code for answer in unknown] == [404, 404]


async def test_health_says_whether_it_runs_and_whether_it_takes_calls() -> None:
    service = Service()
    async with client(service) as http:
        assert (await http.get("/health/live")).status_code == 200
        assert (await http.get("/health/ready")).status_code == 200
        service.up = False
        assert (await http.get("/health/live")).status_code == 200
        assert (await http.get("/health/ready")).status_code == 503


SAFE = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))


@given(text=SAFE, price=st.decimals(allow_nan=False, allow_infinity=False), quantity=st.integers(-(2**63), 2**63 - 1))
async def test_what_is_sent_is_what_arrives(text: str, price: Any, quantity: int) -> None:
    async with client(Service()) as http:
        body = {"lines": [{"sku": text, "quantity": quantity}], "price": str(price), "note": text}
        answer = await http.post("/orders", json=body, headers=KEY)
        assert answer.json()["said"] == [text, str(price), text]
        found = await http.get("/find", params={"text": text, "limit": quantity})
        assert (found.json()[0], found.json()[3]) == (text, str(quantity))
