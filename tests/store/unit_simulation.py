"""The simulated payment provider as its own process, for tests."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from craton.run.folder import free_port

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0


class Simulation:
    """A provider that runs, and can be killed and started again on the same books."""

    def __init__(self, data: Path) -> None:
        self.data, self.port = data, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it answers."""
        command = [sys.executable, "-m", "apps.store.provider", "--port", str(self.port), "--data", str(self.data)]
        self.process = subprocess.Popen(command, cwd=ROOT)
        until = time.monotonic() + PATIENCE
        while True:
            try:
                httpx.get(f"{self.url}/control", trust_env=False)
                return
            except httpx.HTTPError:
                assert time.monotonic() < until and self.process.poll() is None, "the provider did not start"
                time.sleep(0.05)

    def kill(self) -> None:
        """As `kill -9` does."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def control(self, **plan: Any) -> dict[str, Any]:
        """Change what goes wrong; what is in force then."""
        answer = httpx.post(f"{self.url}/control", json=plan, trust_env=False)
        answer.raise_for_status()
        return dict(answer.json())

    def books(self, order: str) -> list[dict[str, Any]]:
        """The payments with this order as their reference, as auditors see them."""
        answer = httpx.get(f"{self.url}/books", params={"order": order}, trust_env=False)
        return list(answer.json()["intents"])

    def get(self, url: str) -> httpx.Response:
        """Look at a page, without any key."""
        return httpx.get(url, trust_env=False)

    def post(self, url: str, **form: str) -> httpx.Response:
        """Send a form, as a browser does."""
        return httpx.post(url, data=form, trust_env=False)


@contextmanager
def simulated(data: Path) -> Iterator[Simulation]:
    """A provider that runs as long as the `with` block."""
    simulation = Simulation(data)
    simulation.start()
    try:
        yield simulation
    finally:
        simulation.kill()
