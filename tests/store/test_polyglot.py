"""The store as `craton run apps.store --topology polyglot` runs it: Python and Node.js, each a process of its own."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import httpx
import pytest

from craton.testing.processes import Processes, start_processes
from tests.store.shop import ADDRESS, until

LINES = defaultdict[str, list[str]](list)


async def buy(http: httpx.AsyncClient, *skus: str) -> None:
    """A guest buys these."""
    token = (await http.post("/sessions/guest")).json()["token"]
    headers = {"Authorization": f"Bearer {token}"}
    cart: dict[str, Any] = {}
    for sku in skus:
        body: dict[str, Any] = {"sku": sku, "quantity": 1}
        added = await http.post("/cart/items", json=body, headers=headers | {"Idempotency-Key": sku})
        cart = added.raise_for_status().json()
    body = dict(
        cart=cart["id"], version=cart["version"], payment="pm_card_visa", email="me@example.com",
        address=dict(
            name=ADDRESS.name, street=ADDRESS.street, city=ADDRESS.city, postcode=ADDRESS.postcode, country="US"
        ),
    )
    bought = await http.post("/orders", json=body, headers=headers | {"Idempotency-Key": "buy"})
    assert bought.status_code in (201, 202), bought.text


@pytest.mark.timeout(240)
async def test_what_is_bought_together_in_python_is_suggested_by_node_also_after_it_was_killed(tmp_path: Path) -> None:
    async with start_processes(
        "apps.store", topology="polyglot", data=tmp_path, say=lambda name, line: LINES[name].append(line)
    ) as processes, httpx.AsyncClient(base_url=processes.url, trust_env=False, timeout=30) as http:
        one, other = (await http.get("/products", params={"limit": 2})).json()["items"]
        await buy(http, one["sku"], other["sku"])
        await until(lambda: suggested(http, one["sku"], other["sku"], times=1))
        first = processes.children["recommendations"].pid
        assert processes.kill("recommendations")
        await buy(http, one["sku"], other["sku"])
        await until(lambda: suggested(http, one["sku"], other["sku"], times=2))
        assert processes.children["recommendations"].pid != first
        assert ended(processes) == set()
    assert any("listening at port" in line for line in LINES["recommendations"])


async def suggested(http: httpx.AsyncClient, sku: str, other: str, *, times: int) -> bool:
    """Whether that is suggested with it, as bought together so often."""
    answer = await http.post("/recommendations", json={"skus": [sku], "limit": 1})
    return answer.status_code == 200 and answer.json() == [{"sku": other, "score": times, "reason": "also bought"}]


def ended(processes: Processes) -> set[str]:
    """The processes that do not run."""
    return {name for name, child in processes.children.items() if child.pid is None}
