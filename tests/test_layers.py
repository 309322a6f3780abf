"""A file of the framework imports only from its own group, or from groups above it in this list."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

SOURCES = Path(__file__).parents[1] / "src" / "craton"
GROUPS = [
    {"errors", "values", "contract", "module", "describe", "application", "topology", "settings", "sources"},
    {"calls"},
    {"data"},
    {"messages"},
    {"sagas"},
    {"tasks"},
    {"edge"},
    {"telemetry"},
    {"run"},
    {"dashboard", "lab", "export"},
    {"testing"},
    {"cli", "__main__"},
]
LAYER = {name: layer for layer, group in enumerate(GROUPS) for name in group}
PUBLIC_PAGE = SOURCES / "__init__.py"  # names what applications import, of every layer


def imports(file: Path) -> Iterator[str]:
    """The modules of craton that a file imports, anywhere in it: "craton.calls.link"."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] == "craton")
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}:{node.lineno}: write imports in full: from craton..."
            if node.module == "craton":
                yield from (f"craton.{alias.name}" for alias in node.names)
            elif node.module is not None and node.module.startswith("craton."):
                yield node.module


def test_no_file_imports_from_a_later_layer() -> None:
    wrong = []
    for file in sorted(set(SOURCES.rglob("*.py")) - {PUBLIC_PAGE}):
        own = file.relative_to(SOURCES).parts[0].removesuffix(".py")
        assert own in LAYER, f"{file}: {own} belongs to no layer: give it its place in GROUPS"
        for imported in imports(file):
            group = imported.split(".")[1]
            if LAYER.get(group, len(GROUPS)) > LAYER[own]:
                wrong.append(f"{file.relative_to(SOURCES)} ({own}) imports {imported}, which is below it")
    assert not wrong, "\n".join(wrong)
