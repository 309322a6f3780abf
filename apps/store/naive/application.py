"""The naive store: the same modules, but for two implementations."""

from __future__ import annotations

from dataclasses import replace

from apps.store.application import store as sound
from craton import Application

WORSE = {"orders": "apps.store.naive.desk:NaiveDesk", "payments": "apps.store.naive.cashier:NaiveCashier"}

naive = Application(
    "store", [replace(module, implementation=WORSE.get(module.name, module.implementation)) for module in sound.modules]
)
del sound  # this file holds one application
