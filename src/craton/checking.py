"""What is refused of an application's names, contracts, routes, faults and events, before anything is loaded."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from types import NoneType
from typing import Any, Generic, Protocol, get_args, get_origin

import msgspec

from craton.contract import Method, marks_of, methods_of
from craton.crossing import UNIONS, check_crossing, check_no_secret, fields_of, is_textual, shown
from craton.errors import DeclarationError
from craton.module import Module, Pages
from craton.routes import check_route
from craton.settings import Settings
from craton.values import Event, Fault, Secret, body_of

NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
ROLE = re.compile(r"[a-z][a-z0-9_-]*")
TAKEN = re.compile(r"gateway|edge|craton|public|information_schema|pg_.*|sqlite(_.*)?")
"""Names that would clash with the gateway, with settings of the edge, or with what databases keep for themselves."""


def check_name(name: str, what: str) -> None:
    """Refuse a name that cannot name a service, a schema, a table or a variable alike."""
    if not NAME.fullmatch(name) or len(name) > 40:
        raise DeclarationError(
            f"{what} {name!r}: a name is made of lower-case letters, digits and single underscores, begins with a "
            "letter, and has at most 40 characters."
        )
    if TAKEN.fullmatch(name):
        raise DeclarationError(f"{what} {name!r}: this name is reserved: choose another.")


def check_modules(application: str, modules: Sequence[Module]) -> None:
    """Refuse modules that cannot be told apart: by name, contract, tables, migrations or route."""
    if not modules:
        raise DeclarationError(f"application {application} has no modules: list at least one.")
    for module in modules:
        check_name(module.name, "module")
    check_claims((m.name, m.name) for m in modules)
    for module in modules:
        for other in modules:
            if other.name.startswith(f"{module.name}_"):
                raise DeclarationError(
                    f"modules {module.name} and {other.name}: tables and settings named {other.name}_... could be of "
                    f"either: rename one, so that neither begins with the other and an underscore."
                )
    for module in modules:
        check_form(module)
    check_claims((f"contract {m.contract.__name__}", m.name) for m in modules if not m.asgi)
    check_claims((f"path {m.path}", m.name) for m in modules if m.asgi)
    check_claims((f"tables {m.tables}", m.name) for m in modules if m.tables)
    check_claims((f"migrations {m.migrations}", m.name) for m in modules if m.migrations)


def check_form(module: Module) -> None:
    """Refuse a module that is neither a contract with its implementation nor an ASGI application, or both."""
    where = f"module {module.name}"
    if not all(path.startswith("/") and len(path) > 1 for path in module.sign_ins):
        raise DeclarationError(f"{where}: sign_ins={module.sign_ins!r} is malformed: write it like ('/login',).")
    if not module.asgi:
        if module.contract is Pages or not module.implementation:
            raise DeclarationError(f"{where} has no contract and implementation: give it both, or asgi=.")
        if module.path != "/":
            raise DeclarationError(f"{where}: path= is where asgi= is served: a contract's methods have routes.")
        if module.sign_ins:
            raise DeclarationError(f"{where}: sign_ins= are forms of asgi=: mark methods with sign_in=True.")
    elif module.contract is not Pages or module.implementation:
        raise DeclarationError(f"{where} has a contract and asgi=: make two modules of it, the second one asking "
                               "for the contract of the first.")
    elif module.tables or module.migrations:
        raise DeclarationError(f"{where}: the tables of an ASGI application are its own affair; Craton's belong to "
                               "a contract: make a module of it, and ask for that.")


def check_claims(claims: Iterable[tuple[str, str]]) -> None:
    """Refuse what two modules claim; each claim is (what, by whom)."""
    owners: dict[str, str] = {}
    for what, owner in claims:
        if what in owners and what == owner:
            raise DeclarationError(f"two modules are named {owner}: rename one.")
        if what in owners:
            raise DeclarationError(
                f"{what}: claimed by {owners[what]} and by {owner}: it can belong to only one module."
            )
        owners[what] = owner


def check_tables(module: Module, tables: Iterable[str]) -> None:
    """Refuse tables that do not bear their module's name: in a shared database that is what tells them apart."""
    for table in tables:
        if not table.startswith(f"{module.name}_"):
            raise DeclarationError(f"table {table}: it belongs to module {module.name}: name it {module.name}_{table}.")


