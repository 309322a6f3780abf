"""What people see of several processes at once: their lines, each under the name of its process."""

from __future__ import annotations

import os
import sys
from typing import TextIO

COLOURS = (36, 33, 32, 35, 34, 96, 93, 92, 95, 94)


class Printer:
    """Prints lines as `name | line`, coloured where a person looks on."""

    def __init__(self, out: TextIO | None = None, *, width: int = 0) -> None:
        self.out, self.width = out or sys.stdout, width
        self.coloured = self.out.isatty() and not os.environ.get("NO_COLOR")
        self.colours: dict[str, int] = {}

    def __call__(self, name: str, line: str) -> None:
        """Print one line, bare where there is no name; a process that puts its own before it needs no second one."""
        line = line.removeprefix(f"{name.partition('.')[0]} | ")
        print(f"{self.painted(name)} {line}" if name else line, file=self.out, flush=True)

    def painted(self, name: str) -> str:
        """The name, in the colour that it was given when it came first."""
        colour = self.colours.setdefault(name, COLOURS[len(self.colours) % len(COLOURS)])
        text = f"{name:<{self.width}} |"
        return f"\x1b[{colour}m{text}\x1b[0m" if self.coloured else text
