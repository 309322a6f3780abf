"""A child process: started again when it dies, given up when that is of no use, and never left behind."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from io import StringIO
from pathlib import Path

import pytest

from craton.calls.links.rpc.address import Address
from craton.run.child import Child, GivenUp, Program
from craton.run.folder import free_port
from craton.run.printer import Printer
from tests.until import until

LISTENER = "import socket, sys, time; s = socket.create_server(('127.0.0.1', {port})); print('listening', flush=True); "


class Lines:
    """Remembers what was said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def __call__(self, name: str, line: str) -> None:
        self.said.append(f"{name} | {line}")

    def have(self, text: str) -> bool:
        return any(text in line for line in self.said)


def python(code: str, *, name: str = "stand-in", port: int = 0) -> Program:
    """A program that stands in for a service."""
    command = [sys.executable, "-c", code]
    return Program(name, command, {"PATH": os.environ["PATH"]}, Address(host="127.0.0.1", port=port))


@asynccontextmanager
async def kept(program: Program, say: Lines, *, patience: float = 5) -> AsyncIterator[Child]:
    """A child that runs for the time of a test."""
    child = Child(program, say, patience=patience)
    task = asyncio.create_task(child.run())
    try:
        yield child
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def alive(pid: int) -> bool:
    """Whether a process is there, and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_it_is_ready_once_it_accepts_connections() -> None:
    say, port = Lines(), free_port()
    slow = "import time; time.sleep(0.3); " + LISTENER.format(port=port) + "time.sleep(60)"
    async with kept(python(slow, port=port), say) as child:
        await asyncio.sleep(0.1)
        assert not child.ready.is_set()
        await until(child.ready.is_set)
        await until(lambda: say.have("stand-in | listening"))


async def test_what_dies_is_started_again_and_that_is_said() -> None:
    say, port = Lines(), free_port()
    async with kept(python(LISTENER.format(port=port) + "time.sleep(60)", port=port), say) as child:
        await until(child.ready.is_set)
        first = child.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        await until(lambda: child.pid not in (None, first))
        assert say.have("craton | stand-in was killed by SIGKILL; starting it again in 0.1 s")


async def test_what_answered_is_started_again_soon_however_often_it_dies() -> None:
    say, port = Lines(), free_port()
    async with kept(python(LISTENER.format(port=port) + "time.sleep(60)", port=port), say) as child:
        for _ in range(4):
            await until(lambda: child.pid is not None and bool(child.ready.is_set()) and child.backoff.tries == 0)
            before = child.pid
            assert before is not None
            os.kill(before, signal.SIGKILL)
            await until(lambda: child.pid not in (None, before))  # noqa: B023  # awaited within its round
        assert {line.rpartition(" in ")[2] for line in say.said if "again" in line} <= {"0.0 s", "0.1 s"}


@pytest.mark.parametrize(("code", "message"), [
    ("import sys; print('no secret'); sys.exit(2)", "stand-in stopped with exit code 2 before it was ready"),
    ("raise SystemExit(1)", "stand-in stopped with exit code 1 3 times before it was ready"),
])
async def test_what_never_gets_ready_is_given_up_with_what_it_said_last(code: str, message: str) -> None:
    say = Lines()
    with pytest.raises(GivenUp, match=message):
        await Child(python(code), say, patience=1).run()
    assert "no secret" not in code or say.have("stand-in | no secret")


async def test_a_command_that_is_not_there_is_given_up_in_words() -> None:
    with pytest.raises(GivenUp, match="mail: no-such-program cannot be started: No such file or directory"):
        await Child(Program("mail", ["no-such-program"], {}), Lines(), patience=1).run()


async def test_it_may_finish_what_it_does_before_it_stops() -> None:
    say = Lines()
    polite = ("import os, signal, sys, time; signal.signal(15, lambda *_: (os.write(1, b'finished\\n'), sys.exit(0)));"
              "print('up', flush=True); time.sleep(60)")
    async with kept(python(polite), say):
        await until(lambda: say.have("up"))
    assert say.have("stand-in | finished")


async def test_what_does_not_stop_in_time_is_killed_and_so_is_what_it_started() -> None:
    say = Lines()
    deaf = ("import os, signal, subprocess, sys, time; signal.signal(15, signal.SIG_IGN);"
            "other = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']);"
            "print(other.pid, flush=True); time.sleep(60)")
    async with kept(python(deaf), say, patience=0.2) as child:
        await until(lambda: bool(say.said))
        own, started = child.pid, int(say.said[0].rpartition(" ")[2])
        assert own is not None and alive(own) and alive(started)
    await until(lambda: not alive(own) and not alive(started))
    assert say.have("craton | stand-in did not stop within 0.2 s; killed")


async def test_a_line_without_end_and_bytes_that_are_no_text_are_passed_on() -> None:
    say = Lines()
    long = ("import sys, time; sys.stdout.buffer.write(b'x' * 3_000_000 + b'\\xff\\n' + b'last');"
            "sys.stdout.flush(); time.sleep(60)")
    async with kept(python(long), say):
        await until(lambda: sum(map(len, say.said)) > 3_000_000)
    assert say.have("\N{REPLACEMENT CHARACTER}") and say.have("stand-in | last")


SUPERVISED = """
import asyncio, os, sys
from craton.run.child import Child, Program

DEAF = "import signal, os, time; signal.signal(15, signal.SIG_IGN); print(os.getpid(), flush=True); time.sleep(60)"

async def main():
    program = Program("deaf", [sys.executable, "-c", DEAF], dict(os.environ))
    await Child(program, lambda name, line: print(line, flush=True), patience=5).run()

asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG is Linux's")
async def test_nothing_is_left_behind_when_the_supervisor_is_killed() -> None:
    pipe = asyncio.subprocess.PIPE
    supervisor = await asyncio.create_subprocess_exec(sys.executable, "-c", SUPERVISED, stdout=pipe)
    assert supervisor.stdout
    child = int(await supervisor.stdout.readline())
    assert alive(child)
    supervisor.kill()
    await supervisor.wait()
    await until(lambda: not alive(child))


def printed(lines: list[tuple[str, str]], make: Callable[[StringIO], Printer]) -> list[str]:
    """What a printer makes of lines."""
    out = StringIO()
    printer = make(out)
    for name, line in lines:
        printer(name, line)
    return out.getvalue().splitlines()


def test_lines_stand_under_each_other_under_their_names_and_no_name_stands_twice() -> None:
    lines = [("orders.2", "orders | 10:00 INFO ready"), ("gateway", "plain"), ("orders.2", "Traceback:"), ("", "curl")]
    assert printed(lines, lambda out: Printer(out, width=8)) == [
        "orders.2 | 10:00 INFO ready", "gateway  | plain", "orders.2 | Traceback:", "curl",
    ]


def test_names_are_coloured_for_people_and_each_keeps_its_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(StringIO):
        def isatty(self) -> bool:
            return True

    out = Terminal()
    monkeypatch.delenv("NO_COLOR", raising=False)
    printer = Printer(out)
    for name in ("a", "b", "a"):
        printer(name, "x")
    first, second, third = out.getvalue().splitlines()
    assert first == third == "\x1b[36ma |\x1b[0m x" and second.startswith("\x1b[33mb")
    monkeypatch.setenv("NO_COLOR", "1")
    assert not Printer(Terminal()).coloured
