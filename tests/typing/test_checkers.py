"""mypy --strict and pyright accept what is right, and find what is wrong, line by line."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
IGNORED = "  # type: ignore"
Check = Callable[[Path], set[int]]


def run(*command: str) -> str:
    """What a checker prints; it exits with 1 where it found errors."""
    done = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return done.stdout


def mypy(program: Path) -> set[int]:
    """The lines in which mypy finds errors."""
    output = run("mypy", "--strict", "--no-error-summary", "--no-incremental", "--no-pretty", str(program))
    found = [line.split(":") for line in output.splitlines() if ": error:" in line]
    assert all(Path(file).name == program.name for file, *_ in found), output
    return {int(line) for _, line, *_ in found}


def pyright(program: Path) -> set[int]:
    """The lines in which pyright finds errors."""
    found = json.loads(run("pyright", "--outputjson", str(program)))
    assert found["summary"]["filesAnalyzed"] == 1, found
    return {each["range"]["start"]["line"] + 1 for each in found["generalDiagnostics"]}


@pytest.mark.parametrize("check", [mypy, pyright])
def test_an_application_as_people_write_it_passes(check: Check) -> None:
    assert check(HERE / "accepted.py") == set()


@pytest.mark.parametrize("check", [mypy, pyright])
def test_every_wrong_line_is_found_and_no_other(check: Check, tmp_path: Path) -> None:
    lines = (HERE / "refused.py").read_text().splitlines()
    wrong = {number for number, line in enumerate(lines, start=1) if line.endswith(IGNORED)}
    program = tmp_path / "wrong.py"
    program.write_text("\n".join(line.removesuffix(IGNORED) for line in lines) + "\n")
    assert wrong
    assert check(program) == wrong
