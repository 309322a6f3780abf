"""Recommendations in Node.js: what holds of those in Python holds of them, and they keep to what services agreed on."""

from __future__ import annotations

import asyncio
import os
import signal
from asyncio.subprocess import PIPE
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from itertools import count
from pathlib import Path
from time import time
from typing import Any

import httpx
import jsonschema  # type: ignore[import-untyped]
import pytest
import pytest_asyncio

from apps.store.application import store
from craton import Application
from craton.calls.links.rest.proof import PEER, Peer, Prover, digest_of
from craton.edge.openapi import document
from craton.edge.operation import operations
from craton.testing.abroad import Abroad
from craton.testing.start import SECRET, Running
from tests.store import books_in_node
from tests.store import test_recommendations as python
from tests.store.conftest import quick_folder
from tests.store.shop import Shop, Structure, open_shop, until
from tests.store.unit_simulation import simulated

pytestmark = pytest.mark.asyncio(loop_scope="session")
NUMBERS = count(1)
CLOUD_EVENTS = "application/cloudevents-batch+json"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def shop() -> AsyncIterator[Shop]:
    """The store, with its recommendations in a process of Node.js."""
    with quick_folder() as folder, simulated(folder / "provider") as provider:
        async with open_shop(Structure("polyglot"), provider=provider.url, data=folder) as shop:
            yield shop
            await shop.check(webhooks=True)


@pytest.mark.parametrize("must_hold", [
    python.test_what_was_bought_together_is_suggested_together,
    python.test_an_order_that_was_not_paid_teaches_nothing,
    python.test_what_cannot_be_bought_is_not_suggested,
    python.test_what_sells_best_fills_the_list,
], ids=lambda test: test.__name__.removeprefix("test_"))
async def test_what_holds_of_the_python_ones_holds(shop: Shop, must_hold: Callable[[Shop], Awaitable[None]]) -> None:
    await must_hold(shop)


async def test_a_store_sells_while_they_are_away_and_they_learn_of_it_later(shop: Shop) -> None:
    mug, pot = await shop.product(stock=50), await shop.product(stock=50)
    await shop.running.close("recommendations")
    await python.everyday_life(shop)
    await shop.customer().order_of(mug, pot)
    await shop.running.open("recommendations")
    assert await python.also_bought(shop, mug) == {pot: 1}
    await shop.check()


async def test_one_that_is_killed_starts_again_and_has_counted_everything_once(shop: Shop) -> None:
    mug, pot = await shop.product(stock=50), await shop.product(stock=50)
    for _ in range(6):
        pid = node_of(shop.running).child.pid
        if pid is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        await shop.customer().order_of(mug, pot)

    async def back() -> bool:
        return node_of(shop.running).child.pid is not None and await answers(shop)

    await until(back)
    assert await python.also_bought(shop, mug) == {pot: 6}
    await shop.check()


def node_of(running: Running) -> Abroad:
    """The process of Node.js."""
    found: Any = running.doors["recommendations"]
    assert isinstance(found, Abroad)
    return found


async def answers(shop: Shop) -> bool:
    """Whether it takes requests."""
    try:
        async with client(shop) as http:
            return (await http.get("/health/ready")).status_code == 200
    except httpx.TransportError:
        return False


# ---------------------------------------------------------------------- what it is written against


def client(shop: Shop) -> httpx.AsyncClient:
    """Somebody who asks it directly."""
    return httpx.AsyncClient(base_url=f"http://{shop.running.address('recommendations')}", trust_env=False)


