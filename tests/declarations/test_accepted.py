"""What keeps the rules is accepted, in all its forms."""

from __future__ import annotations

from collections.abc import Callable

from craton.application import Application, implementations, tables

Build = Callable[[str], Application]


def test_every_immutable_type_may_cross(build: Build) -> None:
    app = build("""
        class Size(Enum):
            SMALL = "s"

        class Line(Value):
            sku: str
            replies: tuple[Line, ...] = ()

        Sku = NewType("Sku", str)

        class Shop(Protocol):
            @query
            async def plain(self, a: bool, b: int, c: float, d: str, e: bytes, f: Decimal, g: UUID) -> None: ...

            @query
            async def times(self, a: datetime, b: date, c: time, d: timedelta) -> None: ...

            @query
            async def made(self, a: tuple[int, str], b: frozenset[Line], c: int | None, d: Optional[Line]) -> None: ...

            @query
            async def named(self, a: Sku, b: Size, c: Literal["x"], d: Annotated[int, msgspec.Meta(gt=0)]) -> None: ...

            @command
            async def sign_in(self, password: Secret) -> str: ...

            @query
            def follow(self, sku: Sku) -> AsyncIterator[Line]: ...
    """)
    assert [method.name for _, method in app.methods()] == ["plain", "times", "made", "named", "sign_in", "follow"]
    assert [method.name for _, method in app.methods() if method.streams] == ["follow"]


def test_generic_values_tagged_unions_and_events_may_cross(build: Build) -> None:
    build("""
        class Line(Value):
            sku: str

        class Card(Value, tag=True):
            token: str

        class Cash(Value, tag=True):
            amount: Decimal

        class Page(Value, Generic[T]):
            items: tuple[T, ...]
            total: int

        class Lines(Page[Line]):
            more: bool = False

        class Sold(Event, key="sku"):
            sku: str
            version: int
            paid: Card | Cash | None = None

        class Shop(Protocol):
            @query
            async def values(self, a: Page[Line], b: Lines, c: Card | Cash, d: Sold) -> Page[tuple[Line, ...]]: ...
    """)


def test_an_implementation_may_write_the_same_types_in_other_words(build: Build) -> None:
    build("""
        class Shop(Protocol):
            @query
            async def find(self, sku: str | None, *, size: int = 1) -> Optional[int]: ...

            @query
            def follow(self, sku: str) -> AsyncIterator[int]: ...

            @query
            def others(self) -> AsyncIterator[int]: ...

        class Desk(Shop):
            async def find(self, sku: Optional[str], *, size: int = 1) -> int | None: ...

            async def follow(self, sku: str) -> AsyncIterator[int]:
                yield 1

            def others(self) -> AsyncIterator[int]:
                return self.follow("a")
    """)


def test_an_implementation_may_have_methods_of_its_own_marked_or_not(build: Build) -> None:
    build("""
        class Gone(Fault, status=410):
            sku: str

        class Shop(Protocol):
            @saga(post="/orders", raises=Gone)
            async def checkout(self, cart: str) -> str: ...

        class Desk(Shop):
            async def checkout(self, cart: str) -> str: ...

            @command(raises=Gone)
            async def place(self, order: str) -> None:
                raise Gone(self.normal(order))

            def normal(self, order: str) -> str:
                return order.strip()
    """)


def test_an_implementation_that_needs_nothing_is_accepted_before_and_after_it_was_made(build: Build) -> None:
    app = build("""
        class Shop(Protocol):
            @query
            async def open(self) -> bool: ...

        class Desk(Shop):
            async def open(self) -> bool:
                return True
    """)
    implementations(app, ["shop"])["shop"]()
    implementations(app, ["shop"])


def test_a_fault_that_is_caught_need_not_be_declared(build: Build) -> None:
    build("""
        class Gone(Fault):
            sku: str

        class Shop(Protocol):
            @query
            async def find(self, sku: str) -> str: ...

        class Desk(Shop):
            async def find(self, sku: str) -> str:
                try:
                    if not sku:
                        raise Gone(sku)
                    self.count(sku)
                except (KeyError, Gone) as gone:
                    return str(gone)
                return sku

            def count(self, sku: str) -> None:
                raise Gone(sku)
    """)


def test_every_part_of_craton_and_every_contract_may_be_a_need(build: Build) -> None:
    build("""
        from craton import Call, Database, Events, Offload, Saga, Tokens

        class Options(Settings):
            url: str = ""

        class Bar(Protocol):
            @query
            async def drink(self) -> None: ...

        class Shop(Protocol):
            @query
            async def find(self) -> None: ...

        class Desk(Shop):
            def __init__(
                self, bar: Bar, call: Call, clock: Clock, db: Database, events: Events, *, ids: Ids, offload: Offload,
                saga: Saga, tokens: Tokens, chance: random.Random, options: Options,
            ) -> None: ...

            async def find(self) -> None: ...

        @dataclass
        class Mixer(Bar):
            clock: Clock

            async def drink(self) -> None: ...

        app = Application("app", [
            Module("shop", Shop, f"{__name__}:Desk", settings=Options),
            Module("bar", Bar, f"{__name__}:Mixer"),
        ])
    """)


def test_a_contract_may_extend_another(build: Build) -> None:
    app = build("""
        class Readable(Protocol):
            @query
            async def find(self) -> None: ...

        class Shop(Readable, Protocol):
            @command
            async def buy(self) -> None: ...

        class Desk(Shop):
            async def find(self) -> None: ...
            async def buy(self) -> None: ...
    """)
    assert [method.name for _, method in app.methods()] == ["find", "buy"]


def test_two_methods_may_share_a_path_under_different_verbs(build: Build) -> None:
    build("""
        class Shop(Protocol):
            @query(get="/items/{sku}", allow="anyone")
            async def find(self, sku: str, sizes: tuple[int, ...] = (), colour: str | None = None) -> None: ...

            @command(put="/items/{id}", allow="admin")
            async def change(self, id: str, price: Decimal) -> None: ...

            @command(delete="/items/{id}")
            async def remove(self, id: UUID) -> None: ...
    """)


def test_the_tables_of_modules_are_found_by_name(build: Build) -> None:
    app = build("""
        class Shop(Protocol):
            @query
            async def find(self) -> None: ...

        class Desk(Shop):
            async def find(self) -> None: ...

        metadata = MetaData()
        Table("shop_lines", metadata, Column("sku", String))
        Table("shop_carts", metadata, Column("id", String))
        app = Application("app", [Module("shop", Shop, f"{__name__}:Desk", tables=f"{__name__}:metadata")])
    """)
    assert tables(app, ["shop"]) == {"shop": ("shop_carts", "shop_lines")}