def check_settings(module: Module) -> None:
    """Refuse settings that cannot be read from the environment."""
    if module.settings is None:
        return
    if not (isinstance(module.settings, type) and issubclass(module.settings, Settings)):
        raise DeclarationError(
            f"module {module.name}: settings={shown(module.settings)} is no subclass of Settings: make it one."
        )
    for name, kind in fields_of(module.settings).items():
        if not is_textual(kind, also=(Secret, type(None))):
            raise DeclarationError(
                f"{module.settings.__name__}.{name} is {shown(kind)}, which cannot be read from an environment "
                "variable: use a plain type, such as str."
            )


def check_contract(contract: type) -> None:
    """Refuse what is no contract, or one that could not be kept over a link."""
    if not getattr(contract, "_is_protocol", False):
        raise DeclarationError(
            f"{contract.__name__} is no contract: a contract is a typing.Protocol with marked methods."
        )
    for place, member in members_of(contract):
        if not inspect.isfunction(member):
            raise DeclarationError(f"{place} is no method: a contract holds methods only; make it a @query.")
        if member.__name__ not in marks_of(contract):
            raise DeclarationError(f"{place} has no mark: mark it @query, @command, @saga or @effect.")
    if not marks_of(contract):
        raise DeclarationError(
            f"{contract.__name__} has no methods: a contract needs at least one, marked @query or @command."
        )
    for method in methods_of(contract).values():
        check_method(method, f"{contract.__name__}.{method.name}", function=getattr(contract, method.name))
    for event in events_in(sys.modules.get(contract.__module__)):
        check_event(event)


def members_of(contract: type) -> Iterator[tuple[str, Any]]:
    """What a contract and those it inherits from declare, each with its place."""
    for kind in contract.__mro__:
        if kind not in (Protocol, Generic, object):
            declared = vars(kind).get("__annotations__", {}) | vars(kind)
            yield from ((f"{kind.__name__}.{n}", v) for n, v in declared.items() if not n.startswith("_"))


def check_method(method: Method, where: str, *, function: Any) -> None:
    """Refuse a method that could not be called over a link, or that would break a law."""
    check_async(method, where, function=function)
    if method.on:
        check_handler(method, where)
    for field in msgspec.structs.fields(method.arguments):
        if method.kind == "saga" or not method.on:  # a command's events are read one by one, by their names
            check_crossing(field.type, f"{where}: parameter {field.name}")
    check_crossing(method.result, f"{where}: its result")
    check_stored(method, where)
    check_raises(method, where)
    check_awaits(method, where)
    if not (isinstance(method.allow, str) and ROLE.fullmatch(method.allow)):
        raise DeclarationError(
            f"{where}: allow={method.allow!r} is no role: write 'anyone', 'caller' or a role such as 'admin'."
        )
    if method.route:
        check_route(method, method.route, where)


def check_async(method: Method, where: str, *, function: Any) -> None:
    """Refuse methods that block, and streams that are none."""
    waits = inspect.iscoroutinefunction(function)
    if method.streams and waits:
        raise DeclarationError(
            f"{where} is `async def`, but a stream is `def ... -> AsyncIterator[T]`: drop the async."
        )
    if method.streams and method.kind != "query":
        raise DeclarationError(f"{where} is a {method.kind} that streams: only queries stream; return a value.")
    if not method.streams and not waits:
        raise DeclarationError(f"{where} is not async: write `async def`, since the call may leave the process.")


def check_stored(method: Method, where: str) -> None:
    """Refuse secrets in what is stored: answers of keyed calls, and the arguments of sagas and effects."""
    if method.kind == "query":
        return
    if method.kind != "command":
        reason = f"the arguments of {method.kind}s are stored: exchange it for a token first, with a command"
        for field in msgspec.structs.fields(method.arguments):
            check_no_secret(field.type, f"{where}: parameter {field.name}", reason=reason)
    if method.keyed:
        reason = f"the answers of {method.kind}s are stored under their keys: return what may be stored"
        check_no_secret(method.result, f"{where}: its result", reason=reason)


