"""Each crash point of the recipe in docs/guarantees.md is a failpoint of the framework, or a situation with a test."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path

from sqlalchemy.dialects import sqlite

from craton.data.migrations import migrate
from craton.data.store import open_store
from craton.lab.crashtest_report import failpoints
from craton.messages.outbox import Outbox
from tests.crash.town import town

PAGE = Path(__file__).parents[2] / "docs" / "guarantees.md"
ROW = re.compile(r"^\| ([PRCSEKXW]\d+) \| (.*) \|$", re.MULTILINE)
RECIPE = {
    f"{letter}{number}" for letter, last in dict(P=7, R=10, C=12, S=9, E=5, K=5, X=2, W=18).items()
    for number in range(1, last + 1)
}
"""Producer, relay, consumer, saga, event store, storage, external effect, worker."""


def test_every_crash_point_is_a_failpoint_or_a_situation_with_a_test() -> None:
    rows = dict(ROW.findall(PAGE.read_text()))
    assert rows.keys() == RECIPE
    assert {name for name, told in rows.items() if "tests/" not in told} <= set(failpoints())
    assert set(failpoints()) <= RECIPE


async def test_what_is_due_is_found_by_the_small_index_however_large_the_outbox_is(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'press.db'}"
    await migrate(url, [town.module("press")])
    async with open_store(url, ["press"]) as store:
        due = Outbox(store, "press", owner="me").select_due
        text = str(due.compile(dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True}))
    with closing(sqlite3.connect(tmp_path / "press.db")) as file:
        plan = [row[-1] for row in file.execute(f"EXPLAIN QUERY PLAN {text}")]
    assert len(plan) == 1 and "USING INDEX press_outbox_stored" in plan[0]


def test_a_failpoint_that_nobody_listens_to_does_nothing() -> None:
    from craton.failpoints import LISTENERS, reach

    heard: list[str] = []
    reach("P3")
    LISTENERS.append(heard.append)
    try:
        reach("P4")
    finally:
        LISTENERS.clear()
    assert heard == ["P4"]
