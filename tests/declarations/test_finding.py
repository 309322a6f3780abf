"""An application is found by the name of its package."""

from __future__ import annotations

from collections.abc import Callable
from importlib import invalidate_caches
from itertools import count
from pathlib import Path

import pytest

from craton.application import find_application
from craton.errors import DeclarationError
from craton.topology import topology_file

CONTRACT = """
from typing import Protocol
from craton import Application, Module, query

class Shop(Protocol):
    @query
    async def find(self) -> int: ...

"""
SHOP = 'shop = Application("shop", [Module("shop", Shop, "nowhere:Desk")])\n'
NUMBERS = count(1)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """A package with this text in its file `application`; its name is given back."""
    monkeypatch.syspath_prepend(tmp_path)

    def made(text: str) -> str:
        name = f"found_{next(NUMBERS)}"
        (tmp_path / name).mkdir()
        (tmp_path / name / "application.py").write_text(text)
        invalidate_caches()
        return name

    return made


def test_the_one_application_value_is_found_under_whatever_name(package: Callable[[str], str], tmp_path: Path) -> None:
    name = package(CONTRACT + SHOP + "again = shop\n")
    assert find_application(name).name == "shop"
    assert topology_file(name) == tmp_path / name / "topology.toml"


def test_finding_an_application_loads_no_implementation(package: Callable[[str], str]) -> None:
    assert find_application(package(CONTRACT + SHOP)).module("shop").implementation == "nowhere:Desk"


def test_a_package_without_an_application_is_refused() -> None:
    for find in (find_application, topology_file):
        with pytest.raises(DeclarationError, match=r"^there is no nowhere\.application: give the package that"):
            find("nowhere")


def test_a_file_with_two_applications_is_refused(package: Callable[[str], str]) -> None:
    name = package(CONTRACT + SHOP + SHOP.replace("shop =", "other ="))
    with pytest.raises(DeclarationError) as caught:
        find_application(name)
    assert str(caught.value) == f"{name}.application holds 2 Application values: it must hold exactly one."


def test_an_import_that_fails_inside_the_file_is_not_mistaken_for_a_missing_file(package: Callable[[str], str]) -> None:
    with pytest.raises(ModuleNotFoundError, match="absent_library"):
        find_application(package("import absent_library\n"))
