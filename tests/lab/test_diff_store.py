"""What `craton diff` says of the store, to people and to programs, between each two of its topologies."""

from __future__ import annotations

import json
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from craton.application import find_application
from craton.cli import main
from craton.topology import load_topologies, topology_file

STORE = find_application("apps.store")
TOPOLOGIES = load_topologies(STORE, topology_file("apps.store"))


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What the command prints."""
    main(("diff", "apps.store", *arguments))
    return capsys.readouterr().out


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What it says of what cannot be done."""
    with pytest.raises(SystemExit) as exit:
        main(("diff", *arguments))
    said = capsys.readouterr()
    assert exit.value.code == 2 and said.out == "" and len(said.err.splitlines()) == 1
    return said.err


def changes(capsys: pytest.CaptureFixture[str], effect: str, *arguments: str) -> list[dict[str, Any]]:
    """The changes of one kind."""
    found = json.loads(printed(capsys, *arguments, "--json"))
    return [change for change in found["changes"] if change["effect"] == effect]


def test_the_checkout_is_seen_to_part(capsys: pytest.CaptureFixture[str]) -> None:
    told = {c["asking"]: c for c in changes(capsys, "transaction", "monolith", "microservices")}
    checkout = told["orders.checkout"]
    assert checkout["before"].startswith("carts.freeze + place + inventory.reserve | payments.authorize*")
    assert checkout["after"].startswith("carts.freeze | place | inventory.reserve | payments.authorize*")
    reads = changes(capsys, "read", "monolith", "microservices")
    assert ("orders.place", ["catalog.lookup"]) in [(c["asking"], c["asked"]) for c in reads]


def test_a_loop_over_orders_that_ended_is_seen_to_go_over_the_network(capsys: pytest.CaptureFixture[str]) -> None:
    loops = {c["asking"]: c["asked"] for c in changes(capsys, "loop", "monolith", "microservices")}
    assert "payments.void" in loops["orders.expire"] and "orders.checkout" not in loops


@pytest.mark.parametrize(("before", "after"), list(permutations(TOPOLOGIES, 2)))
def test_each_line_of_the_store_stands_where_it_says(
    before: str, after: str, capsys: pytest.CaptureFixture[str],
) -> None:
    found = json.loads(printed(capsys, before, after, "--json"))
    assert found["not_followed"] == [] and found["changes"]
    for change in found["changes"]:
        assert change["before"] != change["after"] and change["known"]
        if change["effect"] in ("call", "read") and change["asking"] != "storefront":  # whose pages are not read
            line = Path(change["file"]).read_text().splitlines()[change["line"] - 1]
            assert change["asked"][0].partition(".")[2] in line
    told = printed(capsys, before, after)
    assert max(map(len, told.splitlines())) < 150
    assert {c["asking"].partition(".")[0] for c in found["changes"] if c["effect"] == "call"} <= {
        module.name for module in STORE.modules
    }


def test_recorded_traffic_stands_beside_what_was_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "traffic.jsonl"
    file.write_text('{"method": "orders.quote", "runs": 4, "calls": {"carts.mine": 4}}\n')
    told = printed(capsys, "monolith", "microservices", "--recorded", str(file)).splitlines()
    (line,) = [line for line in told if "orders.quote -> carts.mine" in line]
    assert line.endswith("found, observed 1 a request")


def test_nothing_changes_between_a_topology_and_itself(capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(capsys, "hybrid", "hybrid") == "store: from hybrid to hybrid\nNothing changes.\n"


def test_what_is_not_there_is_refused_with_what_there_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    known = f"it has {', '.join(TOPOLOGIES)}."
    assert f"store has no topology clouds: {known}" in refused(capsys, "apps.store", "clouds", "monolith")
    assert f"store has no topology clouds: {known}" in refused(capsys, "apps.store", "monolith", "clouds")
    assert "there is no apps.shop.application" in refused(capsys, "apps.shop", "monolith", "clouds")
    missing = str(tmp_path / "none")
    assert "cannot be read" in refused(capsys, "apps.store", "monolith", "hybrid", "--recorded", missing)
