"""The mill as an application."""

from __future__ import annotations

from craton import Application, Module
from tests.tasks.mill.contract import Bakery, Mill
from tests.tasks.mill.module import MillSettings
from tests.tasks.mill.tasks import bake, crush, grind, heavy, snap, store

WORK = "tests.tasks.mill.work"
mill = Application("mill", [
    Module(
        "mill", Mill, "tests.tasks.mill.module:Miller", settings=MillSettings,
        tasks={task: f"{WORK}:{task.name}" for task in (grind, crush, snap, heavy, store)},
    ),
    Module("bakery", Bakery, "tests.tasks.mill.module:Baker", tasks={bake: f"{WORK}:bake"}),
])
