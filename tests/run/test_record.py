"""`craton run --record`: what modules asked each other, for `craton diff`."""

from __future__ import annotations

from pathlib import Path

import pytest

from craton.cli import main
from craton.lab.recording.figures import traffic
from tests.run.running import craton
from tests.run.test_supervisor import ready, sells


@pytest.mark.parametrize("topology", ["monolith", "microservices"])
async def test_what_services_ask_each_other_is_written_when_they_stop_and_shown_by_diff(
    topology: str, shop: Path, capsys: pytest.CaptureFixture[str],
) -> None:
    file = shop / "traffic.jsonl"
    async with craton("run", "shop", "--topology", topology, "--port", "0", "--record", "traffic.jsonl") as command:
        await sells(await ready(command))
        assert await command.end() == 0
    assert traffic(str(file)) == {("orders.place", "stock.take"): 1.0}
    main(["diff", "shop", "monolith", "microservices", "--recorded", str(file)])
    told = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "orders.place -> stock.take command shop/orders/module.py:23 found, observed 1 a request" in told
    assert "before open + stock.take + confirm" in told and "after open | stock.take | confirm" in told


async def test_a_file_that_cannot_be_written_is_told_before_anything_runs(shop: Path) -> None:
    async with craton("run", "shop", "--port", "0", "--record", str(shop / "none" / "traffic.jsonl")) as command:
        await command.says("traffic.jsonl cannot be written")
        assert await command.ended() != 0
