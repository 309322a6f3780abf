"""What every request passes: rates, request ids, headers for browsers, pages of other sites, proxies, sign-ins."""

from __future__ import annotations

import logging
from datetime import timedelta

import httpx
import pytest
from starlette.responses import PlainTextResponse

from craton import Caller, SettingsError
from craton.edge.gate import Gate
from craton.edge.places import Places
from craton.edge.problems import Problem
from craton.edge.rates import Rate
from craton.edge.rest import Edge, Resource
from craton.edge.settings import EdgeSettings
from craton.settings import settings_of
from tests.edge.books import ANN, TOKENS, client
from tests.edge.desk import Service
from tests.edge.desk import client as at_desk


async def test_every_answer_has_its_request_id_and_what_browsers_must_know() -> None:
    async with client() as http:
        paths = ("/books/1", "/books/none", "/nowhere", "/openapi.json", "/health/live")
        answers = [await http.get(path) for path in paths]
    assert [answer.status_code for answer in answers] == [200, 404, 404, 200, 200]
    for answer in answers:
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["referrer-policy"] and "strict-transport-security" not in answer.headers
    assert len({answer.headers["x-request-id"] for answer in answers}) == 5
    assert answers[0].headers["cache-control"] == "private, no-cache"


async def test_a_request_id_is_taken_from_the_client_where_it_is_sane() -> None:
    async with client() as http:
        mine = await http.get("/nowhere", headers={"X-Request-ID": "web-7f.3"})
        long = await http.get("/nowhere", headers={"X-Request-ID": "a" * 200})
        odd = await http.get("/nowhere", headers={"X-Request-ID": 'a"b'})
    assert (mine.headers["x-request-id"], mine.json()["instance"]) == ("web-7f.3", "urn:craton:request:web-7f.3")
    assert len(long.headers["x-request-id"]) < 64 and '"' not in odd.headers["x-request-id"]


async def test_what_breaks_is_logged_with_the_request_id(caplog: pytest.LogCaptureFixture) -> None:
    service = Service()
    service.desk.errors["oh"] = RuntimeError("oh")
    with caplog.at_level(logging.ERROR):
        async with at_desk(service) as http:
            answer = await http.post("/break/oh", headers={"Idempotency-Key": "k", "X-Request-ID": "r-1"})
    assert answer.status_code == 500 and "r-1" in caplog.text


async def test_one_too_many_is_told_when_to_ask_again_and_others_go_on() -> None:
    token = TOKENS.issue(ANN, lifetime=timedelta(hours=1))
    async with client(CRATON_EDGE_RATE="0.01", CRATON_EDGE_BURST="3") as http:
        answers = [await http.get("/books/1") for _ in range(4)]
        ann = await http.get("/books/1", headers={"Authorization": f"Bearer {token}"})
        healthy = await http.get("/health/live")
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert [answer.headers["ratelimit"] for answer in answers[:3]] == [
        '"caller";r=2;t=100', '"caller";r=1;t=200', '"caller";r=0;t=300',
    ]
    assert answers[3].json()["type"] == "urn:craton:problem:too-many-requests"
    assert 90 <= int(answers[3].headers["retry-after"]) <= 100
    assert answers[0].headers["ratelimit-policy"] == '"caller";q=3;w=300'
    assert (ann.status_code, healthy.status_code) == (200, 200)


async def test_guests_count_by_their_address_however_many_they_are() -> None:
    guests = [TOKENS.issue(Caller(f"guest:{n}"), lifetime=timedelta(hours=1)) for n in range(3)]
    async with client(CRATON_EDGE_RATE="0.01", CRATON_EDGE_BURST="2") as http:
        answers = [await http.get("/books/1", headers={"Authorization": f"Bearer {guest}"}) for guest in guests]
    assert [answer.status_code for answer in answers] == [200, 200, 429]


async def test_who_guesses_tokens_or_passwords_is_slowed_down_sooner() -> None:
    async with client(CRATON_EDGE_RATE="0.01", CRATON_EDGE_BURST="2", CRATON_EDGE_SIGN_INS="0") as http:
        guesses = [await http.get("/books/1", headers={"Authorization": f"Bearer {n}"}) for n in range(3)]
    assert [answer.status_code for answer in guesses] == [401, 401, 429]
    async with client(CRATON_EDGE_SIGN_INS="2") as http:
        tries = [await http.post("/tickets", json={"password": f"{n}"}) for n in range(3)]
        other = await http.get("/books/1")
    assert [answer.status_code for answer in tries] == [401, 401, 429]
    assert other.status_code == 200


async def test_a_sign_in_takes_no_key_and_its_answer_may_be_a_secret() -> None:
    async with client() as http:
        answer = await http.post("/tickets", json={"password": "open sesame"})
    assert (answer.status_code, answer.json()) == (201, {"token": "a ticket"})
    assert answer.headers["cache-control"] == "no-store"


