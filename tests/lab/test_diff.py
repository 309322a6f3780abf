"""What a change of topology changes: each kind of line appears where it must, and nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest

from craton.lab.diff.change import Change
from craton.lab.diff.difference import Difference, difference
from craton.lab.diff.text import text
from craton.topology import Service, Topology
from tests.lab.town import town

EVERYTHING = ("desk", "stock", "till", "quiet", "mail")
MONOLITH = Topology("monolith", (Service("town", EVERYTHING),))
APART = Topology("apart", tuple(Service(name, (name,)) for name in EVERYTHING))
HALVES = Topology("halves", (Service("front", ("desk", "stock")), Service("back", ("till", "quiet", "mail"))))
TWICE = Topology("twice", (Service("front", ("desk", "stock"), 2), Service("back", ("till", "quiet", "mail"))))
SOURCE = (Path(__file__).parent / "town.py").read_text().splitlines()


def between(old: Topology, new: Topology, traffic: dict[tuple[str, str], float] | None = None) -> Difference:
    """What changes."""
    return difference(town, old, new, traffic=traffic or {})


def of(effect: str, found: Difference) -> list[Change]:
    """The changes of one kind."""
    return [change for change in found.changes if change.effect == effect]


def pairs(changes: list[Change]) -> set[tuple[str, str]]:
    """Who asks whom."""
    return {(change.asking.removeprefix("desk."), asked) for change in changes for asked in change.asked}


CALLS = {
    ("price", "stock.one"), ("prices", "stock.one"), ("side_by_side", "stock.one"), ("rates", "till.rate"),
    ("insisting", "stock.one"), ("at_once", "stock.many"), ("through_a_name", "stock.one"), ("buy", "stock.one"),
    ("through_a_name", "till.rate"), ("by_a_function", "stock.one"),
    ("sell", "stock.take"), ("sell", "stock.give"), ("sell", "till.pay"), ("swap", "stock.take"), ("swap", "stock.one"),
    ("keep", "till.pay"), ("later", "stock.take"), ("together", "stock.take"), ("each", "stock.take"),
    ("each", "stock.give"), ("checked", "till.rate"),
}


def test_calls_that_become_remote_are_found_in_the_code_with_their_kinds_and_places() -> None:
    changes = [change for change in of("call", between(MONOLITH, APART)) if "found" in change.known]
    assert pairs(changes) == CALLS
    for change in changes:
        assert (change.before, change.after) == ("local", "rpc") and change.file == "tests/lab/town.py"
        method = change.asked[0].partition(".")[2]
        assert f".{method}" in SOURCE[change.line - 1]
    kinds = {change.asked[0]: change.kind for change in changes}
    assert kinds == {
        "stock.one": "query", "stock.many": "query", "stock.take": "command", "stock.give": "command",
        "till.rate": "query", "till.pay": "effect",
    }


def test_calls_become_local_the_other_way_round() -> None:
    changes = [change for change in of("call", between(APART, MONOLITH)) if "found" in change.known]
    assert pairs(changes) == CALLS and {(change.before, change.after) for change in changes} == {("rpc", "local")}


def test_calls_that_stay_where_they_are_are_not_told() -> None:
    asked = {asked.partition(".")[0] for _, asked in pairs(of("call", between(MONOLITH, HALVES)))}
    assert asked == {"till", "quiet"}
    assert not between(MONOLITH, MONOLITH).changes and not between(APART, APART).changes


def test_a_need_whose_calls_are_not_found_is_told_as_declared() -> None:
    declared = [change for change in of("call", between(MONOLITH, APART)) if change.known == ("declared",)]
    assert pairs(declared) == {("desk", "quiet")}


def test_a_module_that_is_handed_on_is_said_to_be_not_followed() -> None:
    (told,) = between(MONOLITH, APART).not_followed
    place = next(n for n, line in enumerate(SOURCE, 1) if "ask(self.goods, sku)" in line)
    assert told == f"desk hands on stock (tests/lab/town.py:{place})"


def test_loops_that_make_remote_calls_are_found_and_others_are_not() -> None:
    loops = of("loop", between(MONOLITH, APART))
    assert pairs(loops) == {
        ("prices", "stock.one"), ("side_by_side", "stock.one"), ("rates", "till.rate"), ("insisting", "stock.one"),
        ("by_a_function", "stock.one"), ("each", "stock.take"),
    }
    assert {change.asking: change.hint for change in loops} == {
        "desk.prices": "stock.many takes many at once", "desk.side_by_side": "stock.many takes many at once",
        "desk.insisting": "stock.many takes many at once", "desk.by_a_function": "stock.many takes many at once",
        "desk.rates": "let a query of till take many at once",
        "desk.each": "each item waits for the network in turn",
    }
    assert pairs(of("loop", between(MONOLITH, HALVES))) == {("rates", "till.rate")}
    assert {change.after for change in of("loop", between(APART, MONOLITH))} == {"local"}


def test_sagas_are_told_whose_steps_commit_otherwise_and_how() -> None:
    told = {c.asking: (c.before, c.after) for c in of("transaction", between(MONOLITH, APART))}
    assert told == {
        "desk.sell": ("stock.take + note | till.pay* | note?", "stock.take | note | till.pay* | note?"),
        "desk.swap": ("stock.take + stock.one + checked", "stock.take | stock.one | checked"),
        "desk.together": ("note + stock.take + note", "note + note | stock.take"),
        "desk.each": ("stock.take? + …", "stock.take? | …"),
    }
    back = {c.asking: (c.before, c.after) for c in of("transaction", between(APART, MONOLITH))}
    assert back == {name: (after, before) for name, (before, after) in told.items()}
    assert not of("transaction", between(MONOLITH, HALVES))


def test_reads_are_told_that_leave_or_join_the_transaction_of_a_saga() -> None:
    assert pairs(of("read", between(MONOLITH, APART))) == {("swap", "stock.one"), ("checked", "till.rate")}
    assert pairs(of("read", between(MONOLITH, HALVES))) == {("checked", "till.rate")}
    assert {change.after for change in of("read", between(MONOLITH, APART))} == {"outside"}
    assert {change.after for change in of("read", between(APART, MONOLITH))} == {"inside"}


def test_events_are_told_whose_delivery_crosses_services() -> None:
    (told,) = of("event", between(MONOLITH, HALVES))
    place = next(n for n, line in enumerate(SOURCE, 1) if "publish(Sold(" in line)
    assert (told.asking, told.asked, told.kind, told.line) == ("desk.buy", ("mail.tell",), "Sold", place)
    assert (told.before, told.after, told.known) == ("local", "rpc", ("declared", "found"))
    assert not of("event", between(HALVES, APART))
    assert of("event", between(APART, MONOLITH))[0].after == "local"


def test_databases_are_told_that_part_or_join() -> None:
    (told,) = of("database", between(MONOLITH, HALVES))
    assert (told.asking, told.after) == ("town", "desk, stock | till, quiet, mail")
    assert {c.asking: c.before for c in of("database", between(APART, HALVES))} == {
        "front": "desk | stock", "back": "till | quiet | mail",
    }
    assert not of("database", between(HALVES, TWICE))


def test_processes_databases_and_connections_are_counted() -> None:
    def counted(old: Topology, new: Topology) -> dict[str, tuple[str, str]]:
        return {change.asking: (change.before, change.after) for change in of("count", between(old, new))}

    # desk asks the other three, and sends events to mail; the gateway asks all five
    assert counted(MONOLITH, APART) == {"processes": ("1", "6"), "databases": ("1", "5"), "connections": ("0", "9")}
    assert counted(MONOLITH, HALVES) == {"processes": ("1", "3"), "databases": ("1", "2"), "connections": ("0", "3")}
    assert counted(HALVES, TWICE) == {
        "processes": ("3", "4"), "connections": ("3", "5"),
        "processes of desk": ("1", "2"), "processes of stock": ("1", "2"),
    }


def test_traffic_says_how_often_what_was_found_is_called() -> None:
    found = between(MONOLITH, APART, {("desk.price", "stock.one"): 1.0, ("desk.prices", "stock.one"): 12.5})
    calls = {change.asking: change for change in of("call", found) if change.asked == ("stock.one",)}
    assert (calls["desk.price"].known, calls["desk.price"].calls) == (("found", "observed"), 1.0)
    assert (calls["desk.buy"].known, calls["desk.buy"].calls) == (("found",), None)
    loops = {change.asking: change.calls for change in of("loop", found)}
    assert loops["desk.prices"] == 12.5 and loops["desk.side_by_side"] is None and "desk.price" not in loops


def test_traffic_shows_what_is_not_found_in_the_code() -> None:
    found = between(MONOLITH, APART, {("desk.handed_on", "stock.one"): 3.0, ("desk.gone", "stock.one"): 9.0})
    calls = [change for change in of("call", found) if "found" not in change.known and change.calls]
    assert [(c.asking, c.asked, c.known, c.calls) for c in calls] == [
        ("desk.handed_on", ("stock.one",), ("observed",), 3.0),
    ]
    loops = [change for change in of("loop", found) if change.known == ("observed",)]
    assert [(c.asking, c.calls, c.hint) for c in loops] == [("desk.handed_on", 3.0, "stock.many takes many at once")]


def test_what_is_observed_as_often_as_it_is_written_is_no_loop() -> None:
    traffic = {("desk.price", "stock.one"): 1.0, ("desk.sell", "stock.take"): 1.0}
    assert not [change for change in of("loop", between(MONOLITH, APART, traffic)) if "observed" in change.known]
    assert [change.asking for change in of("loop", between(MONOLITH, APART, {("desk.buy", "stock.one"): 1.1}))
            if change.known == ("observed",)] == ["desk.buy"]


def test_people_read_the_weightiest_first_with_places_and_how_each_line_is_known() -> None:
    told = text(between(MONOLITH, APART, {("desk.price", "stock.one"): 2.0})).splitlines()
    assert told[:2] == [
        "town: from monolith to apart",
        "processes 1 -> 6 with the gateway, databases 1 -> 5, connections 0 -> 9 (declared)",
    ]
    heads = [line.partition(" ")[0] for line in told if line and not line.startswith(" ") and line[0].isupper()]
    assert heads == ["Sagas", "Reads", "Loops", "Calls", "Events", "Databases.", "Not"]
    lines = [" ".join(line.split()) for line in told]
    assert "desk.swap one transaction -> 3 parts tests/lab/town.py:" in " ".join(lines)
    assert any(line.startswith("desk.price -> stock.one query tests/lab") and "found, observed 2 a request" in line
               for line in lines)
    assert max(map(len, told)) < 160


@pytest.mark.parametrize("new", [APART, HALVES, TWICE, MONOLITH])
@pytest.mark.parametrize("old", [APART, HALVES, TWICE, MONOLITH])
def test_what_changes_there_changes_back(old: Topology, new: Topology) -> None:
    there, back = between(old, new), between(new, old)

    def facts(found: Difference, *, turned: bool) -> set[tuple[object, ...]]:
        return {
            (c.effect, c.asking, c.asked, *((c.after, c.before) if turned else (c.before, c.after)), c.line)
            for c in found.changes
        }

    assert facts(there, turned=False) == facts(back, turned=True)
