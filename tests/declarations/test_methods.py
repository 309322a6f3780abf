"""What breaks the rules for methods of a contract is refused."""

from __future__ import annotations

from collections.abc import Callable

Refused = Callable[[str], str]


def test_a_method_without_async_is_refused(refused: Refused) -> None:
    assert refused("""
        class Shop(Protocol):
            @query
            def find(self, sku: str) -> str: ...
    """) == "Shop.find is not async: write `async def`, since the call may leave the process."


def test_a_method_without_a_mark_is_refused(refused: Refused) -> None:
    assert refused("""
        class Shop(Protocol):
            @query
            async def find(self, sku: str) -> str: ...
            async def buy(self, sku: str) -> str: ...
    """) == "Shop.buy has no mark: mark it @query, @command, @saga or @effect."


def test_an_attribute_is_refused(refused: Refused) -> None:
    assert refused("""
        class Shop(Protocol):
            name: str
            @query
            async def find(self, sku: str) -> str: ...
    """) == "Shop.name is no method: a contract holds methods only; make it a @query."


def test_a_property_is_refused(refused: Refused) -> None:
    assert refused("""
        class Shop(Protocol):
            @property
            def name(self) -> str: ...
            @query
            async def find(self, sku: str) -> str: ...
    """) == "Shop.name is no method: a contract holds methods only; make it a @query."


def test_a_contract_without_methods_is_refused(refused: Refused) -> None:
    assert refused("""
        class Shop(Protocol):
            ...
    """) == "Shop has no methods: a contract needs at least one, marked @query or @command."


def test_a_class_that_is_no_protocol_is_refused_as_a_contract(refused: Refused) -> None:
    assert refused("""
        class Shop:
            @query
            async def find(self, sku: str) -> str: ...
    """) == "Shop is no contract: a contract is a typing.Protocol with marked methods."


def test_a_parameter_without_a_type_is_refused(refused: Refused) -> None:
    assert refused("""
        class Shop(Protocol):
            @query
            async def find(self, sku) -> str: ...
    """) == "Shop.find: parameter sku has no type: annotate it."


def test_a_method_without_a_return_type_is_refused(refused: Refused) -> None:
    assert refused("""
        class Shop(Protocol):
            @query
            async def find(self, sku: str): ...
    """) == "Shop.find has no return type: annotate it (`-> None` where there is none)."


def test_a_parameter_with_a_star_is_refused(refused: Refused) -> None:
    assert refused("""
        class Shop(Protocol):
            @query
            async def find(self, *skus: str) -> str: ...
    """) == "Shop.find: parameter skus is variadic positional: give each argument a name and a type."


def test_a_parameter_without_a_name_is_refused(refused: Refused) -> None:
    assert refused("""
        class Shop(Protocol):
            @query
            async def find(self, sku: str, /) -> str: ...
    """) == "Shop.find: parameter sku is positional-only: give each argument a name and a type."


def test_a_stream_written_as_a_coroutine_is_refused(refused: Refused) -> None:
    assert refused("""
        class Shop(Protocol):
            @query
            async def follow(self, sku: str) -> AsyncIterator[int]: ...
    """) == "Shop.follow is `async def`, but a stream is `def ... -> AsyncIterator[T]`: drop the async."


def test_a_command_that_streams_is_refused(refused: Refused) -> None:
    assert refused("""
        class Shop(Protocol):
            @command
            def follow(self, sku: str) -> AsyncIterator[int]: ...
    """) == "Shop.follow is a command that streams: only queries stream; return a value."


def test_a_stream_inside_a_result_is_refused(refused: Refused) -> None:
    assert refused("""
        class Shop(Protocol):
            @query
            async def follow(self, sku: str) -> tuple[AsyncIterator[int], ...]: ...
    """) == (
        "Shop.follow: its result is AsyncIterator[int], which is no value: "
        "a query streams as `def name(self) -> AsyncIterator[T]`."
    )


def test_a_stream_of_lists_is_refused(refused: Refused) -> None:
    assert refused("""
        class Shop(Protocol):
            @query
            def follow(self, sku: str) -> AsyncIterator[list[int]]: ...
    """) == "Shop.follow: its result is list[int], which can be changed by whoever holds it: use tuple[int, ...]."


def test_a_secret_in_the_result_of_a_command_is_refused(refused: Refused) -> None:
    assert refused("""
        class Shop(Protocol):
            @command
            async def sign_in(self, name: str) -> Secret: ...
    """) == (
        "Shop.sign_in: its result is a Secret, but the answers of commands are stored under their keys: "
        "return what may be stored."
    )


def test_a_secret_inside_the_result_of_a_command_is_refused(refused: Refused) -> None:
    assert refused("""
        class Session(Value):
            token: Secret
        class Shop(Protocol):
            @command
            async def sign_in(self, name: str) -> Session: ...
    """) == (
        "Shop.sign_in: its result: Session.token is a Secret, "
        "but the answers of commands are stored under their keys: return what may be stored."
    )


def test_a_secret_in_the_arguments_of_a_saga_is_refused(refused: Refused) -> None:
    assert refused("""
        class Shop(Protocol):
            @saga
            async def checkout(self, card: Secret) -> None: ...
    """) == (
        "Shop.checkout: parameter card is a Secret, but the arguments of sagas are stored: "
        "exchange it for a token first, with a command."
    )


def test_a_secret_in_the_result_of_a_saga_is_refused(refused: Refused) -> None:
    assert refused("""
        class Shop(Protocol):
            @saga
            async def checkout(self, cart: str) -> Secret | None: ...
    """) == (
        "Shop.checkout: its result is a Secret, but the answers of sagas are stored under their keys: "
        "return what may be stored."
    )


def test_a_secret_in_the_arguments_of_an_effect_is_refused(refused: Refused) -> None:
    assert refused("""
        class Card(Value):
            number: Secret
        class Shop(Protocol):
            @effect
            async def charge(self, card: Card) -> None: ...
    """) == (
        "Shop.charge: parameter card: Card.number is a Secret, but the arguments of effects are stored: "
        "exchange it for a token first, with a command."
    )


def test_a_role_that_is_none_is_refused(refused: Refused) -> None:
    assert refused("""
        class Shop(Protocol):
            @query(allow='Admins only')
            async def find(self, sku: str) -> str: ...
    """) == "Shop.find: allow='Admins only' is no role: write 'anyone', 'caller' or a role such as 'admin'."
