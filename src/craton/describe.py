"""What an application is made of, for `craton inspect`: as a value for programs, and as text for people."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

from craton.application import Application, implementations, tables
from craton.checking import events_in
from craton.contract import Method, methods_of
from craton.crossing import fields_of, shown
from craton.implementation import Factory, hints_of_needs, needed, signature_of, written
from craton.module import Module
from craton.task import Task
from craton.topology import Topology
from craton.values import Value

WIDTH = 100
"""How wide text is for people, in characters."""


class MethodDescription(Value):
    """One method. `route` is "POST /orders"; `raises` holds the names of its faults, `on` those of the events that call
    it, and `awaits` those that the saga may wait for."""

    name: str
    kind: str
    signature: str
    route: str | None
    raises: tuple[str, ...]
    allow: str
    on: tuple[str, ...] = ()
    awaits: tuple[str, ...] = ()


class TaskDescription(Value):
    """One task, from what its jobs take to what they give. `handler`: "" where workers in other languages have it;
    `every`: when it recurs, "" for never."""

    name: str
    input: str
    output: str
    queue: str
    timeout: float
    retries: int
    weight: int
    raises: tuple[str, ...]
    handler: str = ""
    every: str = ""


class NeedDescription(Value):
    """What an implementation asks for; `module` is who provides it, None for a part of Craton or settings, and for an
    `optional` need that no module provides."""

    name: str
    type: str
    module: str | None
    optional: bool = False


class ModuleDescription(Value):
    """One module. `methods` are its contract's; `internal` the marked ones that only its implementation has.

    An ASGI application has neither contract nor implementation: `asgi` is where it stands, `path` where it is served.
    """

    name: str
    owner: str
    summary: str
    contract: str
    implementation: str
    methods: tuple[MethodDescription, ...]
    internal: tuple[MethodDescription, ...]
    needs: tuple[NeedDescription, ...]
    events: tuple[str, ...]
    tables: tuple[str, ...]
    settings: tuple[str, ...]
    asgi: str = ""
    path: str = ""
    tasks: tuple[TaskDescription, ...] = ()


class ServiceDescription(Value):
    """One service of a topology. `command`: that of a program in another language."""

    name: str
    modules: tuple[str, ...]
    replicas: int
    command: str = ""


class PoolDescription(Value):
    """Workers of a topology. `command`: that of a program in another language."""

    name: str
    queues: tuple[str, ...]
    slots: int
    replicas: int
    command: str = ""


class LinkDescription(Value):
    """A call from one module to another, over a link; calls within a service are not listed."""

    asking: str
    asked: str
    kind: str


class TopologyDescription(Value):
    """One topology: its services, the calls that leave them, and its workers."""

    name: str
    services: tuple[ServiceDescription, ...]
    links: tuple[LinkDescription, ...]
    workers: tuple[PoolDescription, ...] = ()


class Description(Value):
    """An application: its modules and topologies."""

    application: str
    modules: tuple[ModuleDescription, ...]
    topologies: tuple[TopologyDescription, ...]


def describe(application: Application, topologies: Mapping[str, Topology]) -> Description:
    """The description of an application; it loads all implementations, and so finds what is wrong with them."""
    names = [module.name for module in application.modules]
    found, owned = implementations(application, names), tables(application, names)
    modules = tuple(describe_module(application, m, found[m.name], tables=owned[m.name]) for m in application.modules)
    return Description(application.name, modules, tuple(describe_topology(t, modules) for t in topologies.values()))


def describe_module(
    application: Application, module: Module, implementation: Factory, *, tables: tuple[str, ...]
) -> ModuleDescription:
    """One module."""
    kinds = [] if module.asgi else [module.contract, cast("type", implementation)]
    promised, own = methods_of(module.contract), methods_of(kinds[1]) if kinds else {}
    files = [sys.modules[kind.__module__] for kind in kinds]
    events = {e.__name__ for file in files for e in events_in(file) if e.__module__ == file.__name__}
    prefix = f"CRATON_{module.name.upper()}_"
    return ModuleDescription(
        name=module.name, owner=module.owner, summary=summary_of(kinds[0] if kinds else implementation),
        contract=place_of(kinds[0]) if kinds else "", implementation=module.implementation, tables=tables,
        asgi=module.asgi or "", path=module.path if module.asgi else "",
        methods=tuple(describe_method(module.contract, method) for method in promised.values()),
        internal=tuple(describe_method(kinds[1], method) for name, method in own.items() if name not in promised),
        needs=tuple(describe_needs(application, implementation)),
        events=tuple(sorted(events)),
        settings=tuple(f"{prefix}{name.upper()}" for name in fields_of(module.settings)) if module.settings else (),
        tasks=tuple(describe_task(task, handler) for task, handler in module.tasks.items()),
    )


def describe_task(task: Task[Any, Any], handler: str) -> TaskDescription:
    """One task."""
    every = task.every if isinstance(task.every, str) else "" if task.every is None else f"{task.every:g} s"
    return TaskDescription(
        name=task.name, input=shown(task.input), output=shown(task.output), queue=task.queue, timeout=task.timeout,
        retries=task.retries, weight=task.weight, raises=tuple(fault.__name__ for fault in task.raises),
        handler=handler, every=every,
    )


def summary_of(made: Any) -> str:
    """The first line of the docstring of a class or a function; none of an ASGI application itself."""
    return (made.__doc__ or "").strip().partition("\n")[0] if hasattr(made, "__qualname__") else ""


def describe_method(kind: type, method: Method) -> MethodDescription:
    """One method of a contract or an implementation."""
    return MethodDescription(
        name=method.name, kind=method.kind, signature=written(signature_of(getattr(kind, method.name), method.name)),
        route=f"{method.route.verb} {method.route.path}" if method.route else None,
        raises=tuple(fault.__name__ for fault in method.raises), allow=method.allow,
        on=tuple(event.__name__ for event in method.on), awaits=tuple(event.__name__ for event in method.awaits),
    )


def describe_needs(application: Application, implementation: Factory) -> Iterator[NeedDescription]:
    """What an implementation asks for."""
    providers = {module.contract: module.name for module in application.modules}
    for name, hint in hints_of_needs(implementation).items():
        kind, optional = needed(hint)
        yield NeedDescription(name, shown(kind), providers.get(kind), optional)


def describe_topology(topology: Topology, modules: Iterable[ModuleDescription]) -> TopologyDescription:
    """One topology, with the calls that cross its services."""
    calls = sorted({(m.name, need.module) for m in modules for need in m.needs if need.module})
    links = (LinkDescription(asking, asked, topology.link(asking, asked)) for asking, asked in calls)
    return TopologyDescription(
        name=topology.name, links=tuple(link for link in links if link.kind != "local"),
        services=tuple(ServiceDescription(s.name, s.modules, s.replicas, s.command) for s in topology.services),
        workers=tuple(PoolDescription(p.name, p.queues, p.slots, p.replicas, p.command) for p in topology.workers),
    )


def place_of(kind: type) -> str:
    """Where a class stands: "apps.store.orders.contract:Orders"."""
    return f"{kind.__module__}:{kind.__qualname__}"


def text(description: Description) -> str:
    """A description for people."""
    modules = [line for module in description.modules for line in ("", *module_lines(module))]
    topologies = [line for topology in description.topologies for line in ("", *topology_lines(topology))]
    return "\n".join([f"application {description.application}", *modules, *topologies]) + "\n"


def module_lines(module: ModuleDescription) -> Iterator[str]:
    """A module, line by line."""
    yield f"module {module.name}" + (f", owned by {module.owner}" if module.owner else "")
    if module.summary:
        yield f"  {module.summary}"
    yield from facts({
        "contract": [module.contract] if module.contract else [],
        "implementation": [module.implementation] if module.implementation else [],
        "asgi": [f"{module.asgi} at {module.path}"] if module.asgi else [],
        "needs": [need_line(need) for need in module.needs],
        "tables": module.tables,
        "events": module.events,
        "settings": module.settings,
    })
    for method in module.methods:
        yield from method_lines(method)
    for method in module.internal:
        yield from method_lines(method, note="internal ")
    for task in module.tasks:
        yield from task_lines(task)


def task_lines(task: TaskDescription) -> Iterator[str]:
    """A task: its types, then where and how it is carried out."""
    yield from wrapped(f"  task {task.name}({task.input}) -> {task.output}")
    tries = f"{task.retries} {'retry' if task.retries == 1 else 'retries'}"
    every = f", every {task.every}" if task.every else ""
    yield from wrapped(f"      queue {task.queue}, {task.timeout:g} s, {tries}{every}  {task.handler}".rstrip())
    if task.raises:
        yield from wrapped(f"      raises {', '.join(task.raises)}")


def need_line(need: NeedDescription) -> str:
    """A need: its name and type, and who provides it."""
    notes = [*([need.module] if need.module else []), *(["optional"] if need.optional else [])]
    return f"{need.name}: {need.type}" + (f" ({', '.join(notes)})" if notes else "")


def facts(rows: Mapping[str, Iterable[str]]) -> Iterator[str]:
    """Rows of a name and its values, one value a line, those without any left out."""
    for name, values in rows.items():
        for i, value in enumerate(values):
            yield f"  {name if i == 0 else '':<15} {value}"


def method_lines(method: MethodDescription, *, note: str = "") -> Iterator[str]:
    """A method: its signature, then where and by whom it is reached, its events, and what it raises."""
    yield from wrapped(f"  {note}{method.kind} {method.name}{method.signature}")
    for word, events in (("on", method.on), ("awaits", method.awaits)):
        if events:
            yield from wrapped(f"      {word} {', '.join(events)}")
    if method.route:
        yield f"      {method.route}  ({method.allow})"
    if method.raises:
        yield from wrapped(f"      raises {', '.join(method.raises)}")


def wrapped(line: str) -> list[str]:
    """A line in pieces that fit a terminal, the later ones indented further."""
    return textwrap.wrap(line, WIDTH, subsequent_indent=" " * 10, break_long_words=False, break_on_hyphens=False)


def topology_lines(topology: TopologyDescription) -> Iterator[str]:
    """A topology, one service a line, then its links."""
    yield f"topology {topology.name}"
    width = max(len(service.name) for service in topology.services)
    for service in topology.services:
        copies = f"  x{service.replicas}" if service.replicas > 1 else ""
        yield f"  {service.name:<{width}}  {', '.join(service.modules)}{copies}"
        if service.command:
            yield f"  {'':<{width}}  {service.command}"
    for pool in topology.workers:
        slots = f"{pool.slots} {'slot' if pool.slots == 1 else 'slots'}"
        copies = f"  x{pool.replicas}" if pool.replicas > 1 else ""
        yield f"  workers {pool.name}  {', '.join(pool.queues)}, {slots}{copies}  {pool.command}".rstrip()
    for link in topology.links:
        yield f"    {link.asking} -> {link.asked}  {link.kind}"
