"""The workers of each language do what the conformance kit asks, over HTTP alone and over RabbitMQ."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.rabbitmq import Server
from workers.conformance.checks import ALONE, EVERYWHERE, WITH_BROKER, Check
from workers.conformance.kit import Kit

ROOT = Path(__file__).parents[2]
WORKERS = {
    "node": ["node", f"{ROOT}/workers/node/bin/craton-worker.js", f"{ROOT}/workers/node/test/kit.js"],
    "java": [f"{ROOT}/workers/java/craton-worker", f"{ROOT}/workers/java/test/Kit.java"],
}
CHECKS: dict[str, dict[str, Check]] = {"http": EVERYWHERE | ALONE, "rabbitmq": EVERYWHERE | WITH_BROKER}
CASES = [(worker, way, name) for worker in WORKERS for way, checks in CHECKS.items() for name in checks]
Outcomes = dict[tuple[str, str, str], str]


async def tried(kit: Kit, check: Check) -> str:
    """What went wrong; "" when nothing did."""
    kit.controller.forget()
    try:
        assert kit.worker.running, "the worker has ended in an earlier check"
        await check(kit)
        kit.check_up()
    except Exception:
        return f"{traceback.format_exc()}\nThe worker wrote:\n{kit.worker.output[-4000:]}"
    return ""


async def run(worker: str, way: str, broker: str, checks: Mapping[str, Check]) -> Outcomes:
    """Checks of one worker on one way, one after another."""
    async with Kit(WORKERS[worker], broker) as kit:
        return {(worker, way, name): await tried(kit, check) for name, check in checks.items()}


async def run_all(asked: set[tuple[str, str, str]], broker: str) -> Outcomes:
    """What was asked for: all workers and ways at once, since they mostly wait."""
    runs = []
    for worker, way in sorted({case[:2] for case in asked}):
        checks = {name: check for name, check in CHECKS[way].items() if (worker, way, name) in asked}
        runs.append(run(worker, way, broker if way == "rabbitmq" else "", checks))
    return {case: trouble for outcomes in await asyncio.gather(*runs) for case, trouble in outcomes.items()}


@pytest.fixture(scope="module")
def outcomes(request: pytest.FixtureRequest, rabbitmq: Server) -> Outcomes:
    """What became of each check that this run of the tests has asked for."""
    called = [getattr(item, "callspec", None) for item in request.session.items]
    asked = {spec.params["case"] for spec in called if spec and "case" in spec.params} & set(CASES)
    return asyncio.run(run_all(asked, rabbitmq.url))


@pytest.mark.timeout(300)
@pytest.mark.parametrize("case", CASES, ids=lambda case: "-".join(case))
def test_a_worker_conforms(case: tuple[str, str, str], outcomes: Outcomes) -> None:
    trouble = outcomes[case]
    assert not trouble, trouble
