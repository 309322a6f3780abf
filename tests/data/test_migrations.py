"""Migrations: what is written, what is applied, what is refused."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import sys
from collections.abc import Iterator
from importlib import invalidate_caches
from itertools import count
from pathlib import Path
from textwrap import dedent

import pytest

from craton.data.migrations import differences, migrate, revise
from craton.data.schema import pending
from craton.errors import DeclarationError, SettingsError
from craton.module import Module
from tests.data.books.tables import MODULES, Nothing

numbers = count()
FIRST = """
    from sqlalchemy import Column, Integer, MetaData, String, Table
    metadata = MetaData()
    Table("stock_item", metadata, Column("sku", String, primary_key=True), Column("left", Integer, nullable=False))
"""
SECOND = FIRST.replace('Column("left"', 'Column("note", String), Column("left"')


class Package:
    """A package on disk, such as an application has; imported anew under another name after each change."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.name = f"application{next(numbers)}"
        (directory / self.name).mkdir()

    def module(self, tables: str) -> Module:
        """The module "stock", with these tables."""
        file = f"tables{next(numbers)}"
        (self.directory / self.name / f"{file}.py").write_text(dedent(tables))
        invalidate_caches()
        return Module(
            "stock", Nothing, f"{self.name}:none", tables=f"{self.name}.{file}:metadata",
            migrations=f"{self.name}.migrations",
        )


@pytest.fixture
def package(tmp_path: Path) -> Iterator[Package]:
    sys.path.insert(0, str(tmp_path))
    yield Package(tmp_path)
    sys.path.remove(str(tmp_path))


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/test.db"


def rows(tmp_path: Path, sql: str) -> list[tuple[object, ...]]:
    """What another program sees in the file."""
    connection = sqlite3.connect(tmp_path / "test.db")
    found = connection.execute(sql).fetchall()
    connection.close()
    return found


async def test_what_is_pending_is_applied_once(url: str) -> None:
    assert await pending(url, MODULES) == ["bank: everything", "shop: everything"]
    applied = await migrate(url, MODULES)
    assert "bank: 0001 Accounts, transfers and cards" in applied
    assert "shop: table shop_inbox" in applied
    assert await pending(url, MODULES) == []
    assert await migrate(url, MODULES) == []


async def test_a_service_that_finds_everything_applied_loads_no_alembic(url: str) -> None:
    await migrate(url, MODULES)
    look = f"""
        import asyncio, sys
        import craton.run.serve
        from craton.data.schema import pending
        from tests.data.books.tables import MODULES
        print(asyncio.run(pending({url!r}, MODULES)), *sys.modules.keys() & {{"alembic", "starlette", "uvicorn"}})
    """
    run = await asyncio.create_subprocess_exec(sys.executable, "-c", dedent(look), stdout=asyncio.subprocess.PIPE)
    assert (await run.communicate())[0] == b"[]\n"


@pytest.mark.parametrize("names", [
    'revision, down_revision = "0002", "0001"', 'revision = "00" + "02"\ndown_revision = "0001"',
    'revision: str = "0002"\ndown_revision: str | None = "0001"', 'revision = "0002"\ndown_revision = ("0001",)',
])
async def test_a_revision_is_seen_however_its_file_names_it(package: Package, url: str, names: str) -> None:
    first = package.module(FIRST)
    path = await revise(first, "Stock on hand")
    assert path is not None
    await migrate(url, [first])
    path.with_name("0002_more.py").write_text(f"{names}\n\ndef upgrade() -> None: ...\n")
    assert await pending(url, [first]) == ["stock: 0002"]
    await migrate(url, [first])
    assert await pending(url, [first]) == []


async def test_a_look_at_what_is_pending_makes_no_file(url: str, tmp_path: Path) -> None:
    await pending(url, MODULES)
    assert os.listdir(tmp_path) == []


async def test_the_modules_of_the_tests_declare_what_their_migrations_make() -> None:
    for module in MODULES:
        assert await differences(module) == []


async def test_a_change_of_the_tables_becomes_a_revision_that_keeps_the_rows(
    package: Package, url: str, tmp_path: Path
) -> None:
    first = package.module(FIRST)
    path = await revise(first, "Stock on hand")
    assert path is not None
    assert path.name == "0001_stock_on_hand.py"
    assert await revise(first, "Nothing has changed") is None
    await migrate(url, [first])
    connection = sqlite3.connect(tmp_path / "test.db")
    connection.execute("INSERT INTO stock_item VALUES ('pen', 3)")
    connection.commit()
    connection.close()
    second = package.module(SECOND)
    assert any("note" in difference for difference in await differences(second))
    path = await revise(second, "Notes")
    assert path is not None
    assert path.name == "0002_notes.py"
    assert await differences(second) == []
    assert await pending(url, [second]) == ["stock: 0002 Notes"]
    assert await migrate(url, [second]) == ["stock: 0002 Notes"]
    assert rows(tmp_path, "SELECT sku, note, left FROM stock_item") == [("pen", None, 3)]


async def test_a_migration_that_fails_leaves_nothing_behind(package: Package, url: str, tmp_path: Path) -> None:
    first = package.module(FIRST)
    path = await revise(first, "Stock on hand")
    assert path is not None
    await migrate(url, [first])
    path.with_name("0002_broken.py").write_text(
        dedent("""
            from alembic import op
            revision, down_revision = "0002", "0001"
            def upgrade() -> None:
                op.execute("CREATE TABLE stock_half (a)")
                op.execute("SELECT nonsense")
        """)
    )
    with pytest.raises(Exception, match="nonsense"):
        await migrate(url, [first])
    assert rows(tmp_path, "SELECT name FROM sqlite_master WHERE name = 'stock_half'") == []
    assert await pending(url, [first]) == ["stock: 0002"]


async def test_a_migration_that_leaves_rows_pointing_nowhere_is_refused(
    package: Package, url: str, tmp_path: Path
) -> None:
    module = package.module(FIRST + """
    from sqlalchemy import ForeignKey
    Table("stock_place", metadata, Column("sku", String, ForeignKey("stock_item.sku"), primary_key=True))
    """)
    path = await revise(module, "Places")
    assert path is not None
    path.with_name("0002_rows.py").write_text(
        dedent("""
            from alembic import op
            revision, down_revision = "0002", "0001"
            def upgrade() -> None:
                op.execute("INSERT INTO stock_place VALUES ('nothing')")
        """)
    )
    with pytest.raises(SettingsError, match="stock_place that points to no row of stock_item"):
        await migrate(url, [module])


REFUSED = {
    "must be named stock_item": FIRST.replace('"stock_item"', '"item"'),
    "stock_inbox is a table of Craton": FIRST.replace('"stock_item"', '"stock_inbox"'),
    "stock_alembic is a table of Craton": FIRST.replace('"stock_item"', '"stock_alembic"'),
    "put the CheckConstraint of stock_item.left beside": FIRST.replace(
        'Column("left", Integer', 'Column("left", Integer, CheckConstraint("left > 0")'
    ).replace("import ", "import CheckConstraint, "),
    "is no sqlalchemy.MetaData": "metadata = 1",
}


@pytest.mark.parametrize("message", REFUSED)
async def test_tables_that_would_go_wrong_are_refused(package: Package, url: str, tmp_path: Path, message: str) -> None:
    with pytest.raises(DeclarationError, match=message):
        await migrate(url, [package.module(REFUSED[message])])
    assert not (tmp_path / "test.db").exists()
