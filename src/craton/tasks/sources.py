"""Where a worker's jobs come from."""

from __future__ import annotations

from dataclasses import dataclass

from craton.tasks.control import Control


@dataclass(frozen=True, slots=True)
class Source:
    """A control, and the modules that it answers for."""

    control: Control
    modules: tuple[str, ...]
