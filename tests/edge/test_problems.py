"""Every error is a problem of RFC 9457 with a type that programs can rely on, and gives away nothing of the inside."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

import pytest

from craton.calls.context import NOBODY, Caller
from craton.edge.authentication import Tokens
from craton.edge.settings import EdgeSettings
from craton.errors import (
    Failed,
    InvalidArguments,
    KeyReused,
    NotAllowed,
    NotAuthenticated,
    NotRun,
    OutcomeUnknown,
    StillRunning,
    Withdrawn,
)
from tests.edge.desk import ANN, CLERK, TOKENS, Service, Undeclared, authorized, client

KEY = {"Idempotency-Key": "k"}
JSON = {"Content-Type": "application/json"}
INSIDE = "unix:/run/orders.sock refused, password=hunter2"


def urn(kind: str) -> str:
    return f"urn:craton:problem:{kind}"


@pytest.fixture
def service() -> Service:
    return Service()


async def asked(service: Service, verb: str, path: str, caller: Caller = NOBODY, **options: Any) -> Any:
    """The answer, after the checks that hold for every problem."""
    async with client(service, caller) as http:
        answer = await http.request(verb, path, **options)
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    problem = answer.json()
    assert problem["status"] == answer.status_code
    assert problem["type"].startswith("urn:craton:") and problem["title"]
    return answer


async def test_a_fault_has_its_status_its_type_and_its_fields(service: Service) -> None:
    own = KEY | {"X-Request-ID": "r1"}
    answer = await asked(service, "PUT", "/stock/mug", CLERK, json={"quantity": 6}, headers=own)
    assert answer.json() == {
        "instance": "urn:craton:request:r1",
        "type": "urn:craton:store:out-of-stock", "title": "Not enough on hand", "status": 409,
        "detail": "Out of stock: sku mug, available 5.", "sku": "mug", "available": 5,
    }


async def test_a_fault_with_words_of_its_own_is_told_in_them(service: Service) -> None:
    answer = await asked(service, "GET", "/stock/none", headers={"X-Request-ID": "r1"})
    assert answer.json() == {
        "instance": "urn:craton:request:r1",
        "type": "urn:craton:store:no-such-product", "title": "No such product", "status": 404,
        "detail": "There is no product none.", "sku": "none",
    }


ERRORS = [
    (InvalidArguments("place: lines: is required."), 422, "invalid-arguments"),
    (NotAuthenticated("no assertion"), 401, "not-authenticated"),
    (NotAllowed("not yours"), 403, "not-allowed"),
    (KeyReused("orders.place"), 422, "key-reused"),
    (Withdrawn("orders.place"), 409, "withdrawn"),
    (NotRun(INSIDE), 503, "not-run"),
    (StillRunning("orders.place"), 409, "still-running"),
    (OutcomeUnknown(INSIDE), 504, "outcome-unknown"),
    (Failed("orders.place", INSIDE), 500, "failed"),
    (Undeclared("a"), 500, "failed"),
    (ZeroDivisionError(INSIDE), 500, "failed"),
    (KeyError(INSIDE), 500, "failed"),
    (TimeoutError(INSIDE), 500, "failed"),
]


@pytest.mark.parametrize(("error", "status", "kind"), ERRORS, ids=[type(error).__name__ for error, _, _ in ERRORS])
async def test_each_error_of_a_call_has_its_status_and_its_type(
    service: Service, error: Exception, status: int, kind: str
) -> None:
    service.desk.errors["so"] = error
    answer = await asked(service, "POST", "/break/so", headers=KEY)
    assert (answer.status_code, answer.json()["type"]) == (status, urn(kind))
    assert ("retry-after" in answer.headers) == (status == 503 or kind == "still-running")
    assert ("www-authenticate" in answer.headers) == (status == 401)


@pytest.mark.parametrize("error", [e for e, _, kind in ERRORS if kind in ("failed", "not-run", "outcome-unknown")])
async def test_what_broke_inside_is_logged_and_not_told(
    service: Service, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    service.desk.errors["so"] = error
    answer = await asked(service, "POST", "/break/so", headers=KEY)
    assert "hunter2" not in answer.text and "Traceback" not in answer.text
    assert ("hunter2" in caplog.text) == (INSIDE in str(error))
    assert [record.levelno for record in caplog.records] == [
        logging.ERROR if answer.status_code == 500 else logging.WARNING
    ]


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/find?limit=many", ["limit"]), ("/find?limit=1&limit=2", ["limit"]), ("/find?ids=a", ["ids[0]"]),
        ("/find?sizes=huge", ["sizes[0]"]), ("/find?share=nan", ["share"]), ("/find?share=inf", ["share"]),
        ("/find?under=sNaN", ["under"]), ("/find?limit=9223372036854775808", ["limit"]), ("/find?text=%00", ["text"]),
        ("/find?at=yesterday", ["at"]), ("/find?at=0001-01-01T00:00:00%2B14:00", ["at"]), ("/find?sure=x", ["sure"]),
        ("/stock/a%00b", ["sku"]), ("/lines", ["count"]), ("/lines?count=", ["count"]),
    ],
)
async def test_a_parameter_that_does_not_fit_is_named(service: Service, path: str, fields: list[str]) -> None:
    answer = await asked(service, "GET", path)
    assert (answer.status_code, answer.json()["type"]) == (422, urn("invalid-arguments"))
    assert [error["field"] for error in answer.json()["errors"]] == fields
    assert service.seen == {}


@pytest.mark.parametrize(
    ("body", "field", "why"),
    [
        ('{"lines": [{"sku": 7}]}', "lines[0].sku", "expected str, got int"),
        ('{"lines": [{}]}', "lines[0].sku", "is required"),
        ("{}", "lines", "is required"),
        ("", "lines", "is required"),
        ("[]", "", "expected object, got array"),
        ("null", "", "expected object, got null"),
        ('{"lines": [{"sku": "a", "quantity": 9223372036854775808}]}', "lines[0].quantity", "must fit into 64 bits"),
        ('{"lines": [], "price": "\\u004eaN"}', "price", "must be a finite number"),
        ('{"lines": [], "note": "\\u0000"}', "note", "must not hold the character U+0000"),
    ],
)
async def test_a_field_that_does_not_fit_is_named(service: Service, body: str, field: str, why: str) -> None:
    answer = await asked(service, "POST", "/orders", content=body, headers=KEY | JSON)
    assert answer.status_code == 422
    assert answer.json()["errors"] == [{"field": field, "detail": why}]
    assert answer.json()["detail"] == (f"{field}: {why}." if field else f"{why}.")
    assert service.seen == {}


@pytest.mark.parametrize(
    "body",
    [
        b"{", b'{"lines": []}{}', b"\xff", b'{"lines": [], "note": "\xff"}', b'{"x":' + b"[" * 100_000,
        b"\xef\xbb\xbf{}", b"lines=1",
    ],
)
async def test_a_body_that_is_not_json_cannot_be_read(service: Service, body: bytes) -> None:
    answer = await asked(service, "POST", "/orders", content=body, headers=KEY | JSON)
    assert (answer.status_code, answer.json()["type"]) == (400, urn("malformed"))
    assert not answer.json()["detail"].startswith("jSON")


@pytest.mark.parametrize("query", ["text=%ff", "&".join(f"a{n}=1" for n in range(1001))])
async def test_a_query_string_that_is_no_text_or_endless_cannot_be_read(service: Service, query: str) -> None:
    assert (await asked(service, "GET", f"/find?{query}")).status_code == 400


@pytest.mark.parametrize("type_", ["application/x-www-form-urlencoded", "text/json", "application/xml", None])
async def test_a_body_of_another_type_is_refused(service: Service, type_: str | None) -> None:
    headers = KEY | ({"Content-Type": type_} if type_ else {})
    answer = await asked(service, "POST", "/orders", content=b'{"lines": []}', headers=headers)
    assert (answer.status_code, answer.json()["type"]) == (415, urn("unsupported-media-type"))


async def test_json_with_a_charset_is_json(service: Service) -> None:
    headers = KEY | {"Content-Type": "Application/JSON; charset=utf-8"}
    async with client(service) as http:
        assert (await http.post("/orders", content=b'{"lines": []}', headers=headers)).status_code == 201


async def test_a_body_beyond_the_limit_is_refused(service: Service) -> None:
    async with client(service, settings=EdgeSettings(body=20)) as http:
        fits = await http.post("/ask", content=b'{"lines": []}'.ljust(20), headers=JSON)
        large = await http.post("/ask", content=b'{"lines": []}'.ljust(21), headers=JSON)
    assert (fits.status_code, large.status_code) == (200, 413)
    assert large.json()["type"] == urn("too-large")


@pytest.mark.parametrize("path", ["/", "/none", "/stock", "/stock/", "/stock/a/b", "/hidden", "/capture", "/orders/"])
async def test_a_path_where_nothing_stands_is_not_found(service: Service, path: str) -> None:
    answer = await asked(service, "GET", path)
    assert (answer.status_code, answer.json()["type"]) == (404, urn("not-found"))


@pytest.mark.parametrize(
    ("verb", "path", "allow"),
    [
        ("POST", "/stock/a", "DELETE, GET, HEAD, PATCH, PUT"), ("GET", "/orders", "POST"),
        ("OPTIONS", "/find", "GET, HEAD"), ("BREW", "/find", "GET, HEAD"),
        ("POST", "/openapi.json", "GET, HEAD"), ("DELETE", "/sagas/orders/1", "GET, HEAD"),
    ],
)
async def test_a_method_that_a_path_does_not_take_is_refused_with_those_it_takes(
    service: Service, verb: str, path: str, allow: str
) -> None:
    answer = await asked(service, verb, path)
    assert (answer.status_code, answer.headers["allow"]) == (405, allow)


async def test_who_has_no_token_may_call_only_what_is_for_anyone(service: Service) -> None:
    answer = await asked(service, "POST", "/checkout", json={"cart": "c"}, headers=KEY)
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    async with client(service) as http:
        assert (await http.get("/stock/a")).status_code == 200


async def test_a_guest_may_call_what_is_for_callers_and_only_a_role_what_is_for_it(service: Service) -> None:
    guest = Caller("guest:7f")
    async with client(service, guest) as http:
        assert (await http.post("/checkout", json={"cart": "c"}, headers=KEY)).status_code == 201
    for caller in (guest, ANN):
        answer = await asked(service, "PUT", "/stock/a", caller, json={"quantity": 1}, headers=KEY)
        assert (answer.status_code, answer.json()["type"]) == (403, urn("not-allowed"))
    async with client(service, CLERK) as http:
        assert (await http.put("/stock/a", json={"quantity": 1}, headers=KEY)).status_code == 204


EXPIRED = TOKENS.issue(ANN, lifetime=timedelta(0))
FOREIGN = Tokens(b"another secret, long enough", "store").issue(ANN, lifetime=timedelta(hours=1))


@pytest.mark.parametrize(
    "given", [f"Bearer {EXPIRED}", f"Bearer {FOREIGN}", "Bearer", "Bearer x", "Basic YTpi", "", "\xff"]
)
async def test_a_token_that_is_not_valid_is_refused_even_where_none_is_needed(service: Service, given: str) -> None:
    answer = await asked(service, "GET", "/stock/a", headers={"Authorization": given.encode("latin-1")})
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, 'Bearer error="invalid_token"')


@pytest.mark.parametrize(
    ("verb", "path"), [("POST", "/orders"), ("DELETE", "/stock/a"), ("POST", "/checkout"), ("PATCH", "/stock/a")]
)
async def test_what_changes_something_needs_a_key(service: Service, verb: str, path: str) -> None:
    answer = await asked(service, verb, path, ANN)
    assert (answer.status_code, answer.json()["type"]) == (400, urn("key-missing"))


LONG = "k" * 201


@pytest.mark.parametrize(
    "key", ["", " ", '"', '""', '"a', 'a"b', "a,b", "a b", '"a" "b"', "é", '"é"', '"\\x"', LONG, f'"{LONG}"']
)
async def test_a_key_that_is_no_key_is_refused(service: Service, key: str) -> None:
    answer = await asked(service, "POST", "/orders", headers=[("Idempotency-Key", key.encode())], json={"lines": []})
    assert (answer.status_code, answer.json()["type"]) == (400, urn("key-malformed"))


async def test_two_keys_are_one_too_many(service: Service) -> None:
    answer = await asked(service, "POST", "/orders", headers=[("Idempotency-Key", "a"), ("Idempotency-Key", "b")])
    assert answer.json()["type"] == urn("key-malformed")


@pytest.mark.parametrize(
    ("given", "key"),
    [
        ("k-1", "k-1"), ('"k-1"', "k-1"), (' "a, b" ', "a, b"), ('"a\\"b\\\\"', 'a"b\\'), ("a/b:c=", "a/b:c="),
        (LONG[1:], LONG[1:]),
    ],
)
async def test_a_key_is_passed_on_in_the_scope_of_its_caller(service: Service, given: str, key: str) -> None:
    for caller, scope in ((ANN, "user:ann"), (NOBODY, "anyone"), (Caller("user:a/b"), "user:a%2Fb")):
        async with client(service, caller) as http:
            answer = await http.post("/orders", json={"lines": []}, headers={"Idempotency-Key": given})
        assert answer.json()["key"] == f"{scope}/{key}"


async def test_the_same_key_for_another_request_is_refused_but_only_to_the_same_caller(service: Service) -> None:
    async with client(service) as http:
        for caller in (ANN, CLERK):
            await http.post("/orders", json={"lines": [{"sku": caller.subject}]}, headers=KEY | authorized(caller))
        again = await http.post("/orders", json={"lines": [{"sku": "other"}]}, headers=KEY | authorized(ANN))
    assert service.bodies.keys() == {"user:ann/k", "user:carl/k"}
    assert (again.status_code, again.json()["type"]) == (422, urn("key-reused"))
