"""`make crashtest`: all that `craton crashtest` tries with the store: each structure on each engine, services in two
replicas, and services whose events go over RabbitMQ, on servers of its own. What is added is passed on: `--seed 7`.
"""

from __future__ import annotations

import subprocess
import sys
from contextlib import ExitStack, contextmanager

from tests import postgresql, rabbitmq


def main() -> int:
    """The exit code: not 0 where something went wrong."""
    with ExitStack() as stack:
        url = f"{stack.enter_context(contextmanager(postgresql.serve)()).url}/crash"
        broker = rabbitmq.Server()
        stack.callback(broker.remove)
        broker.start()
        return max([
            tried("apps.store", "--database", url),
            tried("tests.acceptance.replicated", "--topology", "hybrid", "--database", url),
            tried("apps.store", "--topology", "hybrid", "--broker", broker.url),
        ])


def tried(*arguments: str) -> int:
    """One call of the command."""
    command = [sys.executable, "-m", "craton", "crashtest", *arguments, *sys.argv[1:]]
    return abs(subprocess.run(command, check=False).returncode)


if __name__ == "__main__":
    sys.exit(main())
