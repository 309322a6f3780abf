"""`craton crashtest` itself: what it can do to a process, and that it finds what is wrong."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from craton.cli import main
from craton.errors import DeclarationError
from craton.lab.crashtest import Result, opened
from craton.lab.crashtest_control import PAUSE, Blow, Control, Kind, Place
from craton.lab.crashtest_report import failpoints, matrix
from craton.lab.crashtest_setting import Setting, settings
from tests.until import until

WALKER = """
import sys
from craton.lab.crashtest_armed import Told
told = Told(sys.argv[1], "walker")
for name in ("P1", "P3", "P3", "P5"):
    told(name)
    print(name, flush=True)
"""
"""A process that comes to four failpoints."""
CONNECTED = """
import asyncio, os, sys
from craton.lab.crashtest_armed import cut

async def main():
    server = await asyncio.start_server(lambda reader, writer: reader.read(), "127.0.0.1", 0)
    kept = await asyncio.start_unix_server(lambda reader, writer: reader.read(), sys.argv[1])
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    other, line = await asyncio.open_unix_connection(sys.argv[1])
    opened = len(os.listdir("/dev/fd"))
    await asyncio.to_thread(cut, sys.argv[1])      # a thread's result comes by the loop's own pair of sockets
    assert len(os.listdir("/dev/fd")) <= opened
    assert await reader.read() == b""
    again, _ = await asyncio.open_connection(*server.sockets[0].getsockname())
    assert not other.at_eof() and not again.at_eof()

asyncio.run(main())
"""
"""A process that cuts its own connections."""


@pytest.fixture
def control(tmp_path: Path) -> Iterator[Control]:
    """What strikes."""
    with Control(tmp_path / "control") as control:
        yield control


def walk(control: Control) -> subprocess.Popen[str]:
    """Start the walker."""
    command = [sys.executable, "-c", WALKER, str(control.path)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def blow(kind: Kind, *, nth: int = 2) -> Blow:
    """What befalls the walker at the failpoint where it comes twice."""
    return Blow(Place("walker", "P3"), nth, kind)


def test_where_nothing_is_armed_a_process_goes_on_and_is_counted(control: Control) -> None:
    with control.armed(None):
        assert walk(control).communicate()[0].split() == ["P1", "P3", "P3", "P5"]
        assert control.seen == {Place("walker", "P1"): 1, Place("walker", "P3"): 2, Place("walker", "P5"): 1}


def test_a_process_is_killed_at_the_failpoint_and_at_the_time_that_was_armed(control: Control) -> None:
    with control.armed(blow("kill")):
        process = walk(control)
        assert (process.communicate()[0].split(), process.returncode) == (["P1", "P3"], -9)
        assert control.struck.is_set()


async def test_a_process_is_stopped_there_and_goes_on_later(control: Control) -> None:
    with control.armed(blow("pause")):
        process = walk(control)
        await until(lambda: Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T")
        assert control.resting == 1
        said = await asyncio.wait_for(asyncio.to_thread(process.communicate), PAUSE * 5)
        assert said[0].split() == ["P1", "P3", "P3", "P5"]
        assert control.resting == 0


def test_a_cut_ends_every_connection_but_those_of_the_event_loop_and_of_the_crash_test(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", CONNECTED, str(tmp_path / "control")], check=True, timeout=60)


def test_a_sample_is_shared_out_among_structures_and_stores() -> None:
    made = settings("apps.store", database="postgresql://me@host/name", sample=20, topologies=["monolith", "hybrid"])
    assert [(s.topology, s.database is None, s.sample) for s in made] == [
        ("monolith", True, 5), ("monolith", False, 5), ("hybrid", True, 5), ("hybrid", False, 5),
    ]


def test_all_structures_are_those_of_the_application() -> None:
    assert [s.topology for s in settings("apps.store")] == ["monolith", "microservices", "hybrid"]


def test_a_declaration_without_its_functions_is_refused_with_what_to_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "half").mkdir()
    (tmp_path / "half" / "crashtest.py").write_text("async def scenario(scene): ...\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(DeclarationError, match=r"write half/crashtest\.py, with .* `async def invariants\(scene\)`"):
        settings("half")


def test_the_matrix_shows_what_failed_and_what_was_never_reached() -> None:
    results = [
        Result(Blow(Place("orders", "P3"), 1, "kill"), "ok", [], 1.0),
        Result(Blow(Place("orders", "P3"), 1, "pause"), "failed", ["S2: paid twice"], 1.0),
    ]
    shown = matrix(Setting(package="apps.store", topology="monolith", kinds=("kill", "pause")), results)
    assert "P3            ok            failed" in shown
    assert "P1            not reached   not reached" in shown
    assert [line.split()[0] for line in shown.splitlines()[1:]] == list(failpoints())


def test_a_kind_that_does_not_exist_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit:
        main(["crashtest", "apps.store", "--kinds", "kill,burn"])
    assert exit.value.code == 2 and "there is no kind burn" in capsys.readouterr().err


def test_an_application_that_declares_nothing_is_told_what_to_write(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit:
        main(["crashtest", "bench.shop"])
    assert exit.value.code == 2 and "write bench/shop/crashtest.py" in capsys.readouterr().err


@pytest.mark.timeout(300)
async def test_a_store_that_is_not_sound_turns_it_red(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRATON_PAYMENTS_TIMEOUT", "1")
    async with opened(Setting(package="apps.store.naive", topology="monolith")) as test:
        assert await test.act(None) == []
        results = [await test.strike(Blow(Place("store", "P2"), nth, "kill")) for nth in range(3, 6)]
    assert "failed" in {result.verdict for result in results}
    assert any("the_provider_agrees" in finding for result in results for finding in result.findings)
