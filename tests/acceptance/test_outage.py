"""kill -9 of any one service while people shop: what does not need it goes on, the rest says so, and it comes back."""

from __future__ import annotations

from pathlib import Path

import pytest

from craton.testing.processes import start_processes
from tests.acceptance.outage import Town

GATEWAYS = ("craton", "envoy")


async def survive(
    package: str, topology: str, gateway: str, *, folder: Path, capsys: pytest.CaptureFixture[str],
) -> Town:
    """Kill one service after the other; what was found wrong fails the test."""
    lines, towns = list[str](), list[Town]()

    def say(name: str, line: str) -> None:
        lines.append(f"{name}: {line}")
        for town in towns:
            town.hear(name, line)

    async with start_processes(package, topology=topology, data=folder, gateway=gateway, say=say) as processes:
        towns.append(town := Town(processes))
        try:
            await town.run([service.name for service in processes.topology.services])
        finally:
            print("\n".join([line for line in lines if not line.startswith("gateway: {")][-100:]))
            with capsys.disabled():
                print(f"\n  {topology} behind {gateway}:\n  {town.summary()}")
    findings = town.findings()
    assert not findings, "\n".join(findings)
    assert town.bought and set(town.bought.values()) == {1}
    return town


@pytest.fixture(autouse=True)
def brisk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """E-mails go where they are forgotten; the provider does not keep anybody waiting."""
    monkeypatch.setenv("CRATON_PAYMENTS_TIMEOUT", "1")
    monkeypatch.setenv("CRATON_NOTIFICATIONS_FOLDER", str(tmp_path / "mail"))


@pytest.mark.timeout(300)
@pytest.mark.parametrize("gateway", GATEWAYS)
async def test_people_go_on_shopping_without_what_is_killed_and_are_told_what_is_missing(
    gateway: str, tmp_path: Path, capsys: pytest.CaptureFixture[str],
) -> None:
    town = await survive("tests.acceptance.halves", "halves", gateway, folder=tmp_path, capsys=capsys)
    if gateway == "envoy":  # the other one waits for the service, as long as the client does
        assert {503} <= {visit.status for visit in town.visits}


@pytest.mark.chaos
@pytest.mark.timeout(900)
@pytest.mark.parametrize("gateway", GATEWAYS)
async def test_any_service_may_be_killed_while_people_shop(
    gateway: str, tmp_path: Path, capsys: pytest.CaptureFixture[str],
) -> None:
    await survive("apps.store", "microservices", gateway, folder=tmp_path, capsys=capsys)
