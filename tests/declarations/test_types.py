"""What may not cross between modules is refused, with what to use in its place."""

from __future__ import annotations

from collections.abc import Callable

Refused = Callable[[str], str]


def test_a_list_is_refused_as_a_parameter(refused: Refused) -> None:
    assert refused("""
        class Shop(Protocol):
            @query
            async def find(self, what: list[str]) -> None: ...
    """) == (
        "Shop.find: parameter what is list[str], which can be changed by whoever holds it: use tuple[str, ...]."
    )


def test_a_list_is_refused_as_a_result(refused: Refused) -> None:
    assert refused("""
        class Shop(Protocol):
            @query
            async def find(self, what: str) -> list[str]: ...
    """) == "Shop.find: its result is list[str], which can be changed by whoever holds it: use tuple[str, ...]."


def test_a_dict_is_refused(refused: Refused) -> None:
    assert refused("""
        class Shop(Protocol):
            @query
            async def find(self, what: dict[str, int]) -> None: ...
    """) == (
        "Shop.find: parameter what is dict[str, int], which can be changed by whoever holds it: "
        "use a Value with named fields, or tuple[tuple[str, int], ...]."
    )


def test_a_mapping_is_refused(refused: Refused) -> None:
    assert refused("""
        class Shop(Protocol):
            @query
            async def find(self, what: Mapping[str, int]) -> None: ...
    """) == (
        "Shop.find: parameter what is Mapping[str, int], which can be changed by whoever holds it: "
        "use a Value with named fields, or tuple[tuple[str, int], ...]."
    )


def test_a_set_is_refused(refused: Refused) -> None:
    assert refused("""
        class Shop(Protocol):
            @query
            async def find(self, what: set[str]) -> None: ...
    """) == "Shop.find: parameter what is set[str], which can be changed by whoever holds it: use frozenset[str]."


def test_a_sequence_is_refused_since_it_may_be_a_list(refused: Refused) -> None:
    assert refused("""
        class Shop(Protocol):
            @query
            async def find(self, what: Sequence[str]) -> None: ...
    """) == (
        "Shop.find: parameter what is Sequence[str], which can be changed by whoever holds it: "
        "use tuple[str, ...]."
    )


def test_a_bytearray_is_refused(refused: Refused) -> None:
    assert refused("""
        class Shop(Protocol):
            @query
            async def find(self, what: bytearray) -> None: ...
    """) == "Shop.find: parameter what is bytearray, which can be changed by whoever holds it: use bytes."


def test_a_list_inside_a_tuple_is_refused(refused: Refused) -> None:
    assert refused("""
        class Shop(Protocol):
            @query
            async def find(self, what: tuple[list[int], ...]) -> None: ...
    """) == (
        "Shop.find: parameter what is list[int], which can be changed by whoever holds it: use tuple[int, ...]."
    )


def test_a_list_inside_an_optional_is_refused(refused: Refused) -> None:
    assert refused("""
        class Shop(Protocol):
            @query
            async def find(self, what: Optional[list[int]]) -> None: ...
    """) == (
        "Shop.find: parameter what is list[int], which can be changed by whoever holds it: use tuple[int, ...]."
    )


def test_a_list_in_a_field_of_a_value_is_refused_where_it_stands(refused: Refused) -> None:
    assert refused("""
        class Basket(Value):
            lines: list[str]

        class Shop(Protocol):
            @query
            async def find(self, what: Basket) -> None: ...
    """) == (
        "Shop.find: parameter what: Basket.lines is list[str], which can be changed by whoever holds it: "
        "use tuple[str, ...]."
    )


def test_a_list_in_a_value_inside_a_value_is_refused_where_it_stands(refused: Refused) -> None:
    assert refused("""
        class Line(Value):
            tags: list[str]
        class Basket(Value):
            lines: tuple[Line, ...]

        class Shop(Protocol):
            @query
            async def find(self, what: tuple[Basket, ...]) -> None: ...
    """) == (
        "Shop.find: parameter what: Basket.lines: Line.tags is list[str], "
        "which can be changed by whoever holds it: use tuple[str, ...]."
    )


def test_a_list_given_to_a_generic_value_is_refused(refused: Refused) -> None:
    assert refused("""
        class Page(Value, Generic[T]):
            items: tuple[T, ...]

        class Shop(Protocol):
            @query
            async def find(self, what: Page[list[str]]) -> None: ...
    """) == (
        "Shop.find: parameter what: Page[list[str]].items is list[str], "
        "which can be changed by whoever holds it: use tuple[str, ...]."
    )


def test_a_list_given_to_a_value_that_inherits_from_a_generic_one_is_refused(refused: Refused) -> None:
    assert refused("""
        class Page(Value, Generic[T]):
            items: tuple[T, ...]
        class Lists(Page[list[str]]):
            total: int

        class Shop(Protocol):
            @query
            async def find(self, what: Lists) -> None: ...
    """) == (
        "Shop.find: parameter what: Lists.items is list[str], which can be changed by whoever holds it: "
        "use tuple[str, ...]."
    )


