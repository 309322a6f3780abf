"""What each action does inside is counted as it is, in each structure, without what happens by itself."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import httpx
import pytest

from apps.store.scenarios import shopping
from craton.lab.compare.isolation import Enter
from craton.lab.compare.profile import Watched, caused, profile, profile_of
from craton.lab.compare.results import Profile
from craton.lab.compare.stand import Setup
from craton.lab.compare.stand_craton import craton_stand
from craton.lab.load.visitor import visit
from craton.lab.recording.figures import Figures, Recording, Sent, Spent
from craton.lab.recording.recorder import Recorder
from craton.lab.scenario import Scenario, Visitor
from craton.testing.start import Running, calling
from craton.topology import Service, Topology
from tests.lab.kiosk import APART, WHOLE, Books, Desk, sqlite, watched

HALVES = Topology("halves", (Service("shelves", ("books", "news")), Service("hall", ("desk", "front"))))
BOOKS = iter(range(1, 1000))


class Broken(Exception):
    """An action fails."""


class Guest:
    """A visitor of a kiosk in this process: by its pages, or straight at its methods."""

    def __init__(self, running: Running, client: httpx.AsyncClient) -> None:
        self.running, self.client = running, client
        self.memory: dict[str, Any] = {}
        self.chance = random.Random(1)

    async def get(self, path: str, **how: object) -> httpx.Response:
        """Ask for a page."""
        return await self.client.get(path)


def entering(running: Running) -> Enter:
    """How visitors come in."""

    @asynccontextmanager
    async def enter(seed: int) -> AsyncIterator[Visitor]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(running.edge), base_url="http://k") as client:
            yield cast("Visitor", Guest(running, client))

    return enter


async def look(visitor: Visitor) -> None:
    """A page that asks the desk, which asks for three books."""
    await visitor.get("/look/3")


async def order(visitor: Visitor) -> None:
    """A saga of one step, which publishes what somebody hears of."""
    book = next(BOOKS)
    with calling(key=f"k{book}"):
        await cast("Any", visitor).running.get(Desk).order(book)


async def fail_at_first(visitor: Visitor) -> None:
    """Adds a book, and fails the first times."""
    visitor.memory["tries"] = visitor.memory.get("tries", 0) + 1
    await add(visitor)
    if visitor.memory["tries"] in (1, 3):
        raise Broken


async def fail(visitor: Visitor) -> None:
    """Fails."""
    raise Broken


async def add(visitor: Visitor) -> None:
    """One command, without a key."""
    await cast("Any", visitor).running.get(Books).touch(1)


async def profiled(topology: Topology, scenario: Scenario, folder: Path) -> Profile:
    """The profile of a kiosk, whose databases are files."""
    file = str(folder / "recorded.jsonl")
    async with watched(topology, sqlite(folder), Recorder(file)) as running:
        with calling():
            return await profile(entering(running), scenario, file, times=2, idle=1.5)


EXPECTED: Mapping[str, tuple[float, float]] = {"whole": (4, 0), "halves": (4, 3), "apart": (4, 4)}


@pytest.mark.parametrize("topology", [WHOLE, HALVES, APART], ids=lambda topology: topology.name)
async def test_a_page_counts_the_calls_of_all_methods_that_it_leads_to_and_those_that_travel(
    topology: Topology, tmp_path: Path,
) -> None:
    found = await profiled(topology, Scenario("s", {look: 1}), tmp_path)
    [cost] = found.actions
    assert (cost.calls, cost.remote) == EXPECTED[topology.name]
    assert (cost.action, cost.statements, cost.commits, cost.events) == ("look", 3, 0, 0)
    assert (cost.size > 0) == (topology is not WHOLE)
    edges = {(edge.asking, edge.asked): (edge.calls, edge.remote) for edge in found.edges}
    assert edges == {("desk", "books"): (3, topology is not WHOLE), ("front", "desk"): (1, topology is APART)}
    assert found.edges[0].methods == {"desk.each -> books.one": 3}
    assert (found.edges[0].size > 0) == (topology is not WHOLE)


@pytest.mark.parametrize("topology", [WHOLE, APART], ids=lambda topology: topology.name)
async def test_what_an_action_leads_to_after_its_answer_counts_too(topology: Topology, tmp_path: Path) -> None:
    found = await profiled(topology, Scenario("s", {order: 1}), tmp_path)
    [cost] = found.actions
    assert (cost.calls, cost.remote) == ((1, 0) if topology is WHOLE else (2, 2))  # the event's delivery is one
    assert cost.events == 1
    assert cost.commits == (3 if topology is WHOLE else 5)  # the saga, who hears of it, and that it was heard
    told = {edge.asked: dict(edge.methods) for edge in found.edges}
    assert told["books"] == {"desk.order -> books.add": 1}
    assert topology is WHOLE or told["news"] == {"books -> news (events)": 1}


async def test_the_mix_counts_each_action_by_its_weight(tmp_path: Path) -> None:
    found = await profiled(APART, Scenario("s", {look: 3, order: 1}), tmp_path)
    costs = {cost.action: cost for cost in found.actions}
    assert found.mix.action == "all"
    assert found.mix.remote == pytest.approx((3 * costs["look"].remote + costs["order"].remote) / 4)
    assert found.mix.commits == pytest.approx(costs["order"].commits / 4)
    calls = {(edge.asking, edge.asked): edge.calls for edge in found.edges}
    assert calls["desk", "books"] == pytest.approx((3 * 3 + 1) / 4)
    assert found.edges[0].asked == "books"  # the chattiest is first


async def test_an_action_that_fails_is_done_once_more_and_what_it_did_then_does_not_count(tmp_path: Path) -> None:
    found = await profiled(WHOLE, Scenario("s", {fail_at_first: 1}), tmp_path)
    assert (found.mix.commits, found.mix.statements) == (1, 1)


async def test_an_action_that_always_fails_is_told(tmp_path: Path) -> None:
    with pytest.raises(Broken):
        await profiled(WHOLE, Scenario("s", {fail: 1}), tmp_path)


def test_what_happens_by_itself_does_not_count_however_it_falls() -> None:
    idle = Watched(Recording([Figures("m", 0, {}, statements={"poll": Spent(4)}, commits=2)]), 4.0)
    for polls in (2, 3):  # in two and a half seconds
        lines = [Figures("m", 0, {}, statements={"poll": Spent(polls), "own": Spent(4)}, commits=4)]
        [line] = caused(Watched(Recording(lines), 2.5, 2), idle)
        assert {key: spent.count for key, spent in line.statements.items()} == {"poll": 0, "own": 4}
        assert line.commits == 2


def test_edges_that_travel_come_first_by_calls_and_bytes() -> None:
    lines = [
        Figures("a.m", 1, {"b.m": 9}), Figures("c.m", 1, {"d.m": 2}, remote={"d.m": Sent(2, 100)}),
        Figures("e.m", 1, {"f.m": 1}, remote={"f.m": Sent(1, 50_000)}),
    ]
    one, idle = Watched(Recording(lines), 1.0), Watched(Recording(), 1.0)
    found = profile_of({"x": one}, {"x": 1.0}, idle)
    assert [(edge.asking, edge.size) for edge in found.edges] == [("e", 50_000), ("c", 50), ("a", 0)]


REMOTE: Mapping[str, tuple[int, int, int]] = {"monolith": (0, 0, 0), "hybrid": (3, 3, 0), "microservices": (7, 7, 2)}
"""What storefront/browsing.py asks for, in other services: for the front page, a product, and the cart's form."""


@pytest.mark.chaos
@pytest.mark.parametrize("topology", REMOTE)
async def test_the_store_s_pages_ask_for_what_stands_in_their_code_wherever_that_is(
    topology: str, tmp_path: Path,
) -> None:
    file = str(tmp_path / "recorded.jsonl")
    setup = Setup(package="apps.store", gateway="craton", settings=dict(shopping.settings), record=file)
    async with craton_stand(setup, topology) as stand:
        found = await profile(lambda seed: visit(stand.url, seed=seed), shopping, file)
    costs = {cost.action: cost for cost in found.actions}
    asked = [costs["index"], costs["product"], costs["add_to_cart"]]
    assert [cost.calls for cost in asked] == [7, 7, 2] and tuple(cost.remote for cost in asked) == REMOTE[topology]
    assert [cost.commits for cost in asked] == [0, 0, 1]
    assert costs["currency"].calls == 0 and costs["checkout"].events >= 5
    assert all(edge.remote for edge in found.edges) == (topology == "microservices")
