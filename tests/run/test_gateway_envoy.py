"""A running Envoy in front of services that say what reached them: what it lets through, and what it answers itself."""

from __future__ import annotations

import asyncio
import subprocess
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from craton.edge.settings import EdgeSettings
from craton.run.folder import free_port
from craton.run.gateway.process import put
from tests.run.gateways import SPLIT, Echo, Fronted, echoes, fronted
from tests.until import until

NAMES = tuple(service.name for service in SPLIT.services)
PROBLEM = "urn:craton:problem:"


@asynccontextmanager
async def client(front: Fronted) -> AsyncIterator[httpx.AsyncClient]:
    """Who asks from outside."""
    async with httpx.AsyncClient(base_url=front.url, timeout=30) as asking:
        yield asking


@asynccontextmanager
async def standing(folder: Path, **settings: Any) -> AsyncIterator[tuple[dict[str, Echo], Fronted]]:
    """All services, and an Envoy in front of them."""
    async with echoes(*NAMES) as found, fronted(folder, {n: (a,) for n, (_, a) in found.items()}, **settings) as front:
        yield {name: echo for name, (echo, _) in found.items()}, front


@asynccontextmanager
async def breaking() -> AsyncIterator[tuple[list[str], str]]:
    """A replica that takes requests, and then breaks the connection; what it took, and where it is."""
    taken: list[str] = []

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (verb := (await reader.readuntil(b"\r\n\r\n")).split(b" ")[:2])[1] == b"/health/ready":
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        taken.append(verb[0].decode())
        writer.transport.abort()

    async with await asyncio.start_server(take, "127.0.0.1", 0) as server:
        yield taken, f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def raw(front: Fronted, path: str) -> str:
    """The status line for a path that no well-behaved client sends."""
    host, _, port = front.envoy.listen.partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"GET {path} HTTP/1.1\r\nhost: shop\r\nconnection: close\r\n\r\n".encode())
    line = await reader.readline()
    writer.transport.abort()
    return line.decode().split(" ")[1]


async def test_each_request_reaches_the_service_that_it_is_for_and_nothing_internal_is_reached(tmp_path: Path) -> None:
    async with standing(tmp_path) as (found, front):
        async with client(front) as asking:
            for verb, path, service in (
                ("GET", "/stock/apple?a=b", "stock"), ("HEAD", "/stock/apple", "stock"),
                ("PUT", "/stock/apple", "prices"), ("GET", "/stock/low", "stock"), ("PUT", "/stock/low", "stock"),
                ("POST", "/stock/a%2Fb/add", "stock"),
                ("OPTIONS", "/stock/apple", "stock"), ("GET", "/sagas/prices/saga-1", "prices"),
                ("GET", "/office/desk", "office"), ("GET", "/officer", "pages"), ("GET", "/", "pages"),
            ):
                before = len(found[service].taken)
                assert (await asking.request(verb, path)).status_code == 200, (verb, path)
                assert len(found[service].taken) == before + 1, (verb, path)
            refused = await asking.delete("/stock/apple")
            assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD, PUT")
            assert refused.json()["type"] == f"{PROBLEM}method-not-allowed"
            assert (await asking.get("/openapi.json")).status_code == 200
            assert (await asking.get("/health/live")).json() == {"status": "live"}
            assert (await asking.get("/health/ready")).json() == {"status": "ready"}
        for path in "/craton/x /%63raton/x /craton%2Fx //craton/x /a/../craton/x /%2e/CRATON/x /%2Fcraton/x".split():
            assert await raw(front, path) == "404", path
        assert not [path for echo in found.values() for path in echo.taken if "raton" in path]


