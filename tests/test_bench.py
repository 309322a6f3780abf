"""Every benchmark runs, and says what it compares. Figures of so short a run mean nothing: they are not looked at."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench.__main__ import GROUPS, benchmarks_of
from bench.harness import Benchmark, Side, result_of

ROOT = Path(__file__).parents[1]
LONG = {"events", "service", "tasks", "video"}
"""Groups of which even one round takes long: they are run nightly."""
FIELDS = {"name", "ours", "peer", "unit", "ratio", "low", "high", "goal", "better", "rounds", "settings"}


def bench(*arguments: str, patience: float = 280) -> str:
    """What `python -m bench` prints."""
    command = [sys.executable, "-m", "bench", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=patience, check=False)
    assert done.returncode == 0 or (done.returncode == 1 and done.stdout), done.stderr  # 1: a goal was missed
    return done.stdout


def names(group: str) -> list[str]:
    """Its benchmarks, in the order in which they run."""
    return [benchmark.name for benchmark in benchmarks_of(group)]


def check(results: list[dict[str, Any]]) -> None:
    """Each says all that a reader needs."""
    for result in results:
        assert set(result) == FIELDS
        assert result["low"] <= result["ratio"] <= result["high"]
        assert result["ours"] > 0 and result["peer"] > 0
        assert result["settings"]["ours"] and result["settings"]["peer"]


@pytest.mark.timeout(300)  # a server and a peer are started for each benchmark
@pytest.mark.parametrize("group", [group for group in GROUPS if group not in LONG])
def test_the_first_of_a_group_runs_and_answers_in_json(group: str) -> None:
    name = names(group)[0]
    results = json.loads(bench(group, "--only", name, "--json", "--rounds", "1", "--seconds", "0.02"))
    assert name in [result["name"] for result in results]
    check(results)


@pytest.mark.chaos
@pytest.mark.timeout(900)
@pytest.mark.parametrize("group", GROUPS)
def test_all_of_a_group_runs(group: str) -> None:
    results = json.loads(bench(group, "--json", "--rounds", "1", "--seconds", "0.02", patience=880))
    assert [result["name"] for result in results] == names(group)
    check(results)


def test_the_list_names_every_group() -> None:
    assert bench("list", "--names").split() == list(GROUPS)


def comparison(better: str) -> Benchmark:
    """A comparison whose sides are never opened."""
    nothing = Side("", lambda: pytest.fail("opened"))
    return Benchmark("a", "µs", better, nothing, nothing)  # type: ignore[arg-type]


def test_a_ratio_says_how_many_times_better_ours_is_by_the_median_round() -> None:
    rounds = [(2.0, 4.0), (1.0, 8.0), (4.0, 4.0)]
    lower, higher = result_of(comparison("lower"), rounds), result_of(comparison("higher"), rounds)
    assert (lower.ratio, lower.low, lower.high) == (2.0, 1.0, 8.0)
    assert (higher.ratio, higher.low, higher.high) == (0.5, 0.125, 1.0)
    assert (lower.ours, lower.peer) == (2.0, 4.0)
