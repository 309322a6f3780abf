"""What is refused of an implementation: it must keep its contract, and ask only for what there is."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from types import NoneType, UnionType
from typing import Any, Generic, Union, get_args, get_origin

from craton.checking import check_event, check_method, events_in
from craton.contract import MARK, Mark, Method, contract_of, hints_of, is_contract, methods_of
from craton.crossing import shown
from craton.errors import DeclarationError
from craton.module import Module
from craton.raising import unawaited, undeclared
from craton.settings import Settings

PROVIDED = frozenset({
    "craton.blobs.Blobs", "craton.calls.call.Call", "craton.calls.offload.Offload", "craton.data.database.Database",
    "craton.edge.authentication.Tokens", "craton.edge.door.Door", "craton.messages.events.Events",
    "craton.messages.streams.Streams", "craton.sagas.saga.Saga", "craton.sources.Clock", "craton.sources.Ids",
    "craton.tasks.tasks.Tasks", "random.Random",
})
"""What every implementation may ask for; by name, since these come from layers that build on this one."""
OUTSIDE = PROVIDED - {
    "craton.data.database.Database", "craton.messages.events.Events", "craton.messages.streams.Streams",
    "craton.sagas.saga.Saga", "craton.tasks.tasks.Tasks",
} | {"craton.run.operating.Operator"}
"""What an ASGI application may ask for besides contracts and settings: what needs no transaction of its own, and
an operator's means."""


Factory = Callable[..., Any]
"""What is made of its needs: an implementation's class, or what makes an ASGI application."""


def needs_of(implementation: Factory) -> dict[str, type]:
    """What an implementation asks for: the parameters of its `__init__`, by annotation; an optional one without its
    None."""
    return {name: needed(hint)[0] for name, hint in hints_of_needs(implementation).items()}


def needed(hint: Any) -> tuple[Any, bool]:
    """The type of a need, and whether it is optional: `Recommendations | None`."""
    kinds = get_args(hint) if get_origin(hint) in (Union, UnionType) else ()
    others = [kind for kind in kinds if kind is not NoneType]
    return (others[0], True) if len(others) == 1 and len(kinds) == 2 else (hint, False)


def hints_of_needs(implementation: Factory) -> dict[str, Any]:
    """The annotations of the parameters of `__init__`, or of a function; an ASGI application itself has none."""
    if inspect.isfunction(implementation):
        return hints_of_parameters(implementation, implementation.__name__, skip=0)
    if not isinstance(implementation, type):
        return {}
    made = object.__init__  # which typing gives a protocol's subclass without an `__init__` when it is first made
    makers = [c for c in implementation.__mro__ if vars(c).get("__init__", made) is not made and not is_protocol(c)]
    if not makers:
        return {}
    return hints_of_parameters(vars(makers[0])["__init__"], f"{implementation.__name__}.__init__", skip=1)


def hints_of_parameters(function: Any, where: str, *, skip: int) -> dict[str, Any]:
    """The annotations of a function's parameters, but for the first ones."""
    hints, parameters = hints_of(function, where), list(inspect.signature(function).parameters.values())[skip:]
    for p in parameters:
        if p.name not in hints or p.kind not in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY):
            raise DeclarationError(
                f"{where}: {p.name} does not say what it asks for: annotate it with a contract or a part of Craton."
            )
    return {p.name: hints[p.name] for p in parameters}


def is_protocol(kind: type) -> bool:
    """Whether a class is a Protocol: such have an `__init__` of their own, which makes nothing."""
    return bool(getattr(kind, "_is_protocol", False))


