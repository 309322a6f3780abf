"""`python -m apps.store.provider --port 8100 --data DIR`: the simulated payment provider."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import uvicorn

from apps.store.provider.app import Provider
from apps.store.provider.books import Books

SECRET = "whsec_store_simulation"


def main() -> None:
    """Serve until stopped."""
    parser = argparse.ArgumentParser(prog="python -m apps.store.provider", description=__doc__)
    parser.add_argument("--port", type=int, default=8100)
    parser.add_argument("--data", type=Path, required=True, help="where the books are kept")
    given = parser.parse_args()
    secret = os.environ.get("CRATON_PAYMENTS_WEBHOOK_SECRET", SECRET)
    provider = Provider(Books(given.data / "provider.db"), secret=secret)
    # it breaks answers off on purpose, which uvicorn would call errors
    uvicorn.run(provider.app(), host="127.0.0.1", port=given.port, log_level="critical", timeout_graceful_shutdown=1)


if __name__ == "__main__":
    main()
