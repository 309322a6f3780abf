"""One module with one table and two routes: the smallest service that is of use."""

from __future__ import annotations

from bench.single.contract import Sales
from craton import Application, Module

single = Application("single", [
    Module("sales", Sales, "bench.single.module:Desk", tables="bench.single.tables:metadata"),
])