def test_rates_remember_no_more_callers_than_they_may() -> None:
    rate = Rate("caller", per_second=1, burst=2, most=100)
    for n in range(1000):
        rate.take(f"guest:{n}", now=n * 0.001)
    assert len(rate.full) <= 100
    rate.take("ann", now=5.0)
    rate.take("ann", now=5.0)
    with pytest.raises(Problem):
        rate.take("ann", now=5.0)
    assert rate.take("ann", now=6.0) == b'"caller";r=0;t=2'


async def test_pages_of_other_sites_may_ask_where_they_were_named() -> None:
    shop, eve = "https://shop.example", "https://eve.example"
    asks = {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "if-match"}
    async with client(CRATON_EDGE_ORIGINS=shop) as http:
        before = await http.options("/books/1", headers={"Origin": shop} | asks)
        answer = await http.get("/books/1", headers={"Origin": shop})
        refused = await http.get("/nowhere", headers={"Origin": shop})
        foreign = await http.options("/books/1", headers={"Origin": eve} | asks)
    assert (before.status_code, before.headers["access-control-allow-origin"]) == (204, shop)
    assert "PUT" in before.headers["access-control-allow-methods"]
    assert "if-match" in before.headers["access-control-allow-headers"]
    assert answer.headers["access-control-allow-origin"] == refused.headers["access-control-allow-origin"] == shop
    assert "etag" in answer.headers["access-control-expose-headers"] and answer.headers["vary"] == "origin"
    assert "access-control-allow-origin" not in foreign.headers
    async with client() as http:
        closed = await http.options("/books/1", headers={"Origin": shop} | asks)
    assert (closed.status_code, "access-control-allow-origin" in closed.headers) == (405, False)


async def test_caches_are_told_of_origins_beside_what_an_application_says() -> None:
    own, gate = PlainTextResponse("hi", headers={"Vary": "Accept-Encoding"}), Gate(EdgeSettings(origins="*"))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(Edge(gate, Places[Resource](), own))) as http:
        answer = await http.get("http://shop/", headers={"Origin": "https://shop.example"})
    assert set(answer.headers.get_list("vary", split_commas=True)) == {"Accept-Encoding", "origin"}


LIMITED = {"CRATON_EDGE_RATE": "0.01", "CRATON_EDGE_BURST": "1"}
TRUSTED = "10.0.0.0/8, 2001:db8:1::1"


@pytest.mark.parametrize(
    ("peer", "first", "second", "statuses"),
    [
        ("192.0.2.1", "198.51.100.1", "198.51.100.2", [200, 429]),  # whoever is no proxy may say what they like
        ("10.0.0.1", "198.51.100.1", "198.51.100.2", [200, 200]),
        ("10.0.0.1", "198.51.100.1", "198.51.100.1", [200, 429]),
        ("10.0.0.1", "203.0.113.9, 198.51.100.1", "203.0.113.8, 198.51.100.1", [200, 429]),  # forged before the proxy
        ("10.0.0.1", "198.51.100.1, 10.2.3.4", "198.51.100.2, 10.2.3.4", [200, 200]),
        ("2001:db8:1::1", "2001:db8:2::1", "2001:db8:2::2", [200, 429]),  # one network is one client
        ("2001:db8:1::1", "2001:db8:2::1", "2001:db8:3::1", [200, 200]),
        ("", "198.51.100.1", "198.51.100.2", [200, 200]),  # over a Unix socket
    ],
)
async def test_a_clients_address_is_what_trusted_proxies_say(
    peer: str, first: str, second: str, statuses: list[int]
) -> None:
    async with client(peer, CRATON_EDGE_TRUSTED_PROXIES=TRUSTED, **LIMITED) as http:
        answers = [await http.get("/books/1", headers={"X-Forwarded-For": told}) for told in (first, second)]
    assert [answer.status_code for answer in answers] == statuses


async def test_behind_a_proxy_with_tls_browsers_are_told_to_keep_to_it() -> None:
    told = {"X-Forwarded-Proto": "https"}
    async with client("10.0.0.1", CRATON_EDGE_TRUSTED_PROXIES="10.0.0.0/8") as http:
        assert "strict-transport-security" in (await http.get("/books/1", headers=told)).headers
        assert "strict-transport-security" not in (await http.get("/books/1")).headers
    async with client("192.0.2.1") as http:
        assert "strict-transport-security" not in (await http.get("/books/1", headers=told)).headers


@pytest.mark.parametrize(
    ("variable", "text", "says"),
    [
        ("TRUSTED_PROXIES", "10.0.0.0/8, nonsense", "write addresses or networks"),
        ("KEY", "a.key", "belong together"), ("BODY", "0", "make it more than 0"),
        ("SPEED", "1", "is no setting of edge"),
    ],
)
def test_settings_that_make_no_sense_are_refused(variable: str, text: str, says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        settings_of(EdgeSettings, "edge", {f"CRATON_EDGE_{variable}": text})
