"""The store written by hand does what the store does: the same pages, refusals and rows after the same walk."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from tests.baselines.walking import ROWS, Seen, books, shop, stand_of, walk

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(400)]
Found = tuple[list[Seen], list[tuple[str, str]], dict[str, Any]]


async def found_at(name: str) -> Found:
    """What a walk, and a customer of the scenario, find at a side, and what stands in its tables then."""
    async with stand_of(name) as stand:
        return await walk(stand.url), await shop(stand.url), await books(stand)


@pytest.fixture(scope="module")
def kept() -> dict[str, Found]:
    """What was found, by side: each is brought up once."""
    return {}


async def found(name: str, kept: dict[str, Found]) -> Found:
    """What was found at a side."""
    if name not in kept:
        kept[name] = await found_at(name)
    return kept[name]


@pytest.mark.chaos  # three structures of real processes, started one after the other
@pytest.mark.parametrize("name", ["monolith", "microservices"])
async def test_it_shows_and_refuses_what_the_store_does(name: str, kept: dict[str, Found]) -> None:
    pages, actions, _ = await found(name, kept)
    wanted, same, _ = await found("store", kept)
    for page, expected in zip(pages, wanted, strict=True):
        assert page == expected
    assert actions == same
    assert {status for _, status, *_ in pages} == {200, 303, 402, 404, 422}, "the walk is to meet all of them"


@pytest.mark.chaos
@pytest.mark.parametrize("name", ["monolith", "microservices"])
async def test_it_leaves_the_rows_that_the_store_leaves(name: str, kept: dict[str, Found]) -> None:
    _, _, rows = await found(name, kept)
    _, _, wanted = await found("store", kept)
    assert rows.keys() == wanted.keys() == ROWS.keys()
    for table in ROWS:
        assert comparable(rows[table]) == comparable(wanted[table]), table


def comparable(rows: Any) -> list[Any]:
    """Rows, texts that are JSON read as such."""
    return [tuple(plain(cell) for cell in row) for row in rows]


def plain(cell: Any) -> Any:
    """A cell: of JSON, what it says, whatever stands there for nothing."""
    if not isinstance(cell, str) or not cell.startswith(("{", "[")):
        return cell
    tree = json.loads(cell)
    return {k: v for k, v in tree.items() if v} if isinstance(tree, Mapping) else tree
