"""`craton new`: what it writes runs, passes its own tests in two topologies, and pleases the type checkers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from craton.errors import DeclarationError, SettingsError
from craton.run.template import files, write


def done(*command: str, folder: Path) -> str:
    """Run a command that must succeed; what it printed."""
    found = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout + found.stderr
    return found.stdout


@pytest.mark.timeout(300)
def test_a_new_application_passes_its_own_tests_and_both_type_checkers(tmp_path: Path) -> None:
    assert "wrote" in write("bakery", tmp_path)
    folder, python = tmp_path / "bakery", sys.executable
    assert "4 passed" in done(python, "-m", "pytest", "-q", "-W", "error", folder=folder)
    assert "no issues found" in done(python, "-m", "mypy", folder=folder)
    assert "0 errors, 0 warnings" in done(python, "-m", "pyright", "--pythonpath", python, folder=folder)
    rules = "E,W,F,I,UP,B,ASYNC,RUF"
    done(python, "-m", "ruff", "check", "--isolated", "--line-length", "120", "--select", rules, ".", folder=folder)
    assert "nothing is wrong" in done(python, "-m", "craton", "check", "bakery", folder=folder)


def test_only_the_package_bears_the_name_and_nothing_is_left_unfilled() -> None:
    for path, text in files("bakery"):
        assert "@name@" not in text and "package" not in path.parts and path.suffix != ".txt"


def test_an_application_is_not_written_over_another(tmp_path: Path) -> None:
    write("bakery", tmp_path)
    with pytest.raises(SettingsError, match="bakery exists: choose another name, or another folder"):
        write("bakery", tmp_path)


@pytest.mark.parametrize("name", ["Bakery", "my-shop", "1st", "", "../up", "a__b"])
def test_a_name_that_no_package_can_bear_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(DeclarationError, match="a name is made of lower-case letters"):
        write(name, tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["json", "class", "msgspec"])
def test_a_name_that_python_has_already_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(SettingsError, match="something that Python already has"):
        write(name, tmp_path)
