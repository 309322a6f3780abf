"""A sample of what `craton crashtest apps.store` tries, other trials each night."""

from __future__ import annotations

from craton.lab.crashtest import run_all
from craton.lab.crashtest_report import line
from craton.lab.crashtest_setting import Setting
from tests.day import DAY

SEED = 1 + DAY


async def sample(
    topology: str, number: int, *, database: str | None = None, broker: str | None = None, package: str = "apps.store"
) -> None:
    """So many trials in one structure on one store."""
    setting = Setting(
        package=package, topology=topology, database=database, broker=broker, sample=number, seed=SEED,
    )
    results = await run_all(setting, lambda result: print(line(result)))
    assert len(results) == number
    assert not [line(result) for result in results if result.verdict == "failed"], f"{setting}, seed {SEED}"
    assert sum(result.verdict == "ok" for result in results) > number / 2