def test_a_generic_value_that_does_not_say_of_what_is_refused(refused: Refused) -> None:
    assert refused("""
        class Page(Value, Generic[T]):
            items: tuple[T, ...]

        class Shop(Protocol):
            @query
            async def find(self, what: Page) -> None: ...
    """) == (
        "Shop.find: parameter what: Page.items is T, which stands for any type: say which, as in Page[Product]."
    )


def test_a_mutable_struct_is_refused(refused: Refused) -> None:
    assert refused("""
        class Basket(msgspec.Struct):
            lines: tuple[str, ...]

        class Shop(Protocol):
            @query
            async def find(self, what: Basket) -> None: ...
    """) == (
        "Shop.find: parameter what is Basket, which can be changed by whoever holds it: "
        "make it `class Basket(Value)`."
    )


def test_a_value_made_mutable_is_refused(refused: Refused) -> None:
    assert refused("""
        class Basket(Value, frozen=False):
            lines: tuple[str, ...]

        class Shop(Protocol):
            @query
            async def find(self, what: Basket) -> None: ...
    """) == (
        "Shop.find: parameter what is Basket, which can be changed by whoever holds it: "
        "make it `class Basket(Value)`."
    )


def test_a_dataclass_is_refused(refused: Refused) -> None:
    assert refused("""
        @dataclass(frozen=True)
        class Basket:
            lines: tuple[str, ...]

        class Shop(Protocol):
            @query
            async def find(self, what: Basket) -> None: ...
    """) == (
        "Shop.find: parameter what is Basket, which can be changed by whoever holds it: "
        "make it `class Basket(Value)`."
    )


def test_a_typed_dict_is_refused(refused: Refused) -> None:
    assert refused("""
        class Basket(TypedDict):
            total: int

        class Shop(Protocol):
            @query
            async def find(self, what: Basket) -> None: ...
    """) == (
        "Shop.find: parameter what is Basket, which can be changed by whoever holds it: "
        "use a Value with named fields, or tuple[tuple[...], ...]."
    )


def test_a_named_tuple_is_refused(refused: Refused) -> None:
    assert refused("""
        class Basket(NamedTuple):
            total: int

        class Shop(Protocol):
            @query
            async def find(self, what: Basket) -> None: ...
    """) == "Shop.find: parameter what is Basket, which crosses without the names of its fields: use a Value."


def test_any_is_refused(refused: Refused) -> None:
    assert refused("""
        class Shop(Protocol):
            @query
            async def find(self, what: Any) -> None: ...
    """) == "Shop.find: parameter what is Any, which says nothing of what crosses: name its type."


def test_object_is_refused(refused: Refused) -> None:
    assert refused("""
        class Shop(Protocol):
            @query
            async def find(self, what: object) -> None: ...
    """) == "Shop.find: parameter what is object, which says nothing of what crosses: name its type."


def test_a_tuple_that_does_not_say_of_what_is_refused(refused: Refused) -> None:
    assert refused("""
        class Shop(Protocol):
            @query
            async def find(self, what: tuple) -> None: ...
    """) == "Shop.find: parameter what is tuple, which does not say of what: write tuple[..., ...]."


def test_a_frozenset_that_does_not_say_of_what_is_refused(refused: Refused) -> None:
    assert refused("""
        class Shop(Protocol):
            @query
            async def find(self, what: frozenset) -> None: ...
    """) == "Shop.find: parameter what is frozenset, which does not say of what: write frozenset[...]."


def test_an_ordinary_class_is_refused(refused: Refused) -> None:
    assert refused("""
        class Basket: ...

        class Shop(Protocol):
            @query
            async def find(self, what: Basket) -> None: ...
    """) == (
        "Shop.find: parameter what is Basket, which cannot cross between modules: use a Value, or a plain type."
    )


def test_a_fault_is_refused_as_a_parameter(refused: Refused) -> None:
    assert refused("""
        class Empty(Fault):
            cart: str

        class Shop(Protocol):
            @query
            async def find(self, what: Empty) -> None: ...
    """) == "Shop.find: parameter what is Empty, which is raised, not passed: name it in raises=, or use a Value."


def test_a_contract_is_refused_as_a_parameter(refused: Refused) -> None:
    assert refused("""
        class Shop(Protocol):
            @query
            async def find(self, what: Shop) -> None: ...
    """) == (
        "Shop.find: parameter what is Shop, which is a contract: objects do not cross; "
        "let the other module ask for it in its __init__."
    )


def test_a_union_that_cannot_be_told_apart_is_refused(refused: Refused) -> None:
    assert refused("""
        class Card(Value):
            token: str
        class Cash(Value):
            amount: int

        class Shop(Protocol):
            @query
            async def find(self, what: Card | Cash) -> None: ...
    """) == (
        "Shop.find: parameter what is Card | Cash, whose alternatives look alike once encoded: "
        "tag its values, as in `class Card(Value, tag=True)`, and use one plain type at most."
    )


def test_a_type_that_is_not_imported_is_refused(refused: Refused) -> None:
    assert refused("""
        class Shop(Protocol):
            @query
            async def find(self, what: Basket) -> None: ...
    """) == (
        "Shop.find: name 'Basket' is not defined: "
        "import every type of its annotations, and not under TYPE_CHECKING."
    )
