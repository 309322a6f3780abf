"""Tries a worker: `python -m workers.conformance [--broker amqp://...] [--only TEXT] -- COMMAND...`."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Mapping

from workers.conformance.checks import ALONE, EVERYWHERE, WITH_BROKER, Check
from workers.conformance.kit import Kit


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(prog="python -m workers.conformance", description=__doc__)
    parser.add_argument("--broker", default="", metavar="URL", help="a RabbitMQ server, to try the worker over it, too")
    parser.add_argument("--only", default="", metavar="TEXT", help="only checks with this in their names")
    parser.add_argument("command", nargs="+", help="starts the worker, with the kit's handlers")
    return parser.parse_args()


async def tried(kit: Kit, check: Check) -> str:
    """What went wrong in a check; "" when nothing did."""
    kit.controller.forget()
    try:
        await check(kit)
        kit.check_up()
    except Exception as error:
        return str(error) or type(error).__name__
    return ""


async def run(kit: Kit, checks: Mapping[str, Check]) -> int:
    """Print what became of each check; how many failed."""
    failed = 0
    async with kit:
        for name, check in checks.items():
            trouble = await tried(kit, check)
            failed += bool(trouble)
            sys.stdout.write(f"{'FAILED' if trouble else 'ok':8}{name.replace('_', ' ')}\n")
            sys.stdout.write(f"        {trouble}\n" if trouble else "")
        if failed:
            sys.stdout.write(f"\nThe worker wrote:\n{kit.worker.output}\n")
    return failed


async def main() -> int:
    """All checks, over HTTP alone and over a broker if there is one; how many failed."""
    asked = arguments()
    groups = {"": EVERYWHERE | ALONE} | ({asked.broker: EVERYWHERE | WITH_BROKER} if asked.broker else {})
    failed = 0
    for broker, checks in groups.items():
        sys.stdout.write("with a broker\n" if broker else "over HTTP alone\n")
        chosen = {name: check for name, check in checks.items() if asked.only.replace(" ", "_") in name}
        failed += await run(Kit(asked.command, broker), chosen)
    return failed


if __name__ == "__main__":
    sys.exit(min(1, asyncio.run(main())))