async def test_what_only_gateways_and_services_may_say_is_removed_from_requests(tmp_path: Path) -> None:
    sent = {
        "traceparent": "00-1", "authorization": "x",
        "craton-caller": "admin", "Craton-Timeout": "99", "x-forwarded-for": "6.6.6.6", "x-forwarded-proto": "https",
        "x-forwarded-host": "evil", "forwarded": "for=6.6.6.6", "x-real-ip": "6.6.6.6", "x-request-id": "mine",
        "x-envoy-upstream-rq-timeout-ms": "1", "connection": "x-hop", "x-hop": "1", "proxy-connection": "x",
    }
    async with standing(tmp_path) as (_, front), client(front) as asking:
        answer = await asking.get("/stock/apple?secret=1", headers=sent)
    reached = answer.json()["headers"]
    assert not [name for name in reached if name.startswith("craton-")]
    assert not reached.keys() & {"x-forwarded-host", "forwarded", "x-real-ip", "x-hop"}
    assert "6.6.6.6" not in str(reached) and reached["x-forwarded-proto"] == "http"
    assert reached["x-request-id"] == answer.headers["x-request-id"] != "mine"
    assert (reached["traceparent"], reached["authorization"]) == ("00-1", "x")
    [line] = [line for line in front.log() if line["url.path"] == "/stock/apple"]
    assert line["http.request.id"] == reached["x-request-id"] and "secret" not in str(line)
    assert (line["http.response.status_code"], line["service.name"], line["traceparent"]) == (200, "stock", "00-1")


async def test_a_trusted_proxy_says_where_requests_come_from(tmp_path: Path) -> None:
    edge = EdgeSettings(trusted_proxies="127.0.0.0/8")
    told = {"x-forwarded-for": "6.6.6.6, 9.9.9.9", "craton-caller": "admin"}
    async with standing(tmp_path, edge=edge) as (_, front), client(front) as asking:
        reached = (await asking.get("/prices", headers=told)).json()["headers"]
    assert "craton-caller" not in reached and front.log()[-1]["client.address"] == "9.9.9.9"
    assert reached["x-forwarded-for"].startswith("6.6.6.6, 9.9.9.9,")  # and then the proxy itself


async def test_a_service_that_is_not_there_is_told_as_a_problem_and_hurts_no_other(tmp_path: Path) -> None:
    async with echoes("stock", "pages", "office") as found:
        services = {n: (at,) for n, (_, at) in found.items()} | {"prices": (f"127.0.0.1:{free_port()}",)}
        async with fronted(tmp_path, services) as front, client(front) as asking:
            for answer in [await asking.get("/prices"), await asking.put("/stock/apple")]:
                assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
                assert answer.headers["content-type"] == "application/problem+json"
                assert answer.json()["type"] == f"{PROBLEM}not-run" and answer.json()["status"] == 503
            assert {(await asking.get("/openapi.json")).status_code for _ in range(12)} == {200}
            assert (await asking.get("/stock/apple")).status_code == 200


async def test_queries_are_asked_again_elsewhere_and_a_change_that_was_sent_is_never_sent_twice(tmp_path: Path) -> None:
    async with echoes(*NAMES) as found, breaking() as (taken, broken):
        services = {n: (at,) for n, (_, at) in found.items()}
        async with fronted(tmp_path, services | {"stock": (services["stock"][0], broken)}) as front:
            async with client(front) as asking:
                for _ in range(40):
                    assert (await asking.get("/stock/apple")).status_code == 200
                await until(lambda: "GET" in taken, seconds=20)
                answers = []
                while taken.count("POST") < 2:
                    answers.append(await asking.post("/stock/apple/add"))
    lost = [answer for answer in answers if answer.status_code != 200]
    assert len(lost) == taken.count("POST")
    assert len(answers) == taken.count("POST") + found["stock"][0].taken.count("POST /stock/apple/add")
    for answer in lost:
        assert answer.status_code == 504 and answer.json()["type"] == f"{PROBLEM}outcome-unknown"
        assert "the same Idempotency-Key" in answer.json()["detail"]


