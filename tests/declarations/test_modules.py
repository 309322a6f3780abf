"""Modules that cannot be told apart, or cannot be found, are refused."""

from __future__ import annotations

from collections.abc import Callable

Refused = Callable[[str], str]


def test_an_application_without_modules_is_refused(refused: Refused) -> None:
    assert refused("""
        class Shop(Protocol):
            @query
            async def find(self, sku: str) -> int: ...

        class Bar(Protocol):
            @query
            async def drink(self) -> None: ...

        class Desk(Shop):
            async def find(self, sku: str) -> int: ...

        class Mixer(Bar):
            async def drink(self) -> None: ...

        here = __name__
        app = Application("app", [])
    """) == "application app has no modules: list at least one."


def test_an_application_with_an_invalid_name_is_refused(refused: Refused) -> None:
    assert refused("""
        class Shop(Protocol):
            @query
            async def find(self, sku: str) -> int: ...

        class Bar(Protocol):
            @query
            async def drink(self) -> None: ...

        class Desk(Shop):
            async def find(self, sku: str) -> int: ...

        class Mixer(Bar):
            async def drink(self) -> None: ...

        here = __name__
        app = Application("My App", [Module("shop", Shop, "a:Desk")])
    """) == (
        "application 'My App': a name is made of lower-case letters, digits and single underscores, begins with "
        "a letter, and has at most 40 characters."
    )


def test_two_modules_with_one_name_are_refused(refused: Refused) -> None:
    assert refused("""
        class Shop(Protocol):
            @query
            async def find(self, sku: str) -> int: ...

        class Bar(Protocol):
            @query
            async def drink(self) -> None: ...

        class Desk(Shop):
            async def find(self, sku: str) -> int: ...

        class Mixer(Bar):
            async def drink(self) -> None: ...

        here = __name__
        app = Application("app", [
            Module("shop", Shop, "a:Desk"),
            Module("shop", Bar, "a:Mixer"),
        ])
    """) == "two modules are named shop: rename one."


def test_two_modules_with_one_contract_are_refused(refused: Refused) -> None:
    assert refused("""
        class Shop(Protocol):
            @query
            async def find(self, sku: str) -> int: ...

        class Bar(Protocol):
            @query
            async def drink(self) -> None: ...

        class Desk(Shop):
            async def find(self, sku: str) -> int: ...

        class Mixer(Bar):
            async def drink(self) -> None: ...

        here = __name__
        app = Application("app", [
            Module("shop", Shop, "a:Desk"),
            Module("store", Shop, "a:Desk"),
        ])
    """) == "contract Shop: claimed by shop and by store: it can belong to only one module."


def test_two_modules_that_claim_the_same_tables_are_refused(refused: Refused) -> None:
    assert refused("""
        class Shop(Protocol):
            @query
            async def find(self, sku: str) -> int: ...

        class Bar(Protocol):
            @query
            async def drink(self) -> None: ...

        class Desk(Shop):
            async def find(self, sku: str) -> int: ...

        class Mixer(Bar):
            async def drink(self) -> None: ...

        here = __name__
        app = Application("app", [
            Module("shop", Shop, "a:Desk", tables="a:metadata"),
            Module("bar", Bar, "a:Mixer", tables="a:metadata"),
        ])
    """) == "tables a:metadata: claimed by shop and by bar: it can belong to only one module."


def test_two_modules_that_claim_the_same_migrations_are_refused(refused: Refused) -> None:
    assert refused("""
        class Shop(Protocol):
            @query
            async def find(self, sku: str) -> int: ...

        class Bar(Protocol):
            @query
            async def drink(self) -> None: ...

        class Desk(Shop):
            async def find(self, sku: str) -> int: ...

        class Mixer(Bar):
            async def drink(self) -> None: ...

        here = __name__
        app = Application("app", [
            Module("shop", Shop, "a:Desk", migrations="a"),
            Module("bar", Bar, "a:Mixer", migrations="a"),
        ])
    """) == "migrations a: claimed by shop and by bar: it can belong to only one module."


