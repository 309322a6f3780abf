"""Values, faults, events and secrets, as they behave when they are used."""

from __future__ import annotations

import copy
import subprocess
import sys

import pytest

from craton.values import Event, Fault, Secret, Value, body_of, fault_of


class Line(Value):
    sku: str
    quantity: int = 1


class OutOfStock(Fault, status=409):
    sku: str
    available: int = 0


class Reserved(OutOfStock):
    until: str = ""


class PriceChanged(Event, key="sku", version=2):
    sku: str
    version: int


def test_a_value_is_frozen_and_compared_by_its_fields() -> None:
    line = Line("a")
    assert line == Line("a", 1) and hash(line) == hash(Line("a", 1))
    with pytest.raises(AttributeError):
        line.sku = "b"  # type: ignore[misc]


def test_a_fault_is_an_exception_with_fields_and_a_status() -> None:
    fault = OutOfStock("a", available=2)
    assert (fault.sku, fault.available, fault.status, str(fault)) == ("a", 2, 409, "OutOfStock(sku='a', available=2)")
    assert fault == OutOfStock("a", 2) and fault != OutOfStock("b", 2) and len({fault, OutOfStock("a", 2)}) == 1


def test_a_fault_refuses_fields_that_it_does_not_have() -> None:
    with pytest.raises(TypeError):
        OutOfStock("a", colour="red")  # type: ignore[call-arg]


def test_a_fault_inherits_fields_defaults_and_status() -> None:
    fault = Reserved("a", until="noon")
    assert (fault.sku, fault.available, fault.until, fault.status) == ("a", 0, "noon", 409)


def test_a_fault_crosses_as_its_body() -> None:
    fault = OutOfStock("a", 3)
    assert fault_of(OutOfStock, fault.body) == fault and body_of(OutOfStock) is type(fault.body)
    assert body_of(Reserved) is not body_of(OutOfStock)


def test_a_fault_can_be_copied_as_other_exceptions_can() -> None:
    fault = OutOfStock("a", 3)
    assert copy.copy(fault) == copy.deepcopy(fault) == fault


def test_an_event_has_a_key_and_a_version_of_its_own_beside_its_fields() -> None:
    event = PriceChanged("a", version=7)
    assert (event.version, PriceChanged.ordered_by, PriceChanged.schema_version) == (7, "sku", 2)


def test_a_secret_shows_its_text_only_when_asked() -> None:
    secret = Secret("hunter2")
    assert secret.reveal() == "hunter2" and secret == Secret("hunter2") and secret != Secret("other")
    assert "hunter2" not in f"{secret} {secret!r} {OutOfStock('a')!r} {Secret('hunter2')!s}"


def test_importing_craton_imports_no_database_and_no_server() -> None:
    heavy = "sqlalchemy", "alembic", "asyncpg", "starlette", "uvicorn", "jwt"
    code = f"import sys, craton; sys.exit(', '.join(m for m in {heavy!r} if m in sys.modules) or 0)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_public_name_can_be_imported() -> None:
    import craton

    for name in craton.__all__:
        assert getattr(craton, name) is not None
