"""The fuzzer of rpc: `python -m fuzz.rpc --frames 10000000`. Guided by coverage, where atheris is installed."""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

try:
    fuzzing: Any = import_module("atheris")
except ImportError:  # no wheel for this machine: sessions are drawn at random
    fuzzing = None

CRASHES = Path(__file__).parent / "crashes"
LONGEST = 4096  # bytes that steer one session
MEMORY = 2 * 2**30  # bytes that all sessions together may take


def main() -> None:
    """Fuzz until so many frames are sent, or try one session again that was found to break something."""
    parser = argparse.ArgumentParser(prog="python -m fuzz.rpc", description=__doc__)
    parser.add_argument("--frames", type=int, default=10_000_000, help="to send (10,000,000)")
    parser.add_argument("--seed", type=int, default=1, help="of what is left to chance (1)")
    parser.add_argument("--unguided", action="store_true", help="draw sessions at random, even where atheris is here")
    parser.add_argument("again", nargs="*", type=Path, help="files in fuzz/crashes, to see the same happen again")
    asked = parser.parse_args()
    CRASHES.mkdir(exist_ok=True)
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))  # libFuzzer's own limit counts the process it came from
    if fuzzing is None or asked.unguided or asked.again:
        draw(asked)
    else:
        guide(asked)


class Fuzzer:
    """Sessions on one ground, one after the other, counted."""

    def __init__(self, most: int) -> None:
        from fuzz.sessions import ground, session

        self.session, self.most, self.began = session, most, time.monotonic()
        self.loop = loop()
        self.folder = tempfile.TemporaryDirectory()
        self.context = ground(f"unix:{self.folder.name}/fuzz.sock")
        self.ground = self.loop.run_until_complete(self.context.__aenter__())
        self.sessions, self.told = 0, 0

    def try_one(self, data: bytes) -> bool:
        """Hold one session. False when enough frames were sent."""
        self.sessions += 1
        self.loop.run_until_complete(self.session(self.ground, data))
        frames = self.ground.judge.frames
        if frames - self.told >= min(self.most / 10, 1_000_000) or frames >= self.most:
            self.told = frames
            rate = frames / (time.monotonic() - self.began)
            print(f"{frames:,} frames in {self.sessions:,} sessions, {rate:,.0f} a second", flush=True)
        return frames < self.most

    def close(self) -> None:
        """Part from the server."""
        self.loop.run_until_complete(self.context.__aexit__(None, None, None))
        self.folder.cleanup()


def loop() -> asyncio.AbstractEventLoop:
    """The loop that services run on."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


def draw(asked: argparse.Namespace) -> None:
    """Draw sessions at random, or take them from files."""
    fuzzer, dice = Fuzzer(asked.frames), random.Random(asked.seed)
    if asked.again:
        for file in asked.again:
            fuzzer.try_one(file.read_bytes())
    else:
        repeat(fuzzer, lambda: dice.randbytes(dice.randrange(LONGEST)))
    fuzzer.close()


def repeat(fuzzer: Fuzzer, drawn: Callable[[], bytes]) -> None:
    """Hold sessions until it is enough; keep the one that breaks something."""
    more = True
    while more:
        data = drawn()
        try:
            more = fuzzer.try_one(data)
        except BaseException:
            file = CRASHES / f"session-{fuzzer.sessions}"
            file.write_bytes(data)
            print(f"broken: see it again by `python -m fuzz.rpc {file}`", file=sys.stderr)
            raise


def guide(asked: argparse.Namespace) -> None:
    """Have atheris look for sessions that reach new code."""
    with fuzzing.instrument_imports(include=["craton.calls.links.rpc"]):
        fuzzer = Fuzzer(asked.frames)

    def try_one(data: bytes) -> None:
        if not fuzzer.try_one(data):
            fuzzer.close()
            sys.stdout.flush()
            os._exit(0)  # libFuzzer itself knows no end

    options = [f"-seed={asked.seed}", f"-max_len={LONGEST}", f"-artifact_prefix={CRASHES}/", "-len_control=0",
               "-print_final_stats=0", "-verbosity=0", "-timeout=60", "-rss_limit_mb=0"]
    fuzzing.Setup([sys.argv[0], *options], try_one)
    fuzzing.Fuzz()


if __name__ == "__main__":
    main()
