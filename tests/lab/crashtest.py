"""`make crashtest`: all that `craton crashtest` tries with the store, and with its replicas, on a server of its own."""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager

from tests.postgresql import serve

CRASHTEST = [sys.executable, "-m", "craton", "crashtest"]


def main() -> int:
    """The exit code: 1 where something went wrong."""
    with contextmanager(serve)() as server:
        url = f"{server.url}/crash"
        store = subprocess.run([*CRASHTEST, "apps.store", "--database", url, *sys.argv[1:]], check=False)
        twice = [*CRASHTEST, "tests.acceptance.replicated", "--topology", "hybrid", "--database", url, *sys.argv[1:]]
        return max(store.returncode, subprocess.run(twice, check=False).returncode)


if __name__ == "__main__":
    sys.exit(main())
