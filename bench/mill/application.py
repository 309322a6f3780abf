"""One module with two tasks."""

from __future__ import annotations

from bench.mill.contract import Mill
from bench.mill.tasks import grind, weigh
from craton import Application, Module

mill = Application("mill", [
    Module(
        "mill", Mill, "bench.mill.module:Miller", tables="bench.mill.module:metadata",
        tasks={grind: "bench.mill.work:grind_grain", weigh: "bench.mill.work:weigh_grain"},
    ),
])
