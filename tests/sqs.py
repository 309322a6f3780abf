"""A server that speaks as Amazon SQS does, for tests: moto's, in a process of its own, reached over a socket."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from craton.run.folder import free_port

PROGRAM = "from moto.server import main; main()"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_EC2_METADATA_DISABLED": "true"}


class Server:
    """One server. It keeps what it has in memory: started again, it has nothing."""

    def __init__(self) -> None:
        self.port = free_port()
        self.out = Path(tempfile.mkstemp(prefix="craton-moto-", dir="/tmp")[1])
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def environ(self) -> dict[str, str]:
        """What clients need in their environment."""
        return CREDENTIALS | {"AWS_ENDPOINT_URL_SQS": f"http://127.0.0.1:{self.port}"}

    def start(self) -> None:
        """Start it, and wait until it takes connections."""
        command = [sys.executable, "-c", PROGRAM, "-H", "127.0.0.1", "-p", str(self.port)]
        with self.out.open("ab") as out:
            self.process = subprocess.Popen(command, env=os.environ | CREDENTIALS, stdout=out, stderr=out)
        until = time.monotonic() + 60
        while self.process.poll() is None and time.monotonic() < until:
            with socket.socket() as one:
                if one.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        raise RuntimeError(f"moto did not start:\n{self.out.read_text()}")

    def stop(self, sign: signal.Signals = signal.SIGKILL) -> None:
        """Stop it, at once."""
        if self.process is not None:
            self.process.send_signal(sign)
            self.process.wait(timeout=30)
            self.process = None


@pytest.fixture(scope="session")
def sqs() -> Iterator[Server]:
    """A running server, which a test may stop and start again."""
    server = Server()
    try:
        server.start()
        yield server
    finally:
        server.stop()
        server.out.unlink()
