"""Functions stay under 40 lines, files under 500, and the core under 8,000."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from statistics import median, quantiles

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("src", "apps", "bench", "tests")
NOT_CORE = {"dashboard", "lab", "export"}


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


def test_the_core_is_under_8000_lines(capsys: pytest.CaptureFixture[str]) -> None:
    core = [file for file in files("src/craton") if file.relative_to(ROOT / "src/craton").parts[0] not in NOT_CORE]
    total = sum(lines(file) for file in core)
    with capsys.disabled():
        print(f"\n  core: {total} lines in {len(core)} files")
    assert total < 8000
