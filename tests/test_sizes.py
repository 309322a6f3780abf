"""Functions stay under 40 lines, files under 500; the core, jobs and extras each under a size of their own."""

from __future__ import annotations

import ast
import tokenize as tokens
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from statistics import median, quantiles
from tokenize import tokenize

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("src", "apps", "bench", "tests")
NOT_CORE = {"dashboard", "lab", "export"}
EXTRAS = (
    "blobs.py", "calls/links/grpc", "calls/links/rest", "edge/grpc.py", "edge/peers.py", "messages/brokers",
    "run/certs.py", "run/doctor.py", "run/doctors", "run/foreign.py", "run/gateway", "tasks/client.py",
    "tasks/doorbells", "whole_files.py",
)
"""What is loaded only where it is asked for, most of it with an extra of the package."""
JOBS = (
    "data/job_table.py", "pools.py", "run/jobs.py", "run/watching.py", "run/worker.py", "run/workers.py",
    "sagas/jobs.py", "sagas/tasks.py", "schedule.py", "task.py", "task_checking.py", "tasks", "testing/pools.py",
)
"""What an application without tasks does not use."""
MOST = {"core": 14_400, "jobs": 3_400, "extras": 4_000}
"""Lines of code."""
EMPTY = {tokens.COMMENT, tokens.NL, tokens.NEWLINE, tokens.ENCODING, tokens.INDENT, tokens.DEDENT, tokens.ENDMARKER}


def files(*folders: str) -> list[Path]:
    """The Python files under these folders."""
    return sorted(file for folder in folders for file in (ROOT / folder).rglob("*.py"))


def lines(file: Path) -> int:
    """The length of a file, blank lines included."""
    return len(file.read_text().splitlines())


def functions(file: Path) -> Iterator[tuple[str, int]]:
    """Where each function stands, and its length from `def` to its last line."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            last = node.end_lineno or node.lineno
            yield f"{file.relative_to(ROOT)}:{node.lineno} {node.name}", last - node.lineno + 1


def summary(sizes: list[int]) -> str:
    """The figures that style is about, in one line."""
    percentile = quantiles(sizes, n=100)[98] if len(sizes) > 1 else max(sizes, default=0)
    middle = median(sizes or [0])
    return f"{len(sizes)}, median {middle:.0f} lines, 99th percentile {percentile:.0f}, largest {max(sizes, default=0)}"


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_function_is_longer_than_40_lines(folder: str, capsys: pytest.CaptureFixture[str]) -> None:
    sizes = dict(found for file in files(folder) for found in functions(file))
    with capsys.disabled():
        print(f"\n  functions in {folder}: {summary(list(sizes.values()))}")
    assert not {place: size for place, size in sizes.items() if size > 40}


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_file_is_longer_than_500_lines(folder: str, capsys: pytest.CaptureFixture[str]) -> None:
    sizes = {str(file.relative_to(ROOT)): lines(file) for file in files(folder)}
    with capsys.disabled():
        print(f"\n  files in {folder}: {summary(list(sizes.values()))}")
    assert not {place: size for place, size in sizes.items() if size > 500}


def code(file: Path) -> int:
    """The lines of a file that hold code: no blank ones, comments and docstrings."""
    text = file.read_bytes()
    held = {
        line for token in tokenize(BytesIO(text).readline) if token.type not in EMPTY
        for line in range(token.start[0], token.end[0] + 1)
    }
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            held -= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return len(held)


def group(file: Path) -> str:
    """The group that a file of the package belongs to."""
    place = ROOT / "src/craton"
    for name, parts in (("extras", EXTRAS), ("jobs", JOBS)):
        if any(file.is_relative_to(place / part) for part in parts):
            return name
    return "core"


def test_the_core_jobs_and_extras_keep_to_their_sizes(capsys: pytest.CaptureFixture[str]) -> None:
    package = [file for file in files("src/craton") if file.relative_to(ROOT / "src/craton").parts[0] not in NOT_CORE]
    sizes = dict.fromkeys(MOST, 0)
    for file in package:
        sizes[group(file)] += code(file)
    with capsys.disabled():
        print("".join(f"\n  {name}: {size} lines of code" for name, size in sizes.items()))
    assert not {name: size for name, size in sizes.items() if size > MOST[name]}