def test_an_invalid_name_of_a_module_is_refused(refused: Refused) -> None:
    assert refused("""
        class Shop(Protocol):
            @query
            async def find(self, sku: str) -> int: ...

        class Bar(Protocol):
            @query
            async def drink(self) -> None: ...

        class Desk(Shop):
            async def find(self, sku: str) -> int: ...

        class Mixer(Bar):
            async def drink(self) -> None: ...

        here = __name__
        app = Application("app", [
            Module("Shop-1", Shop, "a:Desk"),
        ])
    """) == (
        "module 'Shop-1': a name is made of lower-case letters, digits and single underscores, begins with a "
        "letter, and has at most 40 characters."
    )


def test_a_reserved_name_of_a_module_is_refused(refused: Refused) -> None:
    assert refused("""
        class Shop(Protocol):
            @query
            async def find(self, sku: str) -> int: ...

        class Bar(Protocol):
            @query
            async def drink(self) -> None: ...

        class Desk(Shop):
            async def find(self, sku: str) -> int: ...

        class Mixer(Bar):
            async def drink(self) -> None: ...

        here = __name__
        app = Application("app", [
            Module("gateway", Shop, "a:Desk"),
        ])
    """) == "module 'gateway': this name is reserved: choose another."


def test_a_name_that_databases_keep_is_refused(refused: Refused) -> None:
    assert refused("""
        class Shop(Protocol):
            @query
            async def find(self, sku: str) -> int: ...

        class Bar(Protocol):
            @query
            async def drink(self) -> None: ...

        class Desk(Shop):
            async def find(self, sku: str) -> int: ...

        class Mixer(Bar):
            async def drink(self) -> None: ...

        here = __name__
        app = Application("app", [
            Module("pg_shop", Shop, "a:Desk"),
        ])
    """) == "module 'pg_shop': this name is reserved: choose another."


def test_a_name_that_begins_like_another_is_refused(refused: Refused) -> None:
    assert refused("""
        class Shop(Protocol):
            @query
            async def find(self, sku: str) -> int: ...

        class Bar(Protocol):
            @query
            async def drink(self) -> None: ...

        class Desk(Shop):
            async def find(self, sku: str) -> int: ...

        class Mixer(Bar):
            async def drink(self) -> None: ...

        here = __name__
        app = Application("app", [
            Module("shop", Shop, "a:Desk"),
            Module("shop_bar", Bar, "a:Mixer"),
        ])
    """) == (
        "modules shop and shop_bar: tables and settings named shop_bar_... could be of either: "
        "rename one, so that neither begins with the other and an underscore."
    )


def test_an_import_path_without_a_class_is_refused(refused: Refused) -> None:
    assert refused("""
        class Shop(Protocol):
            @query
            async def find(self, sku: str) -> int: ...

        class Bar(Protocol):
            @query
            async def drink(self) -> None: ...

        class Desk(Shop):
            async def find(self, sku: str) -> int: ...

        class Mixer(Bar):
            async def drink(self) -> None: ...

        here = __name__
        app = Application("app", [
            Module("shop", Shop, "nowhere"),
        ])
    """) == "module shop: 'nowhere' is not an import path: write it as 'package.file:name'."


def test_an_import_path_to_no_file_is_refused(refused: Refused) -> None:
    assert refused("""
        class Shop(Protocol):
            @query
            async def find(self, sku: str) -> int: ...

        class Bar(Protocol):
            @query
            async def drink(self) -> None: ...

        class Desk(Shop):
            async def find(self, sku: str) -> int: ...

        class Mixer(Bar):
            async def drink(self) -> None: ...

        here = __name__
        app = Application("app", [
            Module("shop", Shop, "nowhere.module:Desk"),
        ])
    """) == "module shop: there is no nowhere.module: correct the import path 'nowhere.module:Desk'."


def test_an_import_path_to_no_class_is_refused(refused: Refused) -> None:
    assert refused("""
        class Shop(Protocol):
            @query
            async def find(self, sku: str) -> int: ...

        class Bar(Protocol):
            @query
            async def drink(self) -> None: ...

        class Desk(Shop):
            async def find(self, sku: str) -> int: ...

        class Mixer(Bar):
            async def drink(self) -> None: ...

        here = __name__
        app = Application("app", [
            Module("shop", Shop, f"{here}:Missing"),
        ])
    """) == "module shop: PROGRAM has no Missing: correct the import path 'PROGRAM:Missing'."


