"""`craton compare` refuses what cannot be done in one line that says what to do, before anything starts."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from subprocess import PIPE

import psutil
import pytest

from craton.cli import main
from craton.lab.compare import servers
from tests.lab.compare.sides import new_shop

SCENARIOS = '''"""What visitors do."""

from craton.lab.scenario import Scenario, Visitor


async def broken(visitor: Visitor) -> None:
    """Ask for what is not there."""
    await visitor.get("/nowhere")


visiting = Scenario("visiting", {broken: 1})
'''
BESIDE = """name = "monolith"\nurl = "http://127.0.0.1:1"\nprograms = []\n"""


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A new application with a scenario, in the current folder."""
    with new_shop(tmp_path, monkeypatch) as folder:
        (folder / "shop" / "scenarios.py").write_text(SCENARIOS)
        (folder / "shop" / "beside.toml").write_text(BESIDE)
        yield folder


def refused(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 2) -> str:
    """What the command says when it refuses."""
    with pytest.raises(SystemExit) as ended:
        main(["compare", *arguments])
    assert ended.value.code == code
    last = capsys.readouterr().err.strip()
    assert "Traceback" not in last
    return last


@pytest.mark.usefixtures("shop")
@pytest.mark.parametrize(("arguments", "said"), [
    (["--topologies", "monolith,tower"], "no topology tower: it has monolith"),
    (["--topologies", ""], "nothing is to be compared: give --topologies"),
    (["--scenario", "flying"], "no scenario 'flying': it has visiting"),
    (["--phases", "steady,flight"], "there is no phase flight: there are start, profile, steady"),
    (["--rate", "0"], "--seconds and --objective take numbers above 0"),
    (["--rate", "nan"], "--seconds and --objective take numbers above 0"),
    (["--rounds", "0"], "--seconds and --objective take numbers above 0"),
    (["--visitors", "0"], "--seconds and --objective take numbers above 0"),
    (["--visitors", "9", "--ramp", "9"], "give --ramp or --visitors"),
    (["--tls", "nowhere"], "nowhere has no certificates: make them with `craton certs nowhere"),
    (["--objective", "soon"], "'soon' is no time: give --objective 100ms"),
    (["--database", "sqlite:///a"], "sides are compared on PostgreSQL: give --database"),
    (["--database", "postgresql://127.0.0.1:1/shop"], "PostgreSQL at 127.0.0.1:1 cannot be used"),
    (["--html", "/nowhere/report.html"], "nothing can be written to /nowhere/report.html"),
    (["--beside", "nowhere.toml"], "nowhere.toml cannot be read"),
    (["--beside", "shop/beside.toml", "--topologies", "monolith"], "two sides are called monolith"),
])
def test_it_is_said_what_is_wrong_and_what_to_do(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str],
) -> None:
    assert said in refused(capsys, "shop", *arguments)


def test_an_application_without_scenarios_is_told_to_write_one(
    shop: Path, capsys: pytest.CaptureFixture[str],
) -> None:
    (shop / "shop" / "scenarios.py").unlink()
    assert "shop has no scenarios: write shop/scenarios.py" in refused(capsys, "shop")


@pytest.mark.usefixtures("shop")
def test_a_machine_without_postgresql_is_told_what_to_install(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(servers, "FOLDERS", ())
    monkeypatch.setenv("PATH", "/nowhere")
    assert "craton compare needs PostgreSQL" in refused(capsys, "shop", "--topologies", "monolith")


def test_what_is_not_installed_is_named_with_what_installs_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in [name for name in sys.modules if name.startswith("craton.lab.compare")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "psutil", None)
    assert "pip install 'craton[compare]'" in refused(capsys, "shop")


@pytest.mark.usefixtures("shop")
def test_a_scenario_that_fails_is_told_and_nothing_is_left_running(capsys: pytest.CaptureFixture[str]) -> None:
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    said = refused(capsys, "shop", "--topologies", "monolith", "--gateway", "craton", code=1)
    assert "broken fails on monolith: Unwanted: 404 at /nowhere. Mend it, or the scenario." in said
    assert {child.pid for child in psutil.Process().children(recursive=True)} <= before


GOOD = SCENARIOS.replace("broken", "look").replace("Ask for what is not there.", "Look.").replace("/nowhere", "/docs")


def hear_ctrl_c() -> None:
    """Undo that background jobs of a shell, such as these tests may be, pass Ctrl-C over."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_ctrl_c_ends_the_measuring_and_what_was_found_is_told(shop: Path) -> None:
    (shop / "shop" / "scenarios.py").write_text(GOOD)
    command = [sys.executable, "-m", "craton", "compare", "shop", "--topologies", "monolith", "--gateway", "craton"]
    options = ["--rounds", "50", "--seconds", "1", "--phases", "start,steady", "--html", "report.html"]
    with subprocess.Popen(
        [*command, *options], cwd=shop, stdout=PIPE, stderr=PIPE, text=True, preexec_fn=hear_ctrl_c
    ) as comparing:
        assert comparing.stderr
        for line in comparing.stderr:
            if line.startswith("steady: monolith: round 3"):
                comparing.send_signal(signal.SIGINT)
                break
        started = psutil.Process(comparing.pid).children(recursive=True)
        said, complaints = comparing.communicate(timeout=60)
    assert comparing.returncode == 130 and "Traceback" not in complaints, complaints
    assert "Stopped before its end" in said and "latency p50" in said
    assert "Stopped before its end" in (shop / "report.html").read_text()
    assert started and not psutil.wait_procs(started, timeout=10)[1]
