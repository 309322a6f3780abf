"""The books of the recommendations in Node.js, as tables: made of what it wrote down, not of what it answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from itertools import permutations
from pathlib import Path
from typing import Any

import msgspec

from craton.testing.start import Running

MOST = 30  # products of one order that are learned from


def file_of(running: Running) -> Path:
    """Where it writes down the events that it has applied."""
    plan: Any = getattr(running, "plan", None)
    folder: Path = running.sockets if plan is None else plan.folder.path
    return folder / "recommendations" / "events.jsonl"


def tables(running: Running) -> dict[str, list[Mapping[str, Any]]]:
    """What the tables of the module in Python would hold."""
    sold, pairs, gone, out = Counter[str](), Counter[tuple[str, str]](), set[str](), set[str]()
    skus = dict[str, None]()
    for line in file_of(running).read_bytes().splitlines():
        event = msgspec.json.decode(line)
        data = event["data"]
        found = {one["sku"] for one in data.get("lines", [data])}
        skus |= dict.fromkeys(found)
        if event["type"] == "OrderPaid":
            for one in data["lines"]:
                sold[one["sku"]] += one["quantity"]
            pairs.update(permutations(sorted(found)[:MOST], 2))
        gone |= found if event["type"] == "ProductDiscontinued" else set()
        out = out | found if event["type"] == "StockOut" else out - found if event["type"] == "StockBack" else out
    return {
        "recommendations_products": [
            dict(sku=sku, sold=sold[sku], available=sku not in out, discontinued=sku in gone) for sku in skus
        ],
        "recommendations_pairs": [dict(sku=sku, other=other, orders=n) for (sku, other), n in pairs.items()],
    }
