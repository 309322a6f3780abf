"""A service in trouble: killed as often as it starts, slower for all who ask it, or answering nobody any more."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import pytest

from craton.application import find_application
from craton.data.migrations import migrate
from craton.errors import SettingsError
from craton.lab.compare.stand import Stand
from craton.lab.disturbed import DELAY, Disturbed, slowly
from craton.testing.start import SECRET, topology_named
from tests.lab.compare.sides import SHOP, ask, new_shop, shop_stand, timed
from tests.until import until

SITE = '''"""A page that asks another module."""

from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from shop.stock.contract import Stock


def site(stock: Stock) -> Starlette:
    """The page."""

    async def apples(request):
        return JSONResponse(await stock.left("apple"))

    return Starlette(routes=[Route("/apples", apples)])
'''
SLOWED = (DELAY, 3 * DELAY)
"""Seconds between which the answer of one that is slowed once comes, on a machine that has other things to do."""


@pytest.fixture(autouse=True)
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A new application with a page of its own, in the current folder."""
    with new_shop(tmp_path, monkeypatch) as folder:
        (folder / "shop" / "pages.py").write_text(SITE)
        application = folder / "shop" / "application.py"
        page = '    Module("pages", asgi="shop.pages:site", owner="web"),\n])\n'
        application.write_text(application.read_text().removesuffix("])\n") + page)
        yield folder


async def pages(stand: Stand) -> dict[str, tuple[object, bool]]:
    """What each page answers, and whether that takes as long as if somebody were slowed once."""
    found = {}
    for path in ("/stock/apple", "/apples", "/orders/none"):
        answer, seconds = await timed(stand.url + path)
        assert seconds < SLOWED[1], (path, seconds)
        found[path] = answer, seconds > SLOWED[0]
    return found


WELL = {"/stock/apple": (0, False), "/apples": (0, False), "/orders/none": (404, False)}


@pytest.mark.parametrize("gateway", ["envoy", "craton"])
async def test_who_asks_a_service_that_is_slowed_waits_and_nobody_else(gateway: str) -> None:
    async with shop_stand(replace(SHOP, gateway=gateway), "microservices") as stand:
        assert await pages(stand) == WELL
        async with stand.trouble("stock", "slowed"):
            assert await pages(stand) == WELL | {"/stock/apple": (0, True), "/apples": (0, True)}
        async with stand.trouble("pages", "slowed"):
            assert await pages(stand) == WELL | {"/apples": (0, True)}
        assert await pages(stand) == WELL


@pytest.mark.parametrize("gateway", ["envoy", "craton"])
async def test_who_asks_a_service_that_fails_gets_a_failure_and_nobody_else(gateway: str) -> None:
    async with shop_stand(replace(SHOP, gateway=gateway), "microservices") as stand:
        async with stand.trouble("stock", "failing"):
            assert await pages(stand) == WELL | {"/stock/apple": (500, False), "/apples": (500, False)}
        async with stand.trouble("pages", "failing"):
            assert await pages(stand) == WELL | {"/apples": (500, False)}
        assert await pages(stand) == WELL


async def test_in_a_monolith_all_is_slow_but_what_modules_ask_each_other_is_not_slow_besides() -> None:
    async with shop_stand(replace(SHOP, gateway="craton"), "monolith") as stand:
        async with stand.trouble("shop", "slowed"):
            assert await pages(stand) == {"/stock/apple": (0, True), "/apples": (0, True), "/orders/none": (404, True)}
        async with stand.trouble("shop", "failing"):
            assert {answer for answer, _ in (await pages(stand)).values()} == {500}
        assert await pages(stand) == WELL


@pytest.mark.parametrize("link", ["rest", "grpc"])
async def test_calls_by_every_kind_of_link_are_disturbed(shop: Path, link: str) -> None:
    with (shop / "shop" / "topology.toml").open("a") as topology:
        topology.write(f'\n[microservices.links]\n"pages -> stock" = "{link}"\n')
    async with shop_stand(replace(SHOP, gateway="craton"), "microservices") as stand:
        async with stand.trouble("stock", "slowed"):
            assert (await pages(stand))["/apples"] == (0, True)
        async with stand.trouble("stock", "failing"):
            assert (await pages(stand))["/apples"] == (500, False)
        assert await pages(stand) == WELL


@pytest.mark.chaos
async def test_a_killed_service_is_killed_again_until_the_trouble_is_over_and_all_its_processes_are() -> None:
    setup = replace(SHOP, gateway="craton", replicas={"stock": 2})
    async with shop_stand(setup, "microservices") as stand:
        before = processes(stand)
        async with stand.trouble("stock", "killed"):
            await until(lambda: not processes(stand)["stock"])
            assert await ask(f"{stand.url}/stock/apple") == 503
            assert await ask(f"{stand.url}/orders/none") == 404
            await asyncio.sleep(2)  # meanwhile they are started again, more than once
            assert await ask(f"{stand.url}/stock/apple") == 503
        await until(stand.settled, seconds=30)
        assert await ask(f"{stand.url}/stock/apple") == 0
        after = processes(stand)
        assert len(after["stock"]) == 2 and not after["stock"] & before["stock"]
        assert {**after, "stock": None, "postgresql": None} == {**before, "stock": None, "postgresql": None}


def processes(stand: Stand) -> dict[str, set[int]]:
    """The processes of each part."""
    return {part.name: set(part.pids) for part in stand.parts()}


async def test_only_services_that_there_are_can_be_in_trouble() -> None:
    async with shop_stand(replace(SHOP, gateway="craton"), "monolith") as stand:
        with pytest.raises(SettingsError, match="has no service stock: it has shop"):
            async with stand.trouble("stock", "slowed"):
                pass


async def test_nothing_is_wrapped_while_it_is_well(tmp_path: Path) -> None:
    application = find_application("shop")
    database = f"sqlite:///{tmp_path}/shop.db"
    await migrate(database, application.kept(module.name for module in application.modules))
    topology = topology_named(application, "monolith")
    process = Disturbed(
        application, topology, "shop", database=database, secret=SECRET, links=no_links, environ={},
    )
    async with process:
        own = {path: site.app for path, site in process.sites.items()}
        for before in (None, slowly, slowly, None):
            process.change(before)
            assert (process.handler.endpoints is process.endpoints) is (before is None)
            assert ("call" in vars(process)) is (before is not None)
            assert ({path: site.app for path, site in process.sites.items()} == own) is (before is None)


def no_links(service: str, kind: str) -> NoReturn:
    """Where there is one service there is nobody to ask."""
    raise AssertionError(service)