def test_an_import_path_to_no_tables_is_refused(refused: Refused) -> None:
    assert refused("""
        class Shop(Protocol):
            @query
            async def find(self, sku: str) -> int: ...

        class Bar(Protocol):
            @query
            async def drink(self) -> None: ...

        class Desk(Shop):
            async def find(self, sku: str) -> int: ...

        class Mixer(Bar):
            async def drink(self) -> None: ...

        here = __name__
        app = Application("app", [
            Module("shop", Shop, f"{here}:Desk", tables=f"{here}:absent"),
        ])
    """) == "module shop: tables: PROGRAM has no absent: correct the import path 'PROGRAM:absent'."


def test_tables_that_are_no_metadata_are_refused(refused: Refused) -> None:
    assert refused("""
        class Shop(Protocol):
            @query
            async def find(self, sku: str) -> int: ...

        class Bar(Protocol):
            @query
            async def drink(self) -> None: ...

        class Desk(Shop):
            async def find(self, sku: str) -> int: ...

        class Mixer(Bar):
            async def drink(self) -> None: ...

        here = __name__
        app = Application("app", [
            Module("shop", Shop, f"{here}:Desk", tables=f"{here}:Mixer"),
        ])
    """) == "module shop: PROGRAM:Mixer is no MetaData: name that of its tables."


def test_a_table_that_does_not_bear_its_modules_name_is_refused(refused: Refused) -> None:
    assert refused("""
        class Shop(Protocol):
            @query
            async def find(self, sku: str) -> int: ...

        class Bar(Protocol):
            @query
            async def drink(self) -> None: ...

        class Desk(Shop):
            async def find(self, sku: str) -> int: ...

        class Mixer(Bar):
            async def drink(self) -> None: ...

        here = __name__
        metadata = MetaData()
        Table("lines", metadata, Column("sku", String))
        app = Application("app", [
            Module("shop", Shop, f"{here}:Desk", tables=f"{here}:metadata"),
        ])
    """) == "table lines: it belongs to module shop: name it shop_lines."


def test_a_table_that_two_modules_claim_is_refused(refused: Refused) -> None:
    assert refused("""
        class Shop(Protocol):
            @query
            async def find(self, sku: str) -> int: ...

        class Bar(Protocol):
            @query
            async def drink(self) -> None: ...

        class Desk(Shop):
            async def find(self, sku: str) -> int: ...

        class Mixer(Bar):
            async def drink(self) -> None: ...

        here = __name__
        mine, yours = MetaData(), MetaData()
        Table("shop_lines", mine, Column("sku", String))
        Table("shop_lines", yours, Column("sku", String))
        app = Application("app", [
            Module("shop", Shop, f"{here}:Desk", tables=f"{here}:mine"),
            Module("bar", Bar, f"{here}:Mixer", tables=f"{here}:yours"),
        ])
    """) == "table shop_lines: claimed by shop and by bar: it can belong to only one module."


def test_settings_that_are_no_settings_are_refused(refused: Refused) -> None:
    assert refused("""
        class Shop(Protocol):
            @query
            async def find(self, sku: str) -> int: ...

        class Bar(Protocol):
            @query
            async def drink(self) -> None: ...

        class Desk(Shop):
            async def find(self, sku: str) -> int: ...

        class Mixer(Bar):
            async def drink(self) -> None: ...

        here = __name__
        app = Application("app", [
            Module("shop", Shop, "a:Desk", settings=dict),
        ])
    """) == "module shop: settings=dict is no subclass of Settings: make it one."


def test_a_setting_that_is_no_text_is_refused(refused: Refused) -> None:
    assert refused("""
        class Shop(Protocol):
            @query
            async def find(self, sku: str) -> int: ...

        class Bar(Protocol):
            @query
            async def drink(self) -> None: ...

        class Desk(Shop):
            async def find(self, sku: str) -> int: ...

        class Mixer(Bar):
            async def drink(self) -> None: ...

        here = __name__
        class Options(Settings):
            urls: tuple[str, ...]
        app = Application("app", [
            Module("shop", Shop, "a:Desk", settings=Options),
        ])
    """) == (
        "Options.urls is tuple[str, ...], which cannot be read from an environment variable: "
        "use a plain type, such as str."
    )
