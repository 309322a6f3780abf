"""The data folder: whose data it holds is remembered, and another's is refused with what to do."""

from __future__ import annotations

import socket
import stat
from pathlib import Path

import pytest

from craton.errors import SettingsError
from craton.run.databases import database_of, databases_of, engine_of
from craton.run.folder import Folder, Installation
from craton.topology import Service, Topology

SPLIT = Topology("split", (Service("front", ("carts", "users")), Service("orders", ("orders",))))
MOVED = Topology("split", (Service("front", ("carts",)), Service("orders", ("orders", "users"))))
ONE = Topology("one", (Service("shop", ("carts", "users", "orders")),))


def test_the_same_installation_finds_its_data_again(tmp_path: Path) -> None:
    for _ in range(2):
        with Folder(tmp_path / "data") as folder:
            folder.belongs_to(Installation.of("shop", SPLIT, "sqlite"))


@pytest.mark.parametrize(("other", "message"), [
    (Installation.of("blog", SPLIT, "sqlite"), "is of application shop, not blog"),
    (Installation.of("shop", ONE, "sqlite"), "is of topology split, not one"),
    (Installation.of("shop", SPLIT, "postgresql"), "is of database sqlite, not postgresql"),
    (
        Installation.of("shop", MOVED, "sqlite"),
        "has users in service front, not orders",
    ),
])
def test_data_of_another_installation_is_refused_with_what_to_do(
    tmp_path: Path, other: Installation, message: str,
) -> None:
    with Folder(tmp_path) as folder:
        folder.belongs_to(Installation.of("shop", SPLIT, "sqlite"))
        with pytest.raises(SettingsError, match=f"{message}: run it as it was, or give another folder by --data"):
            folder.belongs_to(other)


def test_a_new_module_joins_the_data_and_is_then_bound_to_its_place(tmp_path: Path) -> None:
    grown = Topology("split", (*SPLIT.services, Service("news", ("news",))))
    moved = Topology("split", (Service("front", ("carts", "users", "news")), Service("orders", ("orders",))))
    with Folder(tmp_path) as folder:
        folder.belongs_to(Installation.of("shop", SPLIT, "sqlite"))
        folder.belongs_to(Installation.of("shop", grown, "sqlite"))
        with pytest.raises(SettingsError, match="has news in service news, not front"):
            folder.belongs_to(Installation.of("shop", moved, "sqlite"))


def test_two_supervisors_cannot_use_one_folder(tmp_path: Path) -> None:
    with Folder(tmp_path), pytest.raises(SettingsError, match="another `craton run` uses the data"), Folder(tmp_path):
        pass
    with Folder(tmp_path):
        pass


def test_a_folder_that_cannot_be_made_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match=r"cannot hold data \(File exists\)"), Folder(tmp_path / "file"):
        pass


@pytest.mark.parametrize("name", ["installation.json", "running.json", "ports.json"])
def test_a_file_that_is_damaged_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("{")
    told = rf"{name} is damaged \(.*\): restore it from a backup"
    with Folder(tmp_path) as folder, pytest.raises(SettingsError, match=told):
        if name == "installation.json":
            folder.belongs_to(Installation("shop", "monolith", "SQLite", {}))
        elif name == "running.json":
            folder.whereabouts()
        else:
            folder.port_of("provider")


def test_what_may_not_be_read_or_written_is_refused_in_words(tmp_path: Path) -> None:
    with Folder(tmp_path) as folder:
        (tmp_path / "secret").mkdir()
        with pytest.raises(SettingsError, match=r"secret cannot be read \(.*\): mend its permissions"):
            folder.secret()
        (tmp_path / "installation.partial").mkdir()
        with pytest.raises(SettingsError, match=r"cannot hold data \(.*\): give another folder by --data"):
            folder.belongs_to(Installation("shop", "monolith", "SQLite", {}))


def test_the_secret_is_made_once_and_readable_by_its_owner_only(tmp_path: Path) -> None:
    with Folder(tmp_path) as folder:
        secret = folder.secret()
        assert len(secret) >= 32 and folder.secret() == secret
        assert stat.S_IMODE((tmp_path / "secret").stat().st_mode) == 0o600


def test_a_companion_keeps_its_port_until_somebody_else_has_it(tmp_path: Path) -> None:
    with Folder(tmp_path) as folder:
        port = folder.port_of("provider")
        assert folder.port_of("provider") == port and folder.port_of("mail") != port
        with socket.create_server(("127.0.0.1", port)):
            assert folder.port_of("provider") != port


def test_each_service_has_a_file_of_its_own_and_postgresql_a_database(tmp_path: Path) -> None:
    assert databases_of(SPLIT, base=None, folder=tmp_path) == {
        "front": f"sqlite:///{tmp_path}/front.db", "orders": f"sqlite:///{tmp_path}/orders.db",
    }
    base = "postgresql://u:p@h:1/shop?sslmode=disable"
    assert database_of("orders", SPLIT, base=base, folder=tmp_path) == "postgresql://u:p@h:1/shop_orders?sslmode=disable"
    assert database_of("shop", ONE, base=base, folder=tmp_path) == base


def test_sqlite_is_refused_where_a_service_has_replicas(tmp_path: Path) -> None:
    many = Topology("many", (Service("shop", ("carts",), replicas=2),))
    with pytest.raises(SettingsError, match="shop has 2 replicas, but SQLite serves one process"):
        databases_of(many, base=None, folder=tmp_path)
    databases_of(many, base="postgresql://h/d", folder=tmp_path)
    pages = Topology("pages", (Service("web", ("front",), replicas=2),), sites=frozenset({"front"}))
    assert databases_of(pages, base=None, folder=tmp_path) == {}  # it keeps no data


@pytest.mark.parametrize("url", ["sqlite:////tmp/shop.db", "postgresql://host:5432", "postgresql://host/", "shop"])
def test_a_database_that_is_not_postgresql_is_refused_in_words(url: str) -> None:
    with pytest.raises(SettingsError, match="--database takes a PostgreSQL URL"):
        engine_of(url)
