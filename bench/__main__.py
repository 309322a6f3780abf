"""`python -m bench list`, `python -m bench GROUP [--json]`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Coroutine
from importlib import import_module
from typing import Any

import msgspec

from bench.harness import Benchmark, Result, compare, paragraph

GROUPS = {
    "calls": "a call between modules: co-located, through the codec, over rpc",
    "data": "commands and queries on SQLite and PostgreSQL",
    "edge": "commands over HTTP, with their event and their inbox row",
    "events": "an event, from publishing to applied in another service",
    "sagas": "a saga of four steps",
    "tasks": "jobs of tasks, from submitting to run by a worker",
    "video": "a film of a minute, transcoded by workers",
    "service": "one idle service: how soon it answers, and its memory",
}


def benchmarks_of(group: str) -> list[Benchmark]:
    """The benchmarks of a group."""
    found: list[Benchmark] = import_module(f"bench.{group}").BENCHMARKS
    return found


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Ours beside its peers, in one run.")
    parser.add_argument("group", choices=["list", *GROUPS], help="`list` shows them")
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument("--names", action="store_true", help="with `list`: the names of the groups alone")
    parser.add_argument("--only", default="", metavar="TEXT", help="benchmarks whose names hold this text")
    parser.add_argument("--goals", action="store_true", help="benchmarks that have a goal")
    parser.add_argument("--rounds", type=int, default=7, help="how often each side is measured (default 7)")
    parser.add_argument("--seconds", type=float, default=1.0, help="how long each time (default 1)")
    return parser.parse_args()


def show_list(*, names: bool) -> None:
    """Print the groups and their benchmarks."""
    for group, about in GROUPS.items():
        print(group if names else f"{group}: {about}")
        for benchmark in [] if names else benchmarks_of(group):
            print(f"  {benchmark.name} ({benchmark.unit}, {benchmark.better} is better)")


async def run(chosen: argparse.Namespace) -> list[Result]:
    """Run a group; for people, print each result as it comes."""
    results = []
    for benchmark in benchmarks_of(chosen.group):
        if chosen.only not in benchmark.name or (chosen.goals and benchmark.goal is None):
            continue
        results.append(await compare(benchmark, rounds=chosen.rounds, seconds=chosen.seconds))
        if not chosen.json:
            print(paragraph(results[-1]), end="\n\n", flush=True)
    return results


def on_fast_loop(work: Coroutine[Any, Any, list[Result]]) -> list[Result]:
    """Run on uvloop, for both sides alike."""
    import uvloop

    return uvloop.run(work)


def main() -> int:
    """Run what was asked for."""
    chosen = arguments()
    if chosen.group == "list":
        show_list(names=chosen.names)
        return 0
    results = on_fast_loop(run(chosen))
    if chosen.json:
        sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(results)) + b"\n")
    missed = [r.name for r in results if r.goal is not None and r.ratio < r.goal]
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
