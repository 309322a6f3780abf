"""Tries a worker: `python -m workers.conformance [--broker amqp://...] [--only TEXT] -- COMMAND...`."""

from __future__ import annotations

import argparse
import asyncio
import sys

from workers.conformance.checks import WAYS
from workers.conformance.kit import Kit


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(prog="python -m workers.conformance", description=__doc__)
    parser.add_argument("--broker", default="", metavar="URL", help="a RabbitMQ server, to try the worker over it, too")
    parser.add_argument("--only", default="", metavar="TEXT", help="only checks with this in their names")
    parser.add_argument("command", nargs="+", help="starts the worker, with the kit's handlers")
    return parser.parse_args()


async def run(asked: argparse.Namespace, name: str) -> int:
    """Print what became of the checks of one way; how many failed."""
    way, failed = WAYS[name], 0
    sys.stdout.write(f"{name}\n")
    async with Kit(asked.command, asked.broker if way.broker else "", lonely=way.lonely) as kit:
        for sentence, check in ((name.replace("_", " "), check) for name, check in way.checks.items()):
            if asked.only in sentence:
                trouble = await kit.trouble(check)
                failed += bool(trouble)
                sys.stdout.write(f"  {'FAILED' if trouble else 'ok':8}{sentence}\n{trouble}")
        if failed:
            sys.stdout.write(f"\nThe worker wrote:\n{kit.output()}\n")
    return failed


async def main() -> int:
    """All checks, those with a broker if there is one; how many failed."""
    asked = arguments()
    return sum([await run(asked, name) for name, way in WAYS.items() if asked.broker or not way.broker])


if __name__ == "__main__":
    sys.exit(min(1, asyncio.run(main())))
