"""A file of the framework imports only from its own group, or from groups above it in this list."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

SOURCES = Path(__file__).parents[1] / "src" / "craton"
GROUPS = [
    {"application"},  # all files that stand beside `application`: what an application is, as values, without I/O
    {"calls"},
    {"data"},
    {"messages"},
    {"sagas"},
    {"tasks"},
    {"edge"},
    {"telemetry"},
    {"run"},
    {"testing"},
    {"dashboard", "lab", "export"},  # the lab runs applications as tests do
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


def layer_of(group: str) -> int:
    """Where a folder, or a file beside the folders, stands in GROUPS."""
    if (SOURCES / group).is_dir():
        assert group in LAYER, f"the folder {group} belongs to no layer: give it its place in GROUPS"
    return LAYER.get(group, 0)


def test_no_file_imports_from_a_later_layer() -> None:
    wrong = []
    for file in sorted(set(SOURCES.rglob("*.py")) - {PUBLIC_PAGE}):
        own = file.relative_to(SOURCES).parts[0].removesuffix(".py")
        for imported in imports(file):
            if layer_of(imported.split(".")[1]) > layer_of(own):
                wrong.append(f"{file.relative_to(SOURCES)} imports {imported}, which is in a later layer")
    assert not wrong, "\n".join(wrong)