def check_implementation(module: Module, implementation: type) -> None:
    """Refuse an implementation that does not keep its contract."""
    if not isinstance(implementation, type):
        raise DeclarationError(
            f"module {module.name}: {module.implementation} is no class: name the class that implements the contract."
        )
    name, contract = implementation.__name__, contract_of(implementation)
    if contract is not module.contract:
        raise DeclarationError(
            f"module {module.name} promises {module.contract.__name__}, but {name} implements {contract.__name__}: "
            "correct one of the two."
        )
    own = [kind for kind in implementation.__mro__ if kind is not Generic and not is_protocol(kind)]
    if any("__slots__" in vars(kind) for kind in own):
        raise DeclarationError(f"{name} has __slots__, but commands are wrapped on the instance: remove __slots__.")
    promised = methods_of(contract)
    for method in promised.values():
        check_promise(implementation, contract, method)
    for method in methods_of(implementation).values():
        if method.name not in promised:
            check_internal(implementation, method)
        check_faults(implementation, method)
        if method.kind == "saga":
            check_waits(implementation, method)
    for event in events_in(inspect.getmodule(implementation)):
        check_event(event)


def check_site(module: Module, factory: Any) -> None:
    """Refuse what neither is an ASGI application nor makes one."""
    where = f"module {module.name}: {module.asgi}"
    if inspect.iscoroutinefunction(factory):
        raise DeclarationError(
            f"{where} is async: name a plain function, which takes its needs and returns the application."
        )
    if not callable(factory):
        raise DeclarationError(f"{where} is no ASGI application: name one, or a function that makes one of its needs.")
    for name, kind in needs_of(factory).items():
        if place_of(kind) in PROVIDED and place_of(kind) not in OUTSIDE:
            raise DeclarationError(
                f"{where}: {name} asks for {kind.__name__}, but pages run in no transaction: "
                "write a command or a saga in a module with a contract, and ask for that."
            )


def place_of(kind: Any) -> str:
    """Where a type stands, as PROVIDED names it."""
    return f"{getattr(kind, '__module__', '')}.{getattr(kind, '__qualname__', '')}"


def check_promise(implementation: type, contract: type, method: Method) -> None:
    """Refuse a method that is missing, or that is not what the contract says."""
    where, promise = f"{implementation.__name__}.{method.name}", f"{contract.__name__}.{method.name}"
    found = next(vars(c)[method.name] for c in implementation.__mro__ if method.name in vars(c))
    if found is getattr(contract, method.name):
        raise DeclarationError(f"{implementation.__name__} does not implement {promise}: write the method.")
    if not inspect.isfunction(found):
        raise DeclarationError(f"{where} is no method: write it as {promise} is written.")
    if isinstance(getattr(found, MARK, None), Mark):
        raise DeclarationError(f"{where} is marked again: the mark stands in {contract.__name__}; remove this one.")
    check_signature(where, found, promise, getattr(contract, method.name))
    if method.streams and inspect.iscoroutinefunction(found):
        raise DeclarationError(f"{where} is a coroutine, but {promise} is a stream: `yield` its items.")
    if not method.streams and not inspect.iscoroutinefunction(found):
        raise DeclarationError(f"{where} is not async, but {promise} is: write `async def`.")


def check_signature(where: str, found: Any, promise: str, promised: Any) -> None:
    """Refuse a signature that is not the contract's: in names, kinds, order, types, defaults and result."""
    theirs, ours = signature_of(found, where), signature_of(promised, promise)
    if theirs != ours:
        raise DeclarationError(f"{where} is {written(theirs)}, but {promise} is {written(ours)}: make them the same.")


def signature_of(function: Any, where: str) -> inspect.Signature:
    """A method's signature without `self`, its annotations resolved."""
    hints, signature = hints_of(function, where), inspect.signature(function)
    parameters = [p.replace(annotation=hints.get(p.name, p.empty)) for p in list(signature.parameters.values())[1:]]
    return signature.replace(parameters=parameters, return_annotation=hints.get("return", signature.empty))


def written(signature: inspect.Signature) -> str:
    """A signature as people write it: `(order: str, lines: tuple[Line, ...]) -> None`."""
    text, star = [], False
    for p in signature.parameters.values():
        if p.kind is p.KEYWORD_ONLY and not star:
            text.append("*")
            star = True
        stars = "*" if p.kind is p.VAR_POSITIONAL else "**" if p.kind is p.VAR_KEYWORD else ""
        default = "" if p.default is p.empty else f" = {p.default!r}"
        text.append(f"{stars}{p.name}" + ("" if p.annotation is p.empty else f": {shown(p.annotation)}") + default)
    result = "" if signature.return_annotation is signature.empty else f" -> {shown(signature.return_annotation)}"
    return f"({', '.join(text)}){result}"


