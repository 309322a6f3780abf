"""The application, as a value: tasks of which nothing but their workers is used."""

from __future__ import annotations

from craton import Application, Module
from tests.workers.kit import tasks
from tests.workers.kit.contract import Kit

kit = Application("kit", [
    Module(
        "kit", Kit, "tests.workers.kit.module:Desk", tables="tests.workers.kit.module:metadata",
        tasks={task: f"tests.workers.kit.work:{task.name}_" for task in tasks.ALL},
    ),
])
