"""A PostgreSQL server for tests: its own directory and port, no fsync, stopped at the end."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from craton.run.folder import free_port

PROGRAMS = Path("/usr/lib/postgresql")  # where Debian puts them, by version
OPTIONS = dict(
    listen_addresses="127.0.0.1", fsync="off", synchronous_commit="off", full_page_writes="off", max_connections="200",
    max_pred_locks_per_transaction="256", log_min_messages="fatal", shared_buffers="32MB", autovacuum="off",
)


def programs() -> Path:
    """The directory of the newest PostgreSQL on this machine."""
    found = [path.parent for path in PROGRAMS.glob("*/bin/postgres")]
    if on_path := shutil.which("postgres"):
        found.append(Path(on_path).parent)
    if not found:
        raise RuntimeError("PostgreSQL is not installed: run `make system`, or apt-get install postgresql.")
    return max(found, key=lambda path: [int(n) for n in re.findall(r"\d+", str(path))])


class Server:
    """One server. It refuses to run as root, so root runs it as the user postgres."""

    def __init__(self) -> None:
        self.user = "postgres" if os.geteuid() == 0 else None
        self.directory = Path(tempfile.mkdtemp(prefix="craton-postgresql-", dir="/tmp"))
        self.data = self.directory / "data"
        self.port = free_port()
        self.url = f"postgresql://postgres@127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None
        if self.user:
            shutil.chown(self.directory, self.user)
        self.call("initdb", "-D", str(self.data), "-A", "trust", "-U", "postgres", "--no-sync", "-E", "UTF8",
                  "--locale=C.UTF-8")

    def call(self, program: str, *arguments: str) -> None:
        """Run one of PostgreSQL's programs to its end."""
        command = [str(programs() / program), *arguments]
        done = subprocess.run(command, user=self.user, cwd=self.directory, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{program} failed:\n{done.stdout}{done.stderr}")

    def start(self) -> None:
        """Start it, and wait until it takes connections."""
        options = [f"-c{name}={value}" for name, value in OPTIONS.items()]
        command = [str(programs() / "postgres"), "-D", str(self.data), "-p", str(self.port), "-k", str(self.directory)]
        with (self.directory / "log").open("ab") as log:
            self.process = subprocess.Popen(
                command + options, user=self.user, cwd=self.directory, stdout=log, stderr=log, start_new_session=True
            )
        until = time.monotonic() + 20
        while self.process.poll() is None and time.monotonic() < until:
            ready = [str(programs() / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
            if subprocess.run(ready, check=False).returncode == 0:
                return
            time.sleep(0.02)
        raise RuntimeError(f"PostgreSQL did not start:\n{(self.directory / 'log').read_text()}")

    def stop(self, sign: signal.Signals = signal.SIGINT) -> None:
        """Stop it: SIGINT ends connections and shuts down cleanly, SIGQUIT is a crash."""
        if self.process is not None:
            self.process.send_signal(sign)
            self.process.wait(timeout=20)
            self.process = None

    def remove(self) -> None:
        """Stop it, and remove its files."""
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self.directory)


def serve() -> Iterator[Server]:
    """A running server, for the time of a fixture."""
    server = Server()
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """The URL of a running server, without a database's name: `f"{postgresql}/name"`."""
    for server in serve():
        yield server.url
