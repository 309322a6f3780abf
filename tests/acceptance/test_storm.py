"""The test that matters: 200 checkouts at once while a random process is killed every second; then the audit."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from pathlib import Path

import pytest

from tests.acceptance.play import Outcome, Play, Setting
from tests.acceptance.storm import Storm
from tests.postgresql import OPTIONS, Server, serve

Engine = Callable[[str], str | None]
TOPOLOGIES, ENGINES = ("monolith", "hybrid", "microservices"), ("sqlite", "postgresql")
NIGHTLY = [(topology, engine, seed) for seed in range(1, 5) for topology in TOPOLOGIES for engine in ENGINES]
REPLICATED = "tests.acceptance.replicated"


@pytest.fixture(autouse=True)
def brisk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Time-outs of the payment provider that do not make a night of a test; e-mails go where they are forgotten."""
    monkeypatch.setenv("CRATON_PAYMENTS_TIMEOUT", "1")
    monkeypatch.setenv("CRATON_NOTIFICATIONS_FOLDER", str(tmp_path / "mail"))


@pytest.fixture
def database(request: pytest.FixtureRequest) -> Engine:
    """The URL of a new database on an engine; None for SQLite, whose files are in the data folder."""

    def url(engine: str) -> str | None:
        name = f"storm_{abs(hash(request.node.name)) % 10**8}"
        return f"{request.getfixturevalue('postgresql')}/{name}" if engine == "postgresql" else None

    return url


async def play(setting: Setting, folder: Path, capsys: pytest.CaptureFixture[str]) -> Outcome:
    """A run, with its figures printed."""
    played = Play(setting, folder)
    try:
        return await played.run()
    finally:
        with capsys.disabled():
            print(f"\n  {played.outcome}")
        print(f"all that there is to know of this run is in {folder}")


def right(outcome: Outcome) -> None:
    """Nothing was found wrong."""
    assert not outcome.findings, "\n".join(outcome.findings)


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("topology", "engine"), [("microservices", "postgresql"), ("monolith", "sqlite")])
async def test_money_and_stock_come_out_right_whatever_is_killed(
    topology: str, engine: str, database: Engine, tmp_path: Path, capsys: pytest.CaptureFixture[str],
) -> None:
    right(await play(Setting(0, topology, database(engine), storm=12), tmp_path, capsys))


@pytest.mark.chaos
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("topology", "engine", "seed"), NIGHTLY)
async def test_money_and_stock_come_out_right_with_every_seed(
    topology: str, engine: str, seed: int, database: Engine, tmp_path: Path, capsys: pytest.CaptureFixture[str],
) -> None:
    right(await play(Setting(seed, topology, database(engine)), tmp_path, capsys))


@pytest.mark.chaos
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", [1, 2])
async def test_what_a_killed_replica_leaves_the_other_goes_on_with(
    seed: int, database: Engine, tmp_path: Path, capsys: pytest.CaptureFixture[str],
) -> None:
    outcome = await play(Setting(seed, "hybrid", database("postgresql"), REPLICATED), tmp_path, capsys)
    right(outcome)


@pytest.mark.chaos
@pytest.mark.timeout(600)
@pytest.mark.parametrize("service", ["checkout", "payments"])
async def test_a_replica_that_comes_back_from_the_dead_does_no_harm(
    service: str, database: Engine, tmp_path: Path, capsys: pytest.CaptureFixture[str],
) -> None:
    def weather(storm: Storm) -> Coroutine[None, None, None]:
        return storm.freeze(f"{service}.1", seconds=25)

    setting = Setting(1, "hybrid", database("postgresql"), REPLICATED, customers=80, storm=40, weather=weather)
    outcome = await play(setting, tmp_path, capsys)
    right(outcome)
    if service == "checkout":
        assert any(line for line in outcome.lines if "checkout.2" in line and "is picked up" in line)
        assert any(line for line in outcome.lines if "checkout.1" in line and "LeaseLost" in line)


@pytest.mark.chaos
@pytest.mark.timeout(600)
@pytest.mark.parametrize("topology", ["monolith", "microservices"])
async def test_money_and_stock_come_out_right_when_the_database_crashes(
    topology: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(OPTIONS, "synchronous_commit", "on")  # what was acknowledged survives this server's crash
    for server in serve():
        def weather(storm: Storm, server: Server = server) -> Coroutine[None, None, None]:
            return storm.crash(server, seconds=2)

        setting = Setting(1, topology, f"{server.url}/store", customers=80, storm=60, weather=weather)
        right(await play(setting, tmp_path, capsys))


@pytest.mark.chaos  # in the ordinary run a crash test of the same store turns red
async def test_the_audit_finds_what_a_naive_checkout_does(
    database: Engine, tmp_path: Path, capsys: pytest.CaptureFixture[str],
) -> None:
    setting = Setting(1, "monolith", None, "apps.store.naive", customers=40, storm=6, patience=8)
    outcome = await play(setting, tmp_path, capsys)
    found = {finding.partition(":")[0] for finding in outcome.findings}
    assert {"the_provider_agrees", "customers_paid_what_they_bought"} <= found
