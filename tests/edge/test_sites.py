"""A module may be an ASGI application: it gets modules injected, and is served where no contract route answers."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from starlette.types import Message, Receive, Scope, Send
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedOK, InvalidStatus

from craton.application import Application
from craton.calls.call import Call
from craton.calls.context import Caller
from craton.edge import site
from craton.edge.admission import Admission
from craton.edge.authentication import Tokens
from craton.edge.server import serve_http
from craton.errors import Misuse, SettingsError
from craton.module import Module
from craton.testing.start import Running, start
from tests.edge import sites
from tests.edge.polls.application import poll as POLL

ANN = Caller("user:ann", frozenset({"user"}))
TOPOLOGIES = ("monolith", "microservices")


def client(running: Running, **options: object) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(running.edge)
    return httpx.AsyncClient(transport=transport, base_url="http://poll", **options)  # type: ignore[arg-type]


def token(running: Running) -> str:
    return str(running.door.tokens.issue(ANN, lifetime=timedelta(hours=1)))


@pytest.mark.parametrize("topology", TOPOLOGIES)
async def test_a_site_gets_what_no_route_answers_and_routes_win(topology: str) -> None:
    async with start(sites.application(), topology=topology) as running, client(running) as http:
        assert (await http.get("/")).text == "Polls of the lifespan under /"
        assert (await http.get("/polls/a")).json()["count"] == 0
        assert (await http.get("/nowhere")).text == "Not Found"
        assert (await http.get("/health/live")).json() == {"status": "live"}


async def test_a_site_under_a_path_knows_its_root_path() -> None:
    async with start(sites.application("/shop/front")) as running, client(running) as http:
        assert (await http.get("/shop/front/")).text == "Polls of the lifespan under /shop/front"
        assert (await http.get("/shop/front/tally/a")).json()["link"] == "/shop/front/tally/x"
        redirected = await http.get("/shop/front?a=1")
        assert (redirected.status_code, redirected.headers["location"]) == (307, "front/?a=1")
        assert (await http.get("/shop/frontal")).json()["type"] == "urn:craton:problem:not-found"


@pytest.mark.parametrize("topology", TOPOLOGIES)
async def test_pages_ask_as_the_bearer_of_a_token_or_of_a_cookie(topology: str) -> None:
    async with start(sites.application(), topology=topology) as running, client(running) as http:
        said = {"count": 0, "timed": True, "link": "/tally/x"}
        bearer, cookie = {"Authorization": f"Bearer {token(running)}"}, {"Cookie": f"token={token(running)}"}
        assert (await http.get("/tally/a")).json() == said | {"caller": ""}
        assert (await http.get("/tally/a", headers=bearer)).json() == said | {"caller": "user:ann"}
        assert (await http.get("/tally/a", headers=cookie)).json() == said | {"caller": "user:ann"}
        foreign = await http.get("/tally/a", headers={"Authorization": "Bearer another application's"})
        assert foreign.json() == said | {"caller": ""}


@pytest.mark.parametrize("topology", TOPOLOGIES)
async def test_what_is_asked_under_a_key_happens_once_and_without_one_each_time(topology: str) -> None:
    async with start(sites.application(), topology=topology) as running:
        async with client(running, headers={"Cookie": f"token={token(running)}"}) as http:
            assert (await http.post("/vote/a", content="form-1")).json() == [1, 2]
            assert (await http.post("/vote/a", content="form-1")).json() == [1, 2]
            assert (await http.post("/vote/a", content="form-2")).json() == [3, 4]
            assert (await http.post("/plain/a")).json() == 5
            assert (await http.post("/plain/a")).json() == 6


@pytest.mark.parametrize(("topology", "path"), [("monolith", "/"), ("monolith", "/shop"), ("microservices", "/")])
async def test_the_forms_of_a_site_that_check_passwords_take_a_few_tries_a_minute(topology: str, path: str) -> None:
    environ, root = {"CRATON_EDGE_SIGN_INS": "2"}, path.rstrip("/")
    async with start(sites.application(path), topology=topology, environ=environ) as running:
        async with client(running) as http:
            tries = [await http.post(f"{root}/plain/door") for _ in range(3)]
            others = [await http.post(f"{root}/plain/a"), await http.get(f"{root}/plain/door")]
    assert [answer.status_code for answer in tries] == [200, 200, 429]
    assert 20 <= int(tries[2].headers["retry-after"]) <= 30
    assert [answer.status_code for answer in others] == [200, 405]


async def test_what_is_asked_in_a_long_response_has_no_deadline_but_its_own() -> None:
    async with start(sites.application()) as running, client(running) as http:
        assert (await http.get("/lines")).text == "0 False\n0 False\n"


async def test_time_does_not_run_while_the_body_of_a_request_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site, "SECONDS", 0.1)
    coming, left = [b"a", b"b", b"c"], list[float]()

    async def receive() -> Message:
        await asyncio.sleep(0.06)
        return {"type": "http.request", "body": coming.pop(0), "more_body": bool(coming)}

    async def upload(scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive())["more_body"]:
            pass
        left.append(Call().left or 0.0)

    async def send(message: Message) -> None:
        raise AssertionError

    tokens = Tokens(b"a secret that only tests know", "poll")
    scope = {"type": "http", "method": "POST", "headers": []}
    mine = site.Site(upload, application="poll", tokens=tokens, state={}, admission=Admission())
    await mine(scope, receive, send)
    assert 0 < left[0] <= 0.1


async def test_a_bug_of_a_page_is_a_problem_and_ends_nothing_else() -> None:
    async with start(sites.application()) as running, client(running) as http:
        assert (await http.get("/broken")).status_code == 500
        assert (await http.get("/")).status_code == 200


async def test_a_site_whose_service_is_away_answers_503_and_the_rest_goes_on() -> None:
    async with start(sites.application(), topology="microservices") as running, client(running) as http:
        await running.close("site")
        away = await http.get("/")
        assert (away.status_code, away.headers["retry-after"]) == (503, "1")
        assert (await http.get("/polls/a")).status_code == 200
        await running.open("site")
        assert (await http.get("/")).status_code == 200


async def test_a_site_starts_and_stops_with_its_service() -> None:
    sites.LIVES.clear()
    async with start(sites.application()):
        assert sites.LIVES == ["up"]
    assert sites.LIVES == ["up", "down"]


async def test_a_site_that_does_not_start_stops_its_service_with_what_it_said() -> None:
    app = Application("app", [Module("site", asgi=f"{sites.__name__}:failing")])
    with pytest.raises(SettingsError, match=r"module site: its ASGI application did not start: .*no oil"):
        async with start(app):
            pass


async def test_a_site_may_be_the_application_itself_and_needs_no_lifespan() -> None:
    app = Application("app", [Module("site", asgi=f"{sites.__name__}:BARE")])
    async with start(app) as running, client(running) as http:
        assert (await http.get("/anything")).text == "bare"


async def test_a_site_runs_in_a_service_of_its_own_behind_the_gateway() -> None:
    async with start(POLL, topology="microservices", link="rpc") as running:
        async with httpx.AsyncClient(base_url=running.url) as http:  # type: ignore[attr-defined]
            assert (await http.get("/")).text == "Polls of the lifespan under /"
            assert (await http.get("/tally/a")).json()["count"] == 0
            assert (await http.get("/polls/a")).json()["count"] == 0
            assert (await http.get("/lines")).text == "0 False\n0 False\n"
            assert (await http.get("/from")).text == f"127.0.0.1 {running.url}/from"  # type: ignore[attr-defined]
            await echoes(running.url.replace("http:", "ws:"), token(running))  # type: ignore[attr-defined]
            running.kill("site")  # type: ignore[attr-defined]
            away = await http.get("/")
            assert (away.status_code, away.headers["retry-after"]) == (503, "1")
            assert (await http.get("/polls/a")).status_code == 200
            while (await http.get("/")).status_code != 200:  # noqa: ASYNC110  # it is another process
                await asyncio.sleep(0.1)


async def echoes(url: str, token: str) -> None:
    async with connect(f"{url}/echo", additional_headers={"Authorization": f"Bearer {token}"}) as socket:
        for said in ("one", "two"):
            await socket.send(said)
            assert await socket.recv() == f"{said} user:ann 0"
        await socket.send("end")
        with pytest.raises(ConnectionClosedOK):
            await socket.recv()


async def test_a_site_may_talk_over_websockets() -> None:
    async with start(sites.application()) as running:
        async with serve_http(running.edge, "127.0.0.1:0", websockets=True) as port:
            await echoes(f"ws://127.0.0.1:{port}", token(running))
            with pytest.raises(InvalidStatus):
                await connect(f"ws://127.0.0.1:{port}/nowhere")


async def test_a_site_behind_a_proxy_knows_its_client_and_others_cannot_pretend(tmp_path: Path) -> None:
    told = {"Host": "shop", "X-Forwarded-Proto": "https", "X-Forwarded-For": "6.6.6.6, 1.2.3.4"}
    async with start(sites.application()) as running, serve_http(running.edge, f"unix:{tmp_path}/s"):
        async with httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(uds=f"{tmp_path}/s")) as proxy:
            assert (await proxy.get("http://shop/from", headers=told)).text == "1.2.3.4 https://shop/from"
        async with client(running) as http:
            assert (await http.get("/from", headers=told)).text == "127.0.0.1 http://shop/from"


def test_a_key_is_of_whoever_acts() -> None:
    call = Call(verify=Caller)
    with call.acting("user:ann"), call.keyed("form"):
        assert call.key == "user:ann/form"
    with call.keyed("form"), pytest.raises(Misuse, match=r"acting comes before Call\.keyed"):
        call.acting("user:ann")  # or others would find the answers under the same key
