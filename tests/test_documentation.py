"""The examples in README.md and docs/ run, page by page, in a copy of the applications; what they name exists.

A ```python block is executed, in order, in one namespace per page; one whose first line is `# path/file.py` is written
to that file instead, and so is a ```toml block. A ```diff block is applied. In a ```console block each line after `$ `
is a command, and the lines below it, but for `…`, must be in what it prints; it must succeed, or exit with what a line
`[2]` says. `$ cd folder` holds for the rest of the page. The command of a block marked `stays` is left running, as in
another terminal, until the next such block. A block marked `illustration` is only read. 8000 and 50051 stand for
free ports. The database server that a page names is the tests' own.
"""

from __future__ import annotations

import ast
import inspect
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import CodeType
from typing import Any

import pytest

from craton.run.folder import free_port

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```(python|toml|console|diff)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"# ([\w/.-]+\.(?:py|toml))\s*\n")
STATUS = re.compile(r"\[(\d+)\]")
TEST = re.compile(r"\b(tests/[\w/]+\.py)::([\w:]+)")
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)")
PORT, GRPC_PORT = "8000", "50051"
SERVER = "postgresql://me:secret@localhost:5432"
PATIENCE = 60


class Terminal:
    """Where someone follows a page: the folder that they are in, and what they left running."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.log = folder, folder / "stays.log"
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self.environ = {**os.environ, "PATH": path, "NO_COLOR": "1"}
        self.running: subprocess.Popen[bytes] | None = None

    def console(self, text: str, *, stays: bool) -> None:
        """Run the commands of a console block."""
        for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
            command, *shown = part.replace("\\\n", "").rstrip().splitlines()
            if command.startswith("cd "):
                self.folder /= command.removeprefix("cd ")
            elif stays:
                self.leave_running(command, shown)
            else:
                self.run(command, shown)

    def run(self, command: str, shown: list[str]) -> None:
        """Run one command, and look for what the page shows in what it prints."""
        done = subprocess.run(
            command, shell=True, cwd=self.folder, env=self.environ, timeout=PATIENCE, check=False,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        status = [found[1] for line in shown if (found := STATUS.fullmatch(line))]
        assert [str(done.returncode)] == (status or ["0"]), f"$ {command}\n[{done.returncode}]\n{done.stdout}"
        lacking = missing(shown, done.stdout)
        assert not lacking, f"$ {command}\nshows {lacking}, and printed:\n{done.stdout}"

    def leave_running(self, command: str, shown: list[str]) -> None:
        """Start a command, and wait until it has printed what the page shows."""
        self.stop()
        with self.log.open("wb") as log:
            self.running = subprocess.Popen(
                command, shell=True, cwd=self.folder, env=self.environ, stdout=log, stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        started = time.monotonic()
        while missing(shown, self.log.read_text()):
            late = time.monotonic() - started > PATIENCE
            assert self.running.poll() is None and not late, f"$ {command}\n{self.log.read_text()}"
            time.sleep(0.1)

    def stop(self) -> None:
        """Ctrl-C in the other terminal."""
        if self.running is not None:
            os.killpg(self.running.pid, signal.SIGINT)
            self.running.wait(PATIENCE)
            self.running = None

    def apply(self, text: str) -> None:
        """Change files as a diff says; its line numbers do not matter."""
        command = ["git", "apply", "--recount", "-p0", "-"]
        done = subprocess.run(command, cwd=self.folder, input=text, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{done.stderr}\n{text}"

    def write(self, name: str, text: str) -> None:
        """Write a file."""
        (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / name).write_text(text)


def missing(shown: list[str], printed: str) -> list[str]:
    """The lines of a page that are not in what was printed."""
    lines = [line.strip() for line in shown if line.strip() and not STATUS.fullmatch(line)]
    return [n for n in lines if not re.search(".*".join(re.escape(part.strip()) for part in n.split("…")), printed)]


def blocks(page: Path) -> list[tuple[str, str, str]]:
    """The blocks of a page that are to be followed: language, marks, text."""
    found = BLOCK.findall(page.read_text())
    return [(language, marks, text) for language, marks, text in found if "illustration" not in marks]


def compiled(text: str, page: Path) -> CodeType:
    """A block as code that may use `await` at its top level."""
    code: CodeType = compile(text, str(page), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    return code


async def execute(text: str, page: Path, *, namespace: dict[str, Any]) -> None:
    """Run a block of Python."""
    running = eval(compiled(text, page), namespace)
    if inspect.isawaitable(running):
        await running


async def follow(page: Path, terminal: Terminal, *, instead: Mapping[str, str]) -> None:
    """Do what a page says, with other servers than it names."""
    namespace: dict[str, Any] = {"__name__": page.stem}
    for language, marks, written in blocks(page):
        text = re.sub("|".join(instead), lambda found: instead[found[0]], written)
        if language == "console":
            terminal.console(text, stays="stays" in marks)
        elif language == "diff":
            terminal.apply(text)
        elif (named := FILE.match(text)) is not None:
            terminal.write(named[1], text)
        elif language == "python":
            await execute(text, page, namespace=namespace)


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    """Where a page's examples run: a copy of the applications, first on the path."""
    shutil.copytree(ROOT / "apps", tmp_path / "apps", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    terminal, known = Terminal(tmp_path), set(sys.modules)
    yield terminal
    terminal.stop()
    for name in sys.modules.keys() - known:  # what a page imported is forgotten with it
        if str(tmp_path) in repr(sys.modules[name]):
            del sys.modules[name]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
async def test_the_examples_of_a_page_run(page: Path, terminal: Terminal, postgresql: str) -> None:
    await follow(page, terminal, instead={PORT: str(free_port()), GRPC_PORT: str(free_port()), SERVER: postgresql})


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_test_and_every_file_that_a_page_names_exists(page: Path) -> None:
    text = page.read_text()
    wrong = [f"{file}::{name}" for file, name in TEST.findall(text) if name not in named_in(ROOT / file)]
    wrong += [link for link in LINK.findall(text) if not (page.parent / link).exists()]
    assert not wrong, f"{page.name} names what does not exist: {', '.join(wrong)}"


def named_in(file: Path) -> set[str]:
    """The tests of a file, as `test_name` and as `Class::test_name`."""
    if not file.exists():
        return set()
    body = ast.parse(file.read_text()).body
    inside = {f"{c.name}::{f.name}" for c in body if isinstance(c, ast.ClassDef) for f in functions(c.body)}
    return inside | {f.name for f in functions(body)}


def functions(body: list[ast.stmt]) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """The tests among some statements."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            yield node
