"""Workers in Java compile themselves when they are first started; tests wait for that before they begin."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence


def compile_worker(command: Sequence[str]) -> None:
    """Start it once without its settings, for which it asks."""
    bare = {name: value for name, value in os.environ.items() if not name.startswith("CRATON_")}
    done = subprocess.run(command, env=bare, capture_output=True, text=True, check=False)
    assert "CRATON_CONTROLLERS is not set" in done.stderr, done.stderr
