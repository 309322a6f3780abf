"""The command: quick, clear about what is wrong, and non-zero where it fails."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

from craton.cli import main
from craton.cli_arguments import JOB_STATES, STATUSES
from craton.messages.letters import Letter
from craton.task import State


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What is said of a command that cannot be carried out."""
    with pytest.raises(SystemExit) as exit:
        main(arguments)
    said = capsys.readouterr()
    assert exit.value.code == 2 and said.out == "" and "Traceback" not in said.err
    return said.err


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What a command prints."""
    main(arguments)
    return capsys.readouterr().out


def test_help_names_every_command_and_imports_no_database() -> None:
    command = [sys.executable, "-m", "craton", "--help"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    for name in ("run", "serve", "inspect", "check", "migrate", "new", "version"):
        assert f"\n    {name} " in shown
    assert "sqlalchemy" not in imported_by_help()


def imported_by_help() -> str:
    """What asking for help imports."""
    command = [sys.executable, "-X", "importtime", "-m", "craton", "--help"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stderr


def test_no_command_is_refused_with_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert "required: COMMAND" in refused(capsys)
    assert "invalid choice: 'walk'" in refused(capsys, "walk")
    assert "--port" in refused(capsys, "run", "shop", "--port", "many")


@pytest.mark.usefixtures("shop")
def test_an_application_that_is_not_there_is_refused_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("run", "inspect", "check", "migrate"):
        said = refused(capsys, command, "apps.shop")
        assert said.startswith("craton: there is no apps.shop.application") and len(said.splitlines()) == 1


@pytest.mark.usefixtures("shop")
def test_a_topology_that_is_not_there_is_refused_with_those_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert "shop has no topology cloud: it has monolith, microservices." in refused(
        capsys, "run", "shop", "--topology", "cloud"
    )


def test_a_mistake_in_a_file_of_the_application_is_told_with_its_place(
    shop: Path, capsys: pytest.CaptureFixture[str],
) -> None:
    contract = shop / "shop" / "orders" / "contract.py"
    contract.write_text("import nowhere\n" + contract.read_text().replace("from __future__ import annotations", ""))
    said = refused(capsys, "check", "shop")
    assert f"craton: the application cannot be imported: {contract}:1: ModuleNotFoundError: No module" in said
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize(("mistake", "error"), [
    ("import nowhere", "ModuleNotFoundError: No module named 'nowhere'"),
    ("def f(:", "SyntaxError: invalid syntax"),
    ("nowhere", "NameError: name 'nowhere' is not defined"),
    ("class A(__import__('craton').Event, keys='id'): ...", "TypeError: 'keys' is an invalid keyword argument"),
])
def test_whatever_breaks_while_it_is_imported_is_told_with_its_place(
    shop: Path, capsys: pytest.CaptureFixture[str], mistake: str, error: str,
) -> None:
    module = shop / "shop" / "orders" / "module.py"
    text = module.read_text()
    module.write_text(f"{text}\n{mistake}\n")
    said = refused(capsys, "check", "shop")
    assert f"craton: the application cannot be imported: {module}:{len(text.splitlines()) + 2}: {error}" in said
    assert len(said.splitlines()) == 1


@pytest.mark.usefixtures("shop")
def test_an_application_that_is_not_there_leaves_no_folder(capsys: pytest.CaptureFixture[str]) -> None:
    assert "there is no shp.application" in refused(capsys, "run", "shp")
    assert not Path(".craton").exists()


def test_states_are_those_that_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert set(STATUSES) == set(get_args(get_type_hints(Letter)["status"]))
    assert JOB_STATES == get_args(State)
    for command in (["sagas", "list", "shop", "--state", "parkd"], ["letters", "list", "shop", "--status", "parkd"]):
        with pytest.raises(SystemExit, match="2"):
            main(command)
        assert "invalid choice: 'parkd'" in capsys.readouterr().err


@pytest.mark.usefixtures("shop")
def test_inspect_shows_the_application_to_people_and_to_programs(capsys: pytest.CaptureFixture[str]) -> None:
    assert "module stock, owned by warehouse" in printed(capsys, "inspect", "shop")
    found = json.loads(printed(capsys, "inspect", "shop", "--json"))
    assert [module["name"] for module in found["modules"]] == ["stock", "orders"]
    assert {topology["name"] for topology in found["topologies"]} == {"monolith", "microservices"}


@pytest.mark.parametrize("port", ["99999", "-1", "http"])
def test_a_port_that_is_none_is_refused(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["run", "shop", f"--port={port}"])
    assert f"--port: {port!r} is no port: give a number below 65536" in capsys.readouterr().err


def test_check_says_that_nothing_is_wrong_and_what_is(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(capsys, "check", "shop") == "shop: 2 modules in 2 topologies, and nothing is wrong\n"
    (shop / "shop" / "stock" / "migrations" / "versions" / "0001_items.py").unlink()
    said = refused(capsys, "check", "shop")
    assert "craton: module stock: its migrations do not make the tables it declares" in said and "--revise" in said


def test_check_finds_what_the_edge_could_not_serve(shop: Path) -> None:
    contract = shop / "shop" / "orders" / "contract.py"
    contract.write_text(contract.read_text().replace('get="/orders"', 'get="/openapi.json"'))
    check = [sys.executable, "-m", "craton", "check", "shop"]  # in a process of its own: this one has it imported
    done = subprocess.run(check, capture_output=True, text=True, check=False)
    said = "craton: orders.orders: /openapi.json belongs to the edge itself: take another.\n"
    assert (done.returncode, done.stderr) == (2, said)


def test_a_changed_table_gets_a_revision_which_migrate_applies(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "stock: 0001 items" in printed(capsys, "migrate", "shop")
    assert printed(capsys, "migrate", "shop") == "nothing to apply\n"
    assert printed(capsys, "migrate", "shop", "--revise", "shelves", "--module", "stock") == "stock: nothing changed\n"
    tables = shop / "shop" / "stock" / "tables.py"
    quantity = 'Column("quantity", Integer, nullable=False),'
    tables.write_text(tables.read_text().replace(quantity, f'{quantity} Column("shelf", String),'))
    craton = [sys.executable, "-m", "craton"]  # in processes of their own, since this one has imported the tables
    revise = [*craton, "migrate", "shop", "--revise", "shelves", "--module", "stock"]
    said = subprocess.run(revise, capture_output=True, text=True, check=True).stdout
    written = shop / "shop" / "stock" / "migrations" / "versions" / "0002_shelves.py"
    assert said == f"wrote {written}: read it before you apply it\n" and "shelf" in written.read_text()
    applied = subprocess.run([*craton, "migrate", "shop"], capture_output=True, text=True, check=True).stdout
    assert applied == "stock: 0002 shelves\n"


@pytest.mark.usefixtures("shop")
def test_half_a_request_for_a_revision_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert "belong together: give both" in refused(capsys, "migrate", "shop", "--revise", "why")
    assert "belong together: give both" in refused(capsys, "migrate", "shop", "--module", "stock")


@pytest.mark.usefixtures("shop")
def test_migrating_data_of_another_topology_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    printed(capsys, "migrate", "shop")
    said = refused(capsys, "migrate", "shop", "--topology", "microservices")
    assert "is of topology monolith, not microservices" in said


def test_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(capsys, "version").strip().count(".") == 2