def check_internal(implementation: type, method: Method) -> None:
    """Refuse a method of the implementation's own, such as a saga's step, that breaks a law or wants a route."""
    where = f"{implementation.__name__}.{method.name}"
    if method.route:
        raise DeclarationError(
            f"{where} has a route, but is in no contract: the edge serves contracts; declare it in one."
        )
    if method.on or method.awaits:
        raise DeclarationError(
            f"{where} hears of events, but is in no contract: publishers know contracts only; declare it in one."
        )
    check_method(method, where, function=getattr(implementation, method.name))


def check_faults(implementation: type, method: Method) -> None:
    """Refuse a fault that a method raises and does not declare."""
    for fault, line in undeclared(implementation, method):
        raise DeclarationError(
            f"{implementation.__name__}.{method.name} raises {fault.__name__} (line {line}), which it does not "
            f"declare: add it to @{method.kind}(raises=...)."
        )


def check_waits(implementation: type, method: Method) -> None:
    """Refuse a wait for an event that a saga does not declare: it would never come."""
    for event, line in unawaited(implementation, method):
        raise DeclarationError(
            f"{implementation.__name__}.{method.name} waits for {event.__name__} (line {line}), which it does not "
            f"declare: add it to @saga(awaits=...)."
        )


def check_needs(module: Module, implementation: Factory, *, providers: Mapping[type, str]) -> None:
    """Refuse a need that nobody provides. `providers` are the names of modules, by contract."""
    for parameter, hint in hints_of_needs(implementation).items():
        made = "" if inspect.isfunction(implementation) else ".__init__"
        where, (kind, optional) = f"{implementation.__name__}{made}: {parameter}", needed(hint)
        if kind is module.contract:
            raise DeclarationError(f"{where} asks for its own contract {shown(kind)}: call self instead.")
        if optional and is_contract(kind):
            continue  # None where no module provides it
        if optional:
            raise DeclarationError(f"{where} may be None, but only contracts can be missing: drop `| None`.")
        if place_of(kind) == "craton.tasks.tasks.Tasks" and not (module.tasks or module.asgi):
            raise DeclarationError(f"{where} asks for Tasks, but {module.name} has none: give Module(tasks={{...}}).")
        if kind in providers or place_of(kind) in (OUTSIDE if module.asgi else PROVIDED):
            continue
        if is_contract(kind):
            raise DeclarationError(
                f"{where} asks for {shown(kind)}, but no module provides it: add one to the Application."
            )
        if isinstance(kind, type) and issubclass(kind, Settings):
            if kind is not module.settings:
                raise DeclarationError(
                    f"{where} asks for {kind.__name__}: write Module({module.name!r}, ..., settings={kind.__name__})."
                )
            continue
        raise DeclarationError(f"{where} asks for {shown(kind)}, which nobody provides: {instead(kind, providers)}.")


def instead(kind: Any, providers: Mapping[type, str]) -> str:
    """What to ask for in place of what nobody provides."""
    contracts = [c for c in providers if isinstance(kind, type) and c in kind.__mro__]
    if contracts:
        return f"ask for the contract, {contracts[0].__name__}"
    parts = ", ".join(sorted(name.rpartition(".")[2] for name in PROVIDED))
    return f"ask for a contract, a Settings class, or one of {parts}"


def check_cycles(needs: Mapping[str, tuple[str, ...]]) -> None:
    """Refuse modules that need each other in a circle; `needs` are names of modules."""
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        if name in path:
            circle = " -> ".join((*path[path.index(name):], name))
            raise DeclarationError(
                f"modules need each other in a circle: {circle}: break it with an event, or move what they share."
            )
        if name not in done:
            for needed in needs.get(name, ()):
                visit(needed, (*path, name))
            done.add(name)

    for name in needs:
        visit(name, ())