def signed(
    target: str, body: bytes, *, service: str = "store", needs: tuple[str, ...] = ("recommendations",),
    secret: bytes = SECRET, at: float = 0.0, **headers: str,
) -> dict[str, str]:
    """The headers of a request as a service of the store sends it."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    peer = Peer(service, (*needs, "recommendations.$events"), time() + at)
    return named | {PEER: Prover(secret).sign(peer, "POST", target, named, digest_of(body))}


async def test_its_answers_and_its_problems_are_those_of_the_openapi_document(shop: Shop) -> None:
    mug, pot = await shop.product(stock=50), await shop.product(stock=50)
    await shop.customer().order_of(mug, pot)
    await shop.settled()
    alone = Application("store", [store.module("recommendations")])
    told: Any = document(alone, operations(alone))
    answers_of = told["paths"]["/recommendations"]["post"]["responses"]
    bought = f'{{"skus":["{mug}"]}}'
    unfit = ('{"skus":["a b"]}', '{"skus":[],"limit":0}', '{"limit":1}')
    asked = {bought: 200, '{"skus":[],"limit":50}': 200} | dict.fromkeys(unfit, 422) | {"{": 400}
    for body, status in asked.items():
        answer = await ask(shop, body)
        assert answer.status_code == status, answer.text
        answered = answers_of[str(status)]
        if "$ref" in answered:
            answered = told["components"]["responses"][answered["$ref"].rpartition("/")[2]]
        (media, content), = answered["content"].items()
        assert answer.headers["content-type"] == media
        jsonschema.validate(answer.json(), content["schema"] | {"components": told["components"]})
    assert pot in {one["sku"] for one in (await ask(shop, bought)).json()}


async def ask(shop: Shop, body: str, **how: Any) -> httpx.Response:
    """One request at its route."""
    async with client(shop) as http:
        headers = signed("/recommendations", body.encode(), **how)
        return await http.post("/recommendations", content=body, headers=headers)


@pytest.mark.parametrize(("how", "status"), [
    (dict(secret=b"another one, known to one side"), 401), (dict(at=-61.0), 401), (dict(at=61.0), 401),
    (dict(needs=("orders",)), 403), (dict(craton_caller="bm9ib2R5"), 401), ({}, 200),
])
async def test_who_has_not_the_secret_or_did_not_declare_its_need_is_refused(
    shop: Shop, how: dict[str, Any], status: int
) -> None:
    answer = await ask(shop, '{"skus":[]}', **how)
    assert answer.status_code == status
    assert status == 200 or answer.json()["type"].startswith("urn:craton:problem:not-")


async def test_a_request_that_was_changed_on_its_way_is_refused(shop: Shop) -> None:
    body = b'{"skus":[],"limit":1}'
    headers = signed("/recommendations", body, traceparent="00-a-b-01")
    forged = urlsafe_b64decode(headers[PEER])
    changes: list[tuple[str, bytes, dict[str, str]]] = [
        ("/recommendations", b'{"skus":[],"limit":2}', {}), ("/recommendations?x=1", body, {}),
        ("/recommendations", body, {"craton-caller": "AAAA"}), ("/recommendations", body, {PEER: ""}),
        ("/recommendations", body, {PEER: urlsafe_b64encode(forged[:-1] + b" ").decode()}),
        ("/craton/events", body, {}),
    ]
    async with client(shop) as http:
        for target, sent, more in changes:
            answer = await http.post(target, content=sent, headers=headers | more)
            assert answer.status_code in (401, 404), (target, sent, more)


# ---------------------------------------------------------------------- events


def event(stream: str, sequence: int, sku: str, kind: str = "StockOut", **more: Any) -> dict[str, Any]:
    """An event as Craton brings it."""
    named = {"partitionkey": stream} if stream else {}
    return dict(
        specversion="1.0", id=f"event-{stream}-{sequence}", source="/store/tests", type=kind, schemaversion=1,
        time="2026-11-22T10:00:00Z", datacontenttype="application/json", destination="recommendations",
        sequence=str(sequence),
        data={"sku": sku, "left": 1}, **named, **more,
    )


async def bring(shop: Shop, *events: dict[str, Any]) -> list[Any]:
    """What becomes of each."""
    async with client(shop) as http:
        content = httpx.Request("POST", "http://x", json=events).content
        headers = signed("/craton/events", content) | {"content-type": CLOUD_EVENTS}
        return list((await http.post("/craton/events", content=content, headers=headers)).raise_for_status().json())


async def test_events_are_applied_once_in_the_order_of_their_stream(shop: Shop) -> None:
    stream = f"sku={next(NUMBERS)}"
    first, second, third = [event(stream, number, "a") for number in (1, 2, 3)]
    taken, early = {"status": "taken"}, {"status": "early", "expected": 1}
    assert await bring(shop, second) == [early]
    assert await bring(shop, first, third, second, third) == [taken, {"status": "early", "expected": 2}, taken, taken]
    assert await bring(shop, first, second, third) == [taken] * 3
    assert await bring(shop, event(stream, 9, "a", gap=True), event(stream, 10, "a")) == [taken] * 2
    assert await bring(shop, event(stream, 11, "a", kind="Unheard"), event(stream, 12, "a")) == [
        {"status": "later"}, {"status": "early", "expected": 11},
    ]
    written = books_in_node.file_of(shop.running).read_text()
    assert [written.count(f'"id":"event-{stream}-{number}"') for number in (1, 2, 3, 9, 10, 11)] == [1] * 5 + [0]


async def test_an_event_without_a_stream_is_known_by_its_id(shop: Shop) -> None:
    alone = event("", 0, "b") | {"id": f"alone-{next(NUMBERS)}"}
    assert await bring(shop, alone, alone) == [{"status": "taken"}] * 2
    assert books_in_node.file_of(shop.running).read_text().count(alone["id"]) == 1


async def test_a_line_that_was_cut_off_by_a_crash_is_brought_again(shop: Shop) -> None:
    stream, file = f"sku={next(NUMBERS)}", books_in_node.file_of(shop.running)
    assert await bring(shop, event(stream, 1, "c"), event(stream, 2, "c")) == [{"status": "taken"}] * 2
    await shop.running.close("recommendations")
    await asyncio.to_thread(os.truncate, file, file.stat().st_size - 5)
    await shop.running.open("recommendations")
    assert await bring(shop, event(stream, 3, "c")) == [{"status": "early", "expected": 2}]
    assert await bring(shop, event(stream, 2, "c")) == [{"status": "taken"}]


async def test_it_says_what_it_needs_and_is_not_started_again_for_that() -> None:
    server = Path(python.__file__).parents[2] / "apps/store/recommendations/node/server.mjs"
    made = await asyncio.create_subprocess_exec("node", server, env={"PATH": os.environ["PATH"]}, stderr=PIPE)
    _, said = await made.communicate()
    assert (made.returncode, said.decode()) == (2, "give --port and --data, and set CRATON_SECRET\n")


async def test_it_is_asked_for_itself_through_the_gateway_and_for_nothing_else(shop: Shop) -> None:
    async with shop.browser() as http:
        assert (await http.post("/recommendations", json={"skus": []})).status_code == 200
        assert (await http.post("/recommendations", json={"skus": ["a b"]})).status_code == 422
        for path in ("/craton/events", "/craton/recommendations.learn", "/craton/recommendations.$events"):
            assert (await http.post(path, json=[])).status_code == 404
