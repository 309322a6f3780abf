"""Faults and events that could not be stored, told apart or sent are refused."""

from __future__ import annotations

from collections.abc import Callable

Refused = Callable[[str], str]


def test_a_raises_that_is_no_fault_is_refused(refused: Refused) -> None:
    assert refused("""
        class Shop(Protocol):
            @command(raises=ValueError)
            async def buy(self, sku: str) -> None: ...
    """) == "Shop.buy: raises= names ValueError, which is no fault: subclass Fault."


def test_a_raises_of_fault_itself_is_refused(refused: Refused) -> None:
    assert refused("""
        class Shop(Protocol):
            @command(raises=Fault)
            async def buy(self, sku: str) -> None: ...
    """) == "Shop.buy: raises= names Fault itself: name the faults that the method raises."


def test_two_faults_of_one_name_are_refused(refused: Refused) -> None:
    assert refused("""
        class Gone(Fault):
            sku: str
        Other = type('Gone', (Fault,), {})
        class Shop(Protocol):
            @command(raises=(Gone, Other))
            async def buy(self, sku: str) -> None: ...
    """) == "Shop.buy: raises= names Gone twice: faults are told apart by name; keep or rename one."


def test_a_status_of_the_server_is_refused_for_a_fault(refused: Refused) -> None:
    assert refused("""
        class Broken(Fault, status=500):
            why: str
    """) == "Broken: status 500 is none of a fault: give it one of 400 to 499."


def test_a_status_of_success_is_refused_for_a_fault(refused: Refused) -> None:
    assert refused("""
        class Fine(Fault, status=200):
            why: str
    """) == "Fine: status 200 is none of a fault: give it one of 400 to 499."


def test_a_secret_in_a_fault_is_refused(refused: Refused) -> None:
    assert refused("""
        class Denied(Fault):
            card: Secret
        class Shop(Protocol):
            @command(raises=Denied)
            async def buy(self, sku: str) -> None: ...
    """) == "Denied.card is a Secret, but a fault is stored as an answer: leave it out."


def test_a_list_in_a_fault_is_refused(refused: Refused) -> None:
    assert refused("""
        class Gone(Fault):
            skus: list[str]
        class Shop(Protocol):
            @command(raises=Gone)
            async def buy(self, sku: str) -> None: ...
    """) == "Gone.skus is list[str], which can be changed by whoever holds it: use tuple[str, ...]."


def test_a_field_that_hides_what_a_fault_has_is_refused(refused: Refused) -> None:
    assert refused("""
        class Gone(Fault):
            args: str
        class Shop(Protocol):
            @command(raises=Gone)
            async def buy(self, sku: str) -> None: ...
    """) == "Gone.args hides what every fault has under this name: rename the field."


def test_a_secret_in_an_event_is_refused(refused: Refused) -> None:
    assert refused("""
        class SignedUp(Event, key='user'):
            user: str
            password: Secret
        class Shop(Protocol):
            @query
            async def find(self, sku: str) -> None: ...
    """) == "SignedUp.password is a Secret, but an event is stored and sent to every subscriber: leave it out."


def test_a_secret_inside_a_value_in_an_event_is_refused(refused: Refused) -> None:
    assert refused("""
        class Login(Value):
            password: Secret | None
        class SignedUp(Event):
            login: Login
        class Shop(Protocol):
            @query
            async def find(self, sku: str) -> None: ...
    """) == (
        "SignedUp.login: Login.password is a Secret, but an event is stored and sent to every subscriber: "
        "leave it out."
    )


def test_a_list_in_an_event_is_refused(refused: Refused) -> None:
    assert refused("""
        class Sold(Event):
            skus: list[str]
        class Shop(Protocol):
            @query
            async def find(self, sku: str) -> None: ...
    """) == "Sold.skus is list[str], which can be changed by whoever holds it: use tuple[str, ...]."


def test_a_key_that_is_no_field_of_its_event_is_refused(refused: Refused) -> None:
    assert refused("""
        class Sold(Event, key='order'):
            sku: str
    """) == "Sold: its key 'order' is none of its fields: name the field that events are ordered by."


def test_a_key_that_is_no_plain_type_is_refused(refused: Refused) -> None:
    assert refused("""
        class Sold(Event, key='skus'):
            skus: tuple[str, ...]
        class Shop(Protocol):
            @query
            async def find(self, sku: str) -> None: ...
    """) == "Sold.skus is tuple[str, ...], which cannot be a key: name a field of a plain type."


def test_a_field_that_hides_what_an_event_has_is_refused(refused: Refused) -> None:
    assert refused("""
        class Sold(Event):
            ordered_by: str
        class Shop(Protocol):
            @query
            async def find(self, sku: str) -> None: ...
    """) == "Sold.ordered_by hides what every event has under this name: rename the field."


def test_a_secret_in_an_event_of_an_implementation_is_refused(refused: Refused) -> None:
    assert refused("""
        class Shop(Protocol):
            @query
            async def find(self, sku: str) -> None: ...

        class Desk(Shop):
            async def find(self, sku: str) -> None: ...

        class Paid(Event):
            card: Secret
    """) == "Paid.card is a Secret, but an event is stored and sent to every subscriber: leave it out."
