"""What `craton compare` was told, as what is wanted, and what is done with what was found."""

from __future__ import annotations

import argparse
import asyncio
import os
import shlex
import signal
import sys
from pathlib import Path

import msgspec

from craton.errors import SettingsError
from craton.lab.compare.comparing import Comparing
from craton.lab.compare.report.page import page
from craton.lab.compare.results import Comparison
from craton.lab.compare.text import text
from craton.lab.compare.wanted import QUICK, USUAL, Wanted, listed, phases_of, scenario_of

UNITS = {"ms": 1e-3, "s": 1.0}
STOPPED = 130
"""What the command ends with after Ctrl-C, as shells expect it."""


def compare(asked: argparse.Namespace) -> None:
    """Compare, and print what was found. Ctrl-C ends the measuring early, and a second one everything."""
    wanted = wanted_of(asked)
    comparing = Comparing(wanted)
    if asked.html:
        check_file(asked.html)
    found = asyncio.run(run(comparing))
    if asked.html:
        asked.html.write_text(page(found))
        comparing.progress.say(f"wrote {asked.html}")
    sys.stdout.write(f"{as_json(found) if asked.json else text(found)}\n")
    if comparing.stopped:
        raise SystemExit(STOPPED)


async def run(comparing: Comparing) -> Comparison:
    """Compare. SIGTERM ends everything in order."""
    told = asyncio.get_running_loop().add_signal_handler
    told(signal.SIGTERM, signal.default_int_handler, signal.SIGTERM, None)
    return await comparing.run()


def wanted_of(asked: argparse.Namespace) -> Wanted:
    """What is wanted: `--quick` says less of everything that was not said. SettingsError where it cannot be had."""
    usual = QUICK if asked.quick else USUAL
    scenario, place = scenario_of(asked.application, asked.scenario)
    return Wanted(
        package=asked.application, topologies=listed(asked.topologies), scenario=scenario, place=place,
        beside=tuple(asked.beside), phases=phases_of(asked.phases) or usual.phases, rate=asked.rate,
        ramp=asked.ramp, visitors=asked.visitors,
        rounds=usual.rounds if asked.rounds is None else asked.rounds,
        seconds=usual.seconds if asked.seconds is None else asked.seconds, warmup=usual.warmup,
        objective=seconds_of(asked.objective), gateway=asked.gateway,
        tls=str(asked.tls) if asked.tls else None, database=asked.database, seed=asked.seed, different=asked.different,
        command=shlex.join(["craton", *sys.argv[1:]]),
    )


def seconds_of(written: str) -> float:
    """A time such as 100ms or 0.5s."""
    unit = "ms" if written.endswith("ms") else "s"
    try:
        return float(written.removesuffix(unit)) * UNITS[unit]
    except ValueError as error:
        raise SettingsError(f"{written!r} is no time: give --objective 100ms, or 0.5s.") from error


def check_file(file: Path) -> None:
    """Refuse a place where nothing can be written: better now than when all has been measured."""
    if file.is_dir() or not os.access(file if file.exists() else file.absolute().parent, os.W_OK):
        raise SettingsError(f"nothing can be written to {file}: give --html a file in a folder that is there.")


def as_json(found: Comparison) -> str:
    """For programs."""
    return msgspec.json.format(msgspec.json.encode(found)).decode()
