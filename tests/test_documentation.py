"""The examples in README.md and docs/ run, page by page, in a copy of the project's applications.

A ```python block is executed, in order, in one namespace per page; one whose first line is `# path/file.py` is written
to that file instead, and so is a ```toml block. In a ```console block each line after `$ ` is a command that must
succeed, and the lines below it, but for `…`, must be in what it prints. A block marked `illustration` is only read.
"""

from __future__ import annotations

import ast
import inspect
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import CodeType
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```(python|toml|console)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"# ([\w/.-]+\.(?:py|toml))\s*\n")


def compiled(text: str, page: Path) -> CodeType:
    """A block as code that may use `await` at its top level."""
    code: CodeType = compile(text, str(page), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    return code


async def execute(text: str, page: Path, *, namespace: dict[str, Any]) -> None:
    """Run a block of Python."""
    running = eval(compiled(text, page), namespace)
    if inspect.isawaitable(running):
        await running


def command(text: str, shown: list[str], *, folder: Path) -> None:
    """Run one command, and look for what the page shows in what it prints."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        text, shell=True, cwd=folder, env={**os.environ, "PATH": path}, timeout=60, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )
    assert done.returncode == 0, f"$ {text}\n{done.stdout}"
    for line in shown:
        expected = ".*".join(re.escape(part.strip()) for part in line.split("…"))
        assert re.search(expected, done.stdout), f"$ {text}\nshows {line!r}, and printed:\n{done.stdout}"


def console(text: str, *, folder: Path) -> None:
    """Run the commands of a console block."""
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        first, *shown = part.rstrip().splitlines()
        command(first, [line for line in shown if line.strip()], folder=folder)


def blocks(page: Path) -> list[tuple[str, str]]:
    """The blocks of a page that are to run: language and text."""
    found = BLOCK.findall(page.read_text())
    return [(language, text) for language, marks, text in found if "illustration" not in marks]


async def run(page: Path, *, folder: Path) -> None:
    """Run the blocks of one page."""
    namespace: dict[str, Any] = {"__name__": page.stem}
    for language, text in blocks(page):
        if language == "console":
            console(text, folder=folder)
        elif (named := FILE.match(text)) is not None:
            (folder / named[1]).parent.mkdir(parents=True, exist_ok=True)
            (folder / named[1]).write_text(text)
        elif language == "python":
            await execute(text, page, namespace=namespace)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a page's examples run: a copy of the applications, first on the path."""
    shutil.copytree(ROOT / "apps", tmp_path / "apps", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
async def test_the_examples_of_a_page_run(page: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "modules", dict(sys.modules))  # what a page imports is forgotten with it
    await run(page, folder=folder)
