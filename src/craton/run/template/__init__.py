"""`craton new`: a small application to start from. Its files stand in `files`; in them, @name@ is the package's."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from keyword import iskeyword
from pathlib import Path

from craton.checking import check_name
from craton.errors import SettingsError

FILES = Path(__file__).with_name("files")


def write(name: str, folder: Path) -> str:
    """Write the application into a new folder of its name, and tell what to do next."""
    check_name(name, "application")
    target = folder / name
    if target.exists():
        raise SettingsError(f"{target} exists: choose another name, or another folder.")
    if iskeyword(name) or find_spec(name) is not None:
        raise SettingsError(f"{name} is the name of something that Python already has: choose another.")
    for path, text in files(name):
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        (target / path).write_text(text)
    return f"wrote {target}: its README says what to do next; `cd {name} && craton run {name}` runs it"


def files(name: str) -> Iterator[tuple[Path, str]]:
    """Where each file goes, and what it holds."""
    for file in sorted(FILES.rglob("*.txt")):  # .txt, so that no tool takes them for code of the framework
        path = file.relative_to(FILES).with_suffix("")
        parts = [name if part == "package" else part for part in path.parts]
        yield Path(*parts), file.read_text().replace("@name@", name)
