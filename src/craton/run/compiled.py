"""Where processes keep compiled Python, so that one that is started again does not compile anew all that it loads."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path


def compiled_in(folder: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """The variables by which Python keeps it in a folder, where it would be kept nowhere: where it is not to be written
    beside the sources (PYTHONDONTWRITEBYTECODE), and the libraries were not compiled when they were installed. To
    compile takes most of the time until a process answers."""
    if not sys.dont_write_bytecode or "PYTHONPYCACHEPREFIX" in environ or is_compiled("sqlalchemy"):
        return {}
    return {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(folder.absolute())}


def is_compiled(package: str) -> bool:
    """Whether somebody has compiled a package."""
    found = find_spec(package)
    return found is not None and found.cached is not None and Path(found.cached).exists()
