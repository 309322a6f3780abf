"""The workers of each language do what the conformance kit asks, over HTTP alone and over RabbitMQ."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.rabbitmq import Server
from tests.workers.java import compile_worker
from workers.conformance.checks import WAYS, Check
from workers.conformance.kit import Kit

ROOT = Path(__file__).parents[2]
WORKERS = {
    "python": [sys.executable, "-m", "craton", "worker", "tests.workers.kit", "--pool", "all"],
    "node": ["node", f"{ROOT}/workers/node/bin/craton-worker.js", f"{ROOT}/workers/node/test/kit.js"],
    "java": [f"{ROOT}/workers/java/craton-worker", f"{ROOT}/workers/java/test/Kit.java"],
}
CASES = [(worker, name, check) for worker in WORKERS for name, way in WAYS.items() for check in way.checks]
Outcomes = dict[tuple[str, str, str], str]


async def run(worker: str, name: str, broker: str, checks: Mapping[str, Check]) -> Outcomes:
    """Checks of one worker on one way, one after another."""
    way = WAYS[name]
    async with Kit(WORKERS[worker], broker if way.broker else "", lonely=way.lonely) as kit:
        found = {(worker, name, sentence): await kit.trouble(check) for sentence, check in checks.items()}
        written = f"\nThe worker wrote:\n{kit.output()}"
    return {case: trouble and trouble + written for case, trouble in found.items()}


async def run_all(asked: set[tuple[str, str, str]], broker: str) -> Outcomes:
    """What was asked for: all workers and ways at once, since they mostly wait."""
    runs = []
    for worker, name in sorted({case[:2] for case in asked}):
        checks = {sentence: check for sentence, check in WAYS[name].checks.items() if (worker, name, sentence) in asked}
        runs.append(run(worker, name, broker, checks))
    return {case: trouble for outcomes in await asyncio.gather(*runs) for case, trouble in outcomes.items()}


@pytest.fixture(scope="module")
def outcomes(request: pytest.FixtureRequest, rabbitmq: Server) -> Outcomes:
    """What became of each check that this run of the tests has asked for."""
    called = [getattr(item, "callspec", None) for item in request.session.items]
    asked = {spec.params["case"] for spec in called if spec and "case" in spec.params} & set(CASES)
    if any(worker == "java" for worker, _, _ in asked):
        compile_worker(WORKERS["java"])
    return asyncio.run(run_all(asked, rabbitmq.url))


@pytest.mark.timeout(300)
@pytest.mark.parametrize("case", CASES, ids=lambda case: "-".join(case).replace(" ", "_"))
def test_a_worker_conforms(case: tuple[str, str, str], outcomes: Outcomes) -> None:
    trouble = outcomes[case]
    assert not trouble, trouble
