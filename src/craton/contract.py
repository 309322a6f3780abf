"""Contracts: protocols whose methods are marked query, command, saga or effect."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints, overload

import msgspec

from craton.errors import DeclarationError
from craton.values import Event, Fault

Kind = Literal["query", "command", "saga", "effect"]
Verb = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
F = TypeVar("F", bound=Callable[..., Coroutine[Any, Any, Any] | AsyncIterator[Any]])
Faults = type[Fault] | tuple[type[Fault], ...]
EventTypes = type[Event] | tuple[type[Event], ...]
MARK = "__craton_mark__"


@dataclass(frozen=True, slots=True)
class Route:
    """Where the edge serves a method: `GET /stock/{sku}`."""

    verb: Verb
    path: str


@dataclass(frozen=True, slots=True)
class Mark:
    """What a decorator says of a method."""

    kind: Kind
    route: Route | None
    raises: tuple[type[Fault], ...]
    allow: str
    version: int = 1
    awaits: tuple[type[Event], ...] = ()
    on: tuple[type[Event], ...] = ()
    keyed: bool = True
    sign_in: bool = False


@dataclass(frozen=True, slots=True)
class Method:
    """One method of a contract, with all that links, edge and storage need to know of it.

    `arguments` is a frozen struct with the parameters as fields: it is what crosses in place of `(*args, **kwargs)`.
    A saga has the `version` of its code, and the events that it `awaits`. `on`: the events that call the method.
    `keyed`: whether it is done once per key, and its answer stored. `sign_in`: whether it is for a few tries a minute.
    """

    name: str
    kind: Kind
    arguments: type[msgspec.Struct]
    result: Any
    raises: tuple[type[Fault], ...] = ()
    route: Route | None = None
    allow: str = "caller"
    streams: bool = False
    version: int = 1
    awaits: tuple[type[Event], ...] = ()
    on: tuple[type[Event], ...] = ()
    keyed: bool = True
    sign_in: bool = False
    signature: inspect.Signature = field(default_factory=inspect.Signature, compare=False)
    names: tuple[str, ...] = ()
    """Its parameters, where all of them may be given by their place."""

    def bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> msgspec.Struct:
        """The arguments of one call; TypeError where they do not fit."""
        if not kwargs and len(args) == len(self.names):  # the usual call
            return self.arguments(*args)
        return self.arguments(**self.signature.bind(*args, **kwargs).arguments)


class Marker:
    """A decorator that says what a method is, and changes nothing about it."""

    def __init__(self, kind: Kind) -> None:
        self.kind: Kind = kind

    @overload
    def __call__(self, method: F, /) -> F: ...
    @overload
    def __call__(
        self, /, *, get: str | None = None, post: str | None = None, put: str | None = None, patch: str | None = None,
        delete: str | None = None, raises: Faults = (), allow: str = "caller", version: int = 1,
        awaits: EventTypes = (), keyed: bool = True, sign_in: bool = False,
    ) -> Callable[[F], F]: ...
    def __call__(self, method: Any = None, /, **options: Any) -> Any:
        """Mark a method.

        `get`, `post`, `put`, `patch`, `delete`: the path at the edge, with `{parameter}` where one stands in it.
        `raises`: the faults it may answer with. `allow`: who may call it from outside: "anyone", "caller" (whoever has
        a token, guests included), or a role such as "user" or "admin". Of a saga, `version`: that of its code;
        `awaits`: the events that it waits for. A command with `keyed=False` takes no key: its answer is not stored,
        and may hold a Secret; it is done again whenever it is asked again. `sign_in=True`: it checks a password or the
        like, so the edge lets one address try only now and then.
        """
        mark = mark_of(self.kind, **options)

        def apply(f: F) -> F:
            if hasattr(f, MARK):
                raise DeclarationError(f"{f.__qualname__} is marked twice: keep one mark, and write @on(...) above it.")
            setattr(f, MARK, mark)
            return f

        return apply if method is None else apply(method)


def mark_of(
    kind: Kind, *, raises: Faults = (), allow: str = "caller", version: int = 1, awaits: EventTypes = (),
    keyed: bool = True, sign_in: bool = False, **routes: str | None,
) -> Mark:
    """The mark that a decorator leaves."""
    found = [Route(verb.upper(), path) for verb, path in routes.items() if path is not None]  # type: ignore[arg-type]
    if len(found) > 1:
        paths = " and ".join(f"{route.verb} {route.path}" for route in found)
        raise DeclarationError(f"@{kind} was given {paths}: give a method one route.")
    if kind != "saga" and (version != 1 or awaits):
        raise DeclarationError(f"@{kind} was given version= or awaits=: only a saga has a version, and waits.")
    if kind != "command" and not keyed:
        raise DeclarationError(f"@{kind} was given keyed=False: only a command may do without a key.")
    route = found[0] if found else None
    return Mark(kind, route, listed(raises), allow, version, listed(awaits), keyed=keyed, sign_in=sign_in)


def listed(one_or_more: Any) -> tuple[Any, ...]:
    """One or more, as a tuple."""
    return one_or_more if isinstance(one_or_more, tuple) else (one_or_more,)


def on(*events: type[Event]) -> Callable[[F], F]:
    """Mark a method that events call: `@on(OrderPlaced)`, in the contract of the module that wants to hear of them.

    It takes the event, or a union of those named, and returns None. It is a command; over `@saga`, a saga.
    """
    if not events:
        raise DeclarationError("@on names no event: write @on(OrderPlaced).")

    def apply(f: F) -> F:
        setattr(f, MARK, replace(getattr(f, MARK, Mark("command", None, (), "caller")), on=events))
        return f

    return apply


query = Marker("query")
command = Marker("command")
saga = Marker("saga")
effect = Marker("effect")


def is_contract(kind: object) -> bool:
    """Whether it is a Protocol class with marked methods of its own or of its bases."""
    return isinstance(kind, type) and getattr(kind, "_is_protocol", False) and bool(marks_of(kind))


def marks_of(kind: type) -> dict[str, Mark]:
    """The marks of a class and its bases, by method name."""
    found: dict[str, Mark] = {}
    for base in reversed(kind.__mro__):
        found |= {n: m for n, v in vars(base).items() if isinstance(m := getattr(v, MARK, None), Mark)}
    return found


def contract_of(implementation: type) -> type:
    """The one contract that a class implements."""
    found = [base for base in implementation.__mro__[1:] if is_contract(base)]
    own = [c for c in found if not any(c is not d and c in d.__mro__ for d in found)]
    if len(own) != 1:
        names = ", ".join(c.__name__ for c in own) or "none"
        raise DeclarationError(f"{implementation.__name__} must subclass exactly one contract, and subclasses {names}.")
    return own[0]


@cache
def methods_of(kind: type) -> dict[str, Method]:
    """The marked methods of a contract, or of an implementation (its contract's and the marked ones of its own)."""
    return {name: method_of(kind, name, mark) for name, mark in marks_of(kind).items()}


def method_of(kind: type, name: str, mark: Mark) -> Method:
    """One method, read from its signature and its mark."""
    where = f"{kind.__name__}.{name}"
    function = getattr(kind, name)
    hints = hints_of(function, where)
    signature = inspect.signature(function)
    parameters = list(signature.parameters.values())[1:]
    for p in parameters:
        if p.kind not in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY):
            raise DeclarationError(
                f"{where}: parameter {p.name} is {p.kind.description}: give each argument a name and a type."
            )
        if p.name not in hints:
            raise DeclarationError(f"{where}: parameter {p.name} has no type: annotate it.")
    if "return" not in hints:
        raise DeclarationError(f"{where} has no return type: annotate it (`-> None` where there is none).")
    by_place = all(p.kind is p.POSITIONAL_OR_KEYWORD for p in parameters)
    fields = [(p.name, hints[p.name], *(() if p.default is p.empty else (p.default,))) for p in parameters]
    arguments = msgspec.defstruct(  # what has its default is left out, so that a parameter added later changes no key
        f"{kind.__name__}_{name}", fields, frozen=True, kw_only=not by_place, omit_defaults=True,
        module=kind.__module__,
    )
    result, streams = hints["return"], get_origin(hints["return"]) is AsyncIterator
    return Method(
        name=name, kind=mark.kind, raises=mark.raises, route=mark.route, allow=mark.allow, streams=streams,
        version=mark.version, awaits=mark.awaits, on=mark.on, keyed=mark.keyed, sign_in=mark.sign_in,
        arguments=arguments, result=get_args(result)[0] if streams else result,
        signature=signature.replace(parameters=parameters),
        names=tuple(p.name for p in parameters) if by_place else (),
    )


def hints_of(function: Any, where: str) -> dict[str, Any]:
    """The types in a function's annotations, or in those of a class."""
    try:
        return get_type_hints(function, include_extras=True)
    except NameError as error:
        raise DeclarationError(
            f"{where}: {error}: import every type of its annotations, and not under TYPE_CHECKING."
        ) from error
