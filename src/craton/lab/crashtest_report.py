"""What `craton crashtest` tells: each trial as it ends, and the matrix of failpoints and kinds."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from craton.lab.crashtest import Result
from craton.lab.crashtest_setting import Setting

MARK = re.compile(r"""\breach(?:_soon)?\("(\w+)"\)""")


@cache
def failpoints() -> tuple[str, ...]:
    """The names of all failpoints in the framework's code."""
    files = Path(__file__).parents[1].rglob("*.py")
    own = Path(__file__).parent
    found = {name for file in files if own not in file.parents for name in MARK.findall(file.read_text())}
    found.discard("name")
    return tuple(sorted(found, key=in_order))


def in_order(point: str) -> tuple[str, int]:
    """C10 stands after C9."""
    return point[0], int(point[1:])


def line(result: Result) -> str:
    """One trial."""
    blow = result.blow
    told = f"{blow.kind} at {blow.place.point} of {blow.place.service}, time {blow.nth}"
    return "\n    ".join([f"{told}: {result.verdict} ({result.seconds:.1f} s)", *result.findings])


def matrix(setting: Setting, results: Sequence[Result]) -> str:
    """Failpoints and kinds, as a table."""
    found = {(result.blow.place.point, result.blow.kind): result.verdict for result in results}
    reached = {point for point, _ in found}
    lines = ["".join(f"{cell:14}" for cell in ("", *setting.kinds))]
    for point in failpoints():
        missing = "" if point in reached or setting.sample else "not reached"
        cells = (point, *(found.get((point, kind), missing) for kind in setting.kinds))
        lines.append("".join(f"{cell:14}" for cell in cells))
    return "\n".join(line.rstrip() for line in lines)


def summary(setting: Setting, results: Sequence[Result]) -> str:
    """A heading for the matrix."""
    counted = Counter(result.verdict for result in results)
    told = ", ".join(f"{number} {verdict}" for verdict, number in sorted(counted.items()))
    return f"{setting}, seed {setting.seed}: {told or 'nothing was tried'}"


def as_data(setting: Setting, results: Sequence[Result]) -> Mapping[str, Any]:
    """The same, for programs."""
    return {
        "topology": setting.topology, "store": "postgresql" if setting.database else "sqlite",
        "broker": bool(setting.broker), "seed": setting.seed,
        "trials": [
            {
                "point": r.blow.place.point, "service": r.blow.place.service, "time": r.blow.nth, "kind": r.blow.kind,
                "verdict": r.verdict, "findings": r.findings, "seconds": round(r.seconds, 1),
            }
            for r in results
        ],
    }
