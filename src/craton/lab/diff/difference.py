"""What changes when an application moves from one topology to another, for `craton diff`."""

from __future__ import annotations

from craton.application import Application
from craton.lab.diff.calls import calls, events, loops
from craton.lab.diff.change import Change, Comparison, Traffic
from craton.lab.diff.counts import counts, layout
from craton.lab.diff.sagas import reads, transactions
from craton.topology import Topology
from craton.values import Value


class Difference(Value):
    """All that changes, the weightiest first, and what could not be followed in the code."""

    application: str
    before: str
    after: str
    changes: tuple[Change, ...]
    not_followed: tuple[str, ...]


def difference(application: Application, old: Topology, new: Topology, *, traffic: Traffic) -> Difference:
    """What changes between two topologies of an application; `traffic` may be empty. Loads all implementations."""
    found = Comparison.of(application, old, new, traffic=traffic)
    changes = [change for part in (transactions, reads, loops, calls, events, layout, counts) for change in part(found)]
    handed = tuple(f"{what} ({at})" for what, at in found.code.handed_on)
    return Difference(application.name, old.name, new.name, tuple(changes), handed)
