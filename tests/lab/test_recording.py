"""Traffic between modules is recorded as it is, in every structure; and where it is not recorded nothing is wrapped."""

from __future__ import annotations

from pathlib import Path

import pytest

from craton.data.migrations import migrate
from craton.errors import SettingsError
from craton.lab.recording.figures import traffic
from craton.lab.recording.recorder import Recorder
from craton.testing.start import Running, calling, start
from craton.topology import Topology
from tests.lab.test_diff import APART, HALVES, MONOLITH
from tests.lab.town import Desk, Stock, town

EXPECTED = {
    ("desk.price", "stock.one"): 1.0,  # asked twice
    ("desk.prices", "stock.one"): 2.0,  # once for three, once for one
    ("desk.handed_on", "stock.one"): 1.0,
    ("desk.sell", "stock.take"): 1.0,
    ("desk.sell", "till.pay"): 1.0,
    ("desk.checked", "till.rate"): 1.0,
    ("desk.swap", "stock.take"): 1.0,
    ("desk.swap", "stock.one"): 1.0,
}


async def ask(running: Running) -> None:
    """Some traffic."""
    desk = running.get(Desk)
    with calling():
        for sku in ("a", "b"):
            await desk.price(sku)
        for skus in (("a", "b", "c"), ("d",)):
            await desk.prices(skus)
        await desk.handed_on("a")
        await desk.sell("a")
        await desk.swap("a")


@pytest.mark.parametrize("topology", [MONOLITH, HALVES, APART], ids=lambda topology: topology.name)
async def test_what_methods_ask_of_other_modules_is_counted_in_every_structure(
    topology: Topology, tmp_path: Path,
) -> None:
    file = tmp_path / "traffic.jsonl"
    databases = {service.name: f"sqlite:///{tmp_path / service.name}.db" for service in topology.services}
    for service in topology.services:
        await migrate(databases[service.name], [town.module(name) for name in service.modules])
    running = Running(
        town, topology, link="local", databases=databases, environ={}, observer=Recorder(str(file)),
    )
    names = [*(service.name for service in topology.services), "gateway"]
    for name in names:
        await running.open(name)
    await ask(running)
    for name in reversed(names):
        await running.close(name)
    assert traffic(str(file)) == EXPECTED


async def test_where_nothing_is_recorded_nothing_is_wrapped() -> None:
    async with start(town) as running:
        assert vars(running.get(Stock)).keys().isdisjoint({"one", "many"})


async def test_a_recorder_that_is_closed_leaves_methods_as_they_were(tmp_path: Path) -> None:
    async with start(town) as running:
        stock = running.get(Stock)
        recorder = Recorder(str(tmp_path / "traffic.jsonl"))
        recorder.watch("stock", stock)
        assert "one" in vars(stock)
        recorder.close()
        assert "one" not in vars(stock) and stock.one.__func__ is type(stock).one  # type: ignore[attr-defined]


def test_several_recordings_in_one_file_are_put_together(tmp_path: Path) -> None:
    file = tmp_path / "traffic.jsonl"
    file.write_text(
        '{"method": "desk.price", "runs": 1, "calls": {"stock.one": 5}}\n'
        '{"method": "desk.price", "runs": 3, "calls": {"stock.one": 3, "stock.many": 1}}\n'
    )
    assert traffic(str(file)) == {("desk.price", "stock.one"): 2.0, ("desk.price", "stock.many"): 0.25}


@pytest.mark.parametrize("text", ["no json", "[]", '{"method": "a.b"}', '{"method": "a.b", "runs": "x", "calls": 3}'])
def test_a_file_that_holds_something_else_is_refused(text: str, tmp_path: Path) -> None:
    file = tmp_path / "traffic.jsonl"
    file.write_text(text)
    with pytest.raises(SettingsError, match="is no recorded traffic: give what `craton run --record FILE` wrote"):
        traffic(str(file))


def test_files_that_are_not_there_or_cannot_be_written_are_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        traffic(str(tmp_path / "none"))
    with pytest.raises(SettingsError, match=r"CRATON_RECORD: .* cannot be written"):
        Recorder(str(tmp_path / "no" / "folder"))
