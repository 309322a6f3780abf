"""A RabbitMQ server for tests: its own directory, ports and Erlang port mapper, stopped at the end."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from craton.run.folder import free_port

PROGRAMS = Path("/usr/lib/rabbitmq/bin")  # Debian's programs in /usr/sbin change to another user first
SETTINGS = "listeners.tcp.default = 127.0.0.1:{port}\nlog.console = false\ndisk_free_limit.absolute = 50MB\n"
VIRTUAL_MACHINE = "+S 1:1 +sbwt none +sbwtdcpu none +sbwtdio none -kernel inet_dist_use_interface {127,0,0,1}"
"""One scheduler that does not wait busily: tests share the processors."""


def program(name: str) -> str:
    """One of RabbitMQ's programs."""
    found = shutil.which(name, path=f"{PROGRAMS}:{os.environ.get('PATH', '')}")
    if found is None:
        raise RuntimeError("RabbitMQ is not installed: run `make system`, or apt-get install rabbitmq-server.")
    return found


class Server:
    """One server, with the guest user of every fresh server. Started again, it has what it had."""

    def __init__(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="craton-rabbitmq-", dir="/tmp"))
        self.port = free_port()
        self.url = f"amqp://guest:guest@127.0.0.1:{self.port}/"
        self.process: subprocess.Popen[bytes] | None = None
        self.port_mapper: subprocess.Popen[bytes] | None = None
        (self.directory / "rabbitmq.conf").write_text(SETTINGS.format(port=self.port))
        (self.directory / "enabled_plugins").write_text("[].\n")
        d = str(self.directory)
        self.environ = os.environ | {
            "HOME": d, "ERL_EPMD_PORT": str(free_port()), "ERL_EPMD_ADDRESS": "127.0.0.1", "RABBITMQ_BASE": d,
            "RABBITMQ_NODENAME": f"craton{self.port}@localhost", "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port), "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_MNESIA_BASE": f"{d}/mnesia", "RABBITMQ_LOG_BASE": f"{d}/log", "RABBITMQ_PID_FILE": f"{d}/pid",
            "RABBITMQ_CONFIG_FILE": f"{d}/rabbitmq.conf", "RABBITMQ_ENABLED_PLUGINS_FILE": f"{d}/enabled_plugins",
            "RABBITMQ_CONF_ENV_FILE": "/dev/null", "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": VIRTUAL_MACHINE,
        }

    def start(self) -> None:
        """Start it, and wait until it takes connections."""
        if self.port_mapper is None:  # else the server would leave one behind
            self.port_mapper = subprocess.Popen([program("epmd")], env=self.environ)
        with (self.directory / "out").open("ab") as out:
            self.process = subprocess.Popen(
                [program("rabbitmq-server")], env=self.environ, cwd=self.directory, stdout=out, stderr=out,
                start_new_session=True,
            )
        until = time.monotonic() + 60
        while self.process.poll() is None and time.monotonic() < until:
            if self.answers():
                return
            time.sleep(0.1)
        raise RuntimeError(f"RabbitMQ did not start:\n{(self.directory / 'out').read_text()}")

    def answers(self) -> bool:
        """Whether it speaks AMQP yet."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(b"AMQP\x00\x00\x09\x01")
                return connection.recv(1) == b"\x01"
        except OSError:
            return False

    def stop(self, sign: signal.Signals = signal.SIGKILL) -> None:
        """Stop it: SIGTERM shuts down cleanly, which takes seconds; SIGKILL is a crash."""
        if self.process is not None:
            os.killpg(self.process.pid, sign)
            self.process.wait(timeout=30)
            self.process = None

    def control(self, *arguments: str) -> None:
        """Run rabbitmqctl to its end."""
        command = [program("rabbitmqctl"), "-q", *arguments]
        done = subprocess.run(command, env=self.environ, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"rabbitmqctl {' '.join(arguments)} failed:\n{done.stdout}{done.stderr}")

    def remove(self) -> None:
        """Stop it and its port mapper, and remove its files."""
        self.stop()
        if self.port_mapper is not None:
            self.port_mapper.kill()
            self.port_mapper.wait()
        shutil.rmtree(self.directory)


@pytest.fixture(scope="session")
def rabbitmq() -> Iterator[Server]:
    """A running server, which a test may stop and start again."""
    server = Server()
    try:
        server.start()
        yield server
    finally:
        server.remove()
