"""The store as it is declared: it can be built, and its migrations make the tables that it declares."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from apps.store.application import store
from apps.store.naive.application import naive
from craton import Application, Module
from craton.application import find_application, implementations
from craton.data.migrations import differences
from craton.topology import load_companions, load_setup, load_topologies, topology_file

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("application", [store, naive])
def test_its_implementations_keep_their_contracts(application: Application) -> None:
    names = [module.name for module in application.modules]
    assert set(implementations(application, names)) == set(names)


@pytest.mark.parametrize("module", store.modules, ids=lambda module: module.name)
async def test_its_migrations_make_the_tables_that_it_declares(module: Module) -> None:
    assert await differences(module) == []


@pytest.mark.parametrize("package", ["apps.store", "apps.store.naive"])
def test_it_is_found_with_its_topologies_and_companions(package: str) -> None:
    file = topology_file(package)
    assert {"monolith", "hybrid", "microservices"} <= set(load_topologies(find_application(package), file))
    assert [companion.name for companion in load_companions(file)] == ["provider"]
    assert "importer" in load_setup(file).command


def test_a_service_loads_nothing_of_the_modules_that_it_does_not_host() -> None:
    code = (
        "import sys; from apps.store.application import store; from craton.application import implementations; "
        "before = {'smtplib', 'sqlalchemy', 'stripe'} & set(sys.modules); implementations(store, ['catalog']); "
        "print(sorted(before), sorted(n for n in sys.modules if n.startswith('apps.') and n.endswith('.module')), "
        "sorted({'smtplib', 'stripe'} & set(sys.modules)))"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert told.stdout.strip() == "[] ['apps.store.catalog.module'] []"


def test_contracts_import_only_contracts_and_values() -> None:
    for contract in (ROOT / "apps" / "store").glob("*/contract.py"):
        for line in contract.read_text().splitlines():
            if line.startswith("from apps."):
                source = line.split()[1]
                assert source == "apps.store.money" or source.endswith((".contract", ".events")), f"{contract}: {line}"