@pytest.mark.timeout(240)
async def test_a_service_that_moves_while_requests_flow_is_followed_and_hurts_no_other(tmp_path: Path) -> None:
    async with echoes(*NAMES) as found:
        services = {n: (at,) for n, (_, at) in found.items()}
        async with fronted(tmp_path, services) as front, client(front) as asking:
            statuses: Counter[tuple[str, int]] = Counter()

            async def shop(path: str) -> None:
                while True:
                    statuses[path, (await asking.get(path)).status_code] += 1

            shopping = [asyncio.create_task(shop(path)) for path in ("/prices", "/stock/apple", "/", "/openapi.json")]
            await until(lambda: statuses["/prices", 200] > 20 and statuses["/stock/apple", 200] > 20, seconds=30)
            for _ in range(2):
                async with echoes("prices") as moved:
                    echo, address = moved["prices"]
                    put(replace(front.envoy, services=services | {"prices": (address,)}), front.folder)
                    await until(lambda echo=echo: len(echo.taken) > 20, seconds=30)  # type: ignore[misc]
            await until(lambda: statuses["/prices", 503] > 0, seconds=30)  # it is gone, and has not moved
            put(front.envoy, front.folder)
            before = statuses["/prices", 200]
            await until(lambda: statuses["/prices", 200] > before + 20, seconds=30)
            for task in shopping:
                task.cancel()
            await asyncio.wait(shopping)
    assert {key for key in statuses if key[1] != 200} == {("/prices", 503)}, statuses


async def test_what_is_too_large_or_too_frequent_is_told_as_a_problem(tmp_path: Path) -> None:
    edge = EdgeSettings(body=2000, head=4096)
    async with standing(tmp_path, edge=edge, rate=1, burst=8) as (_, front), client(front) as asking:
        large = await asking.post("/stock/a/add", content=b"x" * 2001)
        fits = await asking.post("/stock/a/add", content=b"x" * 2000)
        page = await asking.post("/", content=b"x" * 3000)
        head = await asking.get("/prices", headers={"x-long": "x" * 5000})
        frequent = [await asking.get("/prices") for _ in range(20)]
    assert (fits.json()["size"], page.json()["size"]) == (2000, 3000)  # an application has limits of its own
    refused = next(answer for answer in frequent if answer.status_code != 200)
    told = [(answer.status_code, answer.json()["type"]) for answer in (large, head, refused)]
    kinds = ((413, "too-large"), (431, "head-too-large"), (429, "too-many-requests"))
    assert told == [(status, f"{PROBLEM}{kind}") for status, kind in kinds]
    assert refused.headers["retry-after"] == "1"


async def test_who_says_how_long_they_wait_gets_an_answer_then(tmp_path: Path) -> None:
    edge = EdgeSettings(timeout=100)
    async with standing(tmp_path, edge=edge) as (found, front):
        async with client(front) as asking:
            late = await asking.post("/stock/a/add?sleep=6", headers={"Prefer": "respond-async, wait=1"})
    assert (late.status_code, late.json()["type"]) == (504, f"{PROBLEM}outcome-unknown")
    assert found["stock"].taken == ["POST /stock/a/add"]


async def test_requests_in_progress_are_finished_when_it_stops(tmp_path: Path) -> None:
    async with standing(tmp_path) as (found, front):
        async with client(front) as asking:
            slow = asyncio.create_task(asking.post("/stock/a/add?sleep=2"))
            await until(lambda: bool(found["stock"].taken), seconds=20)
            front.stop()
            assert (await slow).status_code == 200
            with pytest.raises(httpx.TransportError):
                async with client(front) as late:
                    await late.get("/prices")


async def test_web_pages_may_open_websockets_and_contracts_have_none(tmp_path: Path) -> None:
    async with standing(tmp_path) as (_, front):
        async with connect(f"ws://{front.envoy.listen}/office/live") as socket:
            assert await socket.recv() == "office"
        with pytest.raises(InvalidStatus):
            async with connect(f"ws://{front.envoy.listen}/prices"):
                pass


async def test_it_speaks_tls_where_it_is_given_a_certificate(tmp_path: Path) -> None:
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    files = ["-keyout", f"{tmp_path}/key.pem", "-out", f"{tmp_path}/cert.pem"]
    name = ["-subj", "/CN=shop", "-addext", "subjectAltName=IP:127.0.0.1"]
    await asyncio.to_thread(subprocess.run, [*command, *files, *name], check=True, capture_output=True)
    edge = EdgeSettings(certificate=f"{tmp_path}/cert.pem", key=f"{tmp_path}/key.pem")
    async with standing(tmp_path, edge=edge) as (_, front):
        async with httpx.AsyncClient(verify=False) as asking:
            answer = await asking.get(f"https://{front.envoy.listen}/prices")
    assert answer.json()["headers"]["x-forwarded-proto"] == "https"