def check_handler(method: Method, where: str) -> None:
    """Refuse a handler that its events could not call."""
    check_events(method.on, f"{where}: @on")
    if method.kind not in ("command", "saga"):
        raise DeclarationError(f"{where} is marked @on and @{method.kind}: write @on alone, or over @saga.")
    names = " | ".join(kind.__name__ for kind in method.on)
    takes = [field.type for field in msgspec.structs.fields(method.arguments)]
    kinds = get_args(takes[0]) if takes and get_origin(takes[0]) in UNIONS else takes
    if len(takes) != 1 or set(kinds) != set(method.on) or method.result is not NoneType:
        form = f"async def {method.name}(self, event: {names}) -> None"
        raise DeclarationError(f"{where} hears of {names}: write `{form}`.")
    if method.route:
        raise DeclarationError(f"{where} has a route, but only events call it: remove the route.")
    if method.raises and method.kind == "command":
        raise DeclarationError(
            f"{where} declares {method.raises[0].__name__}, but nobody would hear of it: catch it, or make it a @saga."
        )


def check_awaits(method: Method, where: str) -> None:
    """Refuse a saga that waits for what is no event, or whose version cannot be compared."""
    check_events(method.awaits, f"{where}: awaits=")
    if not (isinstance(method.version, int) and method.version >= 1):
        raise DeclarationError(f"{where}: version={method.version!r} is no version: count from 1.")


def check_raises(method: Method, where: str) -> None:
    """Refuse what is no fault, and faults that cannot be told apart or stored."""
    for fault in method.raises:
        if not (isinstance(fault, type) and issubclass(fault, Fault)):
            raise DeclarationError(f"{where}: raises= names {shown(fault)}, which is no fault: subclass Fault.")
        if fault is Fault:
            raise DeclarationError(f"{where}: raises= names Fault itself: name the faults that the method raises.")
        check_fault(fault)
        if fault.keeps and method.keyed:
            raise DeclarationError(f"{where}: {fault.__name__} keeps what was written: only for @command(keyed=False).")
    names = [fault.__name__ for fault in method.raises]
    for name in names:
        if names.count(name) > 1:
            raise DeclarationError(
                f"{where}: raises= names {name} twice: faults are told apart by name; keep or rename one."
            )


def check_fault(fault: type[Fault]) -> None:
    """Refuse a fault whose fields hide what an exception has, or may not cross, or may not be stored."""
    for field in msgspec.structs.fields(body_of(fault)):
        where = f"{fault.__name__}.{field.name}"
        if hasattr(Fault, field.name) or field.name == "body":
            raise DeclarationError(f"{where} hides what every fault has under this name: rename the field.")
        check_crossing(field.type, where)
        check_no_secret(field.type, where, reason="a fault is stored as an answer: leave it out")


def check_events(kinds: Iterable[Any], where: str) -> None:
    """Refuse what is no event, or none that may be stored."""
    for kind in kinds:
        if not (isinstance(kind, type) and issubclass(kind, Event) and kind is not Event):
            raise DeclarationError(f"{where} names {shown(kind)}, which is no event: subclass Event.")
        check_event(kind)


def check_event_names(modules: Iterable[Module]) -> None:
    """Refuse events that cannot be told apart: they travel under the names of their classes."""
    known: dict[str, type[Event]] = {}
    for module in modules:
        named = [kind for m in methods_of(module.contract).values() for kind in (*m.on, *m.awaits)]
        results = [task.output for task in module.tasks if issubclass(task.output, Event)]
        for event in (*events_in(sys.modules.get(module.contract.__module__)), *named, *results):
            other = known.setdefault(event.__name__, event)
            if other is not event:
                raise DeclarationError(
                    f"{event.__name__} is an event of {other.__module__} and another one of {event.__module__}: "
                    "events are told apart by name; rename one."
                )


def check_event(event: type[Event]) -> None:
    """Refuse an event whose fields hide what every event has, or may not cross, or may not be stored."""
    for name, kind in fields_of(event).items():
        where = f"{event.__name__}.{name}"
        if hasattr(Event, name):
            raise DeclarationError(f"{where} hides what every event has under this name: rename the field.")
        check_crossing(kind, where)
        check_no_secret(kind, where, reason="an event is stored and sent to every subscriber: leave it out")
        if name == event.ordered_by and not is_textual(kind):
            raise DeclarationError(f"{where} is {shown(kind)}, which cannot be a key: name a field of a plain type.")


def events_in(file: Any) -> list[type[Event]]:
    """The events that a Python file declares or imports."""
    values = {id(v): v for v in vars(file).values()} if file else {}
    return [v for v in values.values() if isinstance(v, type) and issubclass(v, Event) and v is not Event]
