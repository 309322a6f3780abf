"""A process: everything that one service needs, opened in one order and closed in reverse."""

from __future__ import annotations

import asyncio
import inspect
import random
from collections.abc import Callable, Iterable, Mapping
from contextlib import AsyncExitStack
from functools import cached_property, partial
from typing import Any, Protocol, Self, TypeVar, cast

import msgspec

from craton.application import Application, implementations, needs_of
from craton.blobs import Blobs, blobs_of
from craton.calls.ahead import Ahead
from craton.calls.assertion import Signer
from craton.calls.call import Call
from craton.calls.context import CONTEXT, Caller, Context
from craton.calls.endpoint import Ask, Endpoint
from craton.calls.link import Link
from craton.calls.links.rpc.tls import Protection
from craton.calls.offload import Offload
from craton.calls.receiver import Receiver, as_call_error
from craton.calls.retry import Budget
from craton.calls.stub import Remote, stub_of
from craton.contract import Method, is_contract
from craton.data.database import Database
from craton.data.store import Store, open_store
from craton.edge.door import Door
from craton.errors import CallError, DeclarationError, OutcomeUnknown, SettingsError
from craton.implementation import Factory
from craton.messages.brokers import broker_at
from craton.messages.cleaning import retention_of
from craton.messages.events import Events
from craton.messages.streams import Streams
from craton.messages.transport import Broker, Transport
from craton.module import Module
from craton.run.environment import carries_events
from craton.run.hosting import STATUS, Hosted
from craton.run.operator import offered
from craton.run.post import EVENTS, Apart, Direct, Post
from craton.sagas.saga import Saga
from craton.sagas.sagas import SagaStatus
from craton.sagas.tasks import Tasks as SagaTasks
from craton.settings import Settings, settings_of
from craton.sources import Clock, Ids, SystemClock, SystemIds
from craton.tasks.controller import Controller, lease_of
from craton.tasks.doorbell import Doorbell, doorbell_at
from craton.tasks.tasks import Tasks
from craton.topology import GATEWAY, Topology
from craton.values import Fault

T = TypeVar("T")
READY_TIME = 2.0
"""Seconds within which the database of a process that is ready answers."""
STATUS_TIME = 5.0
"""Seconds within which a saga's status is known."""


class Observer(Protocol):
    """Who watches what happens in a process, where somebody does."""

    def watch(self, module: str, instance: Any) -> None:
        """Wrap the methods of an implementation."""
        ...

    def watch_store(self, store: Store) -> None:
        """Wrap the methods of a store."""
        ...

    def watch_events(self, events: Events) -> None:
        """Wrap what a module publishes with."""
        ...

    def around(self, name: str, ask: Ask) -> Ask:
        """Wrap what carries out a method."""
        ...

    def site(self, module: str, app: Any) -> Any:
        """Wrap the ASGI application of a module."""
        ...

    def over(self, link: Link) -> Link:
        """Wrap a link."""
        ...

    def close(self) -> None:
        """Unwrap what was wrapped."""
        ...


class Process:
    """One service of a topology, running: `async with Process(...) as process`.

    `links` gives the link to a service by its name and the kind of link; its own name is asked for only with
    `local=False`, which sends the calls between co-located modules over a link, too. `environ` holds the modules'
    settings. `observer` is told of all calls, and closed at the end; without one nothing is wrapped. `broker`: the URL
    of what carries events to other services; without one they go straight.
    """

    def __init__(
        self, application: Application, topology: Topology, name: str,
        *, database: str | None, secret: bytes, links: Callable[[str, str], Link], environ: Mapping[str, str],
        clock: Clock | None = None, ids: Ids | None = None, local: bool = True, observer: Observer | None = None,
        broker: str | None = None, tls: Protection = None,
    ) -> None:
        self.observer = observer
        self.application, self.topology, self.name = application, topology, name
        self.service = topology.service(name)
        self.database, self.secret, self.environ, self.local = database, secret, environ, local
        self.clock, self.ids = clock or SystemClock(), ids or SystemIds()
        self.find_link, self.links, self.budgets = links, dict[tuple[str, str], Link](), dict[str, Budget]()
        self.signer, self.broker = Signer(secret), broker
        self.tls: Protection = tls
        self.hosted: dict[str, Hosted] = {}
        self.streams: dict[str, Streams] = {}
        self.controllers: dict[str, Controller] = {}
        self.doorbell: Doorbell | None = None
        self.stubs: dict[tuple[str, str], Any] = {}
        self.endpoints: dict[str, Endpoint] = {}
        self.sites: dict[str, Any] = {}
        """The ASGI applications hosted here, by path."""
        self.offload = Offload()
        self.handler = Receiver(self.endpoints, signer=self.signer, clock=self.clock)
        self.stack = AsyncExitStack()

    # ------------------------------------------------------------------ opening and closing

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self.close_links)
            if self.service.modules:
                await self.open(stack)
            self.stack = stack.pop_all()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.stack.aclose()

    async def open(self, stack: AsyncExitStack) -> None:
        """What is hosted here: implementations first, then the ASGI applications that may call them."""
        if self.observer:
            stack.callback(self.observer.close)
        stack.push_async_callback(self.offload.close)
        found = implementations(self.application, self.service.modules)
        if kept := self.application.kept(found):
            await self.open_kept({module.name: found[module.name] for module in kept}, stack)
        for name in found.keys() - self.hosted.keys():
            await self.open_site(self.application.module(name), found[name], stack)

    async def open_site(self, module: Module, factory: Any, stack: AsyncExitStack) -> None:
        """Make one ASGI application of its needs, and start it."""
        from craton.edge.lifespan import lifespan
        from craton.edge.site import Site

        makes = isinstance(factory, type) or inspect.isfunction(factory)
        app = factory(**self.needs(module, factory)) if makes else factory
        state = await stack.enter_async_context(lifespan(app, module.name))
        app = self.observer.site(module.name, app) if self.observer else app
        self.sites[module.path] = Site(
            app, application=self.application.name, tokens=self.tokens, state=state, admission=self.admission,
        )

    async def open_kept(self, found: Mapping[str, type], stack: AsyncExitStack) -> None:
        """The database, the implementations, and whoever looks after their sagas; these are the first to stop."""
        if self.database is None:
            raise SettingsError(f"service {self.name} hosts modules and has no database: set CRATON_DATABASE.")
        self.store = await stack.enter_async_context(open_store(self.database, list(found)))
        if self.observer:
            self.observer.watch_store(self.store)
        owner = self.ids.new(self.name)
        self.post = await self.open_post(owner, stack)
        if self.broker is not None and any(self.application.module(name).tasks for name in found):
            doorbell = doorbell_at(self.broker, application=self.application.name)
            self.doorbell = await stack.enter_async_context(doorbell)
        for module, implementation in self.in_order(found):
            await self.host(module, implementation, owner, stack)
        for effect in (effect for hosted in self.hosted.values() for effect in hosted.settle.effects.values()):
            stack.push_async_callback(effect.close)
        for hosted in self.hosted.values():
            if hosted.sagas.methods:
                tending = asyncio.get_running_loop().create_task(hosted.sagas.tend(), name=f"{hosted.module} sagas")
                stack.push_async_callback(hosted.sagas.close)
                stack.push_async_callback(stop, tending)
        for controller in self.controllers.values():
            await stack.enter_async_context(controller)
        for projected in (p for streams in self.streams.values() for p in streams.projections):
            stack.push_async_callback(stop, asyncio.get_running_loop().create_task(projected.tend()))
        self.post.open(stack)

    async def open_post(self, owner: str, stack: AsyncExitStack) -> Post:
        """What events travel by."""
        transport: Transport = Direct(self.reach)
        broker: Broker | None = None
        if self.broker is not None and carries_events(self.broker) and len(self.topology.services) > 1:
            opened = broker_at(self.broker, self.application, service=self.name, clock=self.clock, ids=self.ids)
            broker = await stack.enter_async_context(opened)
            transport = Apart(transport, broker, {*self.service.modules, *self.topology.abroad})
        return Post(
            self.application.destinations(), transport=transport, broker=broker, owner=owner, ids=self.ids,
            retention=retention_of(self.environ),
        )

    async def close_links(self) -> None:
        """The links that were opened."""
        for link in self.links.values():
            await link.close()

    def in_order(self, found: Mapping[str, type]) -> list[tuple[Module, type]]:
        """The modules hosted here, each after those that it calls directly."""
        done: dict[str, type] = {}

        def visit(name: str) -> None:
            if name in done or name not in found:
                return
            for need in needs_of(found[name]).values() if self.local else ():
                if (module := self.provider(need)) is not None:
                    visit(module.name)
            done[name] = found[name]

        for name in found:
            visit(name)
        return [(self.application.module(name), implementation) for name, implementation in done.items()]

    async def host(self, module: Module, implementation: type, owner: str, stack: AsyncExitStack) -> None:
        """Make one module's implementation, enter it where it holds resources, and offer its methods."""
        instance = implementation(**self.needs(module, implementation))
        if self.observer:  # before anybody could keep one of its methods
            self.observer.watch(module.name, instance)
        if hasattr(instance, "__aenter__"):
            await stack.enter_async_context(instance)
        hosted = Hosted(
            module.name, instance, self.store,
            endpoint=partial(self.endpoint, module.name), clock=self.clock, ids=self.ids, owner=owner,
            around=self.observer.around if self.observer else None,
        )
        self.hosted[module.name] = hosted
        if module.tasks:
            controller = self.controller(module.name)
            hosted.sagas.tasks = SagaTasks(module.name, controller.named, controller.jobs)
        received = self.post.receive(hosted)
        mine = (*hosted.endpoints.values(), hosted.status(), *self.offered(hosted))
        for endpoint in (*mine, received):
            if endpoint is not None and not endpoint.method.on:
                self.endpoints[endpoint.name] = endpoint

    def offered(self, hosted: Hosted) -> Iterable[Endpoint]:
        """What a module answers an operator."""
        streams = self.streams.get(hosted.module)
        controller = self.controllers.get(hosted.module)
        return offered(
            hosted, self.post.letters(hosted.module), streams.projections if streams else (),
            controller.operations if controller else None,
        )

    # ------------------------------------------------------------------ what implementations need

    def needs(self, module: Module, implementation: Factory) -> dict[str, Any]:
        """All needs of one module."""
        return {name: self.provide(module, need) for name, need in needs_of(implementation).items()}

    def provider(self, need: type) -> Module | None:
        """The module that provides a contract; None for a need of another kind."""
        return next((m for m in self.application.modules if m.contract is need), None)

    def provide(self, module: Module, need: type) -> Any:
        """One need of one module."""
        provider = self.provider(need)
        if provider is not None:
            return self.neighbour(module.name, provider)
        if is_contract(need):
            return None  # an optional one: the others were refused
        if need is module.settings and issubclass(need, Settings):
            return settings_of(need, module.name, self.environ)
        if need.__module__ == "craton.edge.authentication":
            return self.tokens
        if need.__module__ == "craton.run.operating":
            return need(self, asking=module.name)
        made = self.made_for(module.name).get(need)
        if made is None:
            raise DeclarationError(f"{module.name} needs {need.__name__}: {self.application.name} does not provide it.")
        return made()

    def made_for(self, module: str) -> dict[Any, Callable[[], Any]]:
        """What the framework itself provides."""
        return {
            Database: lambda: Database(self.store, module), Events: lambda: self.events(module),
            Streams: lambda: self.streams_of(module), Tasks: lambda: self.controller(module).tasks,
            Saga: Saga, Call: lambda: Call(self.verify), Clock: lambda: self.clock, Ids: lambda: self.ids,
            Door: lambda: self, Offload: lambda: self.offload, Blobs: lambda: self.blobs,
            random.Random: random.SystemRandom,
        }

    @cached_property
    def tokens(self) -> Any:
        """What issues and verifies tokens: loaded where somebody uses it."""
        from craton.edge.authentication import Tokens

        return Tokens(self.secret, self.application.name, clock=self.clock)

    @cached_property
    def admission(self) -> Any:
        """What lets requests from outside in, however they come: loaded where some do."""
        from craton.edge.admission import Admission
        from craton.edge.settings import EdgeSettings

        return Admission(limited=settings_of(EdgeSettings, "edge", self.environ).admission)

    @cached_property
    def blobs(self) -> Blobs:
        """Where this installation keeps its files."""
        return blobs_of(self.environ)

    def verify(self, token: str) -> Caller:
        """Whose token it is."""
        return cast("Caller", self.tokens.verify(token))

    def streams_of(self, module: str) -> Streams:
        """Where a module's event-sourced state is."""
        if module not in self.streams:
            self.streams[module] = Streams(self.store, module, self.events(module))
        return self.streams[module]

    def controller(self, module: str) -> Controller:
        """What gives the jobs of a module to workers."""
        if module not in self.controllers:
            self.controllers[module] = Controller(
                self.store, module, list(self.application.module(module).tasks), application=self.application.name,
                events=self.events(module), ids=self.ids, wake_sagas=partial(self.wake_sagas, module),
                lease=lease_of(self.environ), retention=retention_of(self.environ), doorbell=self.doorbell,
            )
        return self.controllers[module]

    def wake_sagas(self, module: str) -> None:
        """What a saga of a module waits for has come."""
        self.hosted[module].sagas.wake()

    def events(self, module: str) -> Events:
        """What a module publishes with."""
        events = self.post.events(self.store, module)
        if self.observer:
            self.observer.watch_events(events)
        return events

    def get(self, contract: Callable[..., T]) -> T:
        """A module as its neighbours see it: the implementation itself where it is hosted here, else a stub."""
        return cast("T", self.neighbour(GATEWAY.name, self.application.of(cast("type", contract))))

    def neighbour(self, asking: str, module: Module) -> Any:
        """A module as another one, or the gateway, sees it."""
        if self.local and module.name in self.hosted:
            return self.hosted[module.name].instance
        if (asking, module.name) not in self.stubs:
            remote = partial(self.remote, asking=asking)
            self.stubs[asking, module.name] = stub_of(module.contract, module.name, remote)
        return self.stubs[asking, module.name]

    def remote(self, name: str, method: Method, *, asking: str = GATEWAY.name) -> Remote:
        """One method of a module hosted elsewhere, by the link that the topology chose for who asks."""
        module = name.partition(".")[0]
        home, kind = self.topology.home_of(module).name, self.topology.link(asking, module)
        if (home, kind) not in self.links:
            link = self.find_link(home, kind)
            self.links[home, kind] = self.observer.over(link) if self.observer else link
        return Remote(
            name, method, link=self.links[home, kind], signer=self.signer, clock=self.clock, ids=self.ids,
            budget=self.budgets.setdefault(home, Budget()),
        )

    def endpoint(self, asking: str, name: str) -> Endpoint:
        """Any method by its wire name, as the module that asks would call it."""
        module, _, method = name.partition(".")
        if name in self.endpoints and (self.local or module == asking):
            return self.endpoints[name]
        remote = self.remote(name, self.contract_methods(module)[method], asking=asking)
        return Endpoint(module, remote.method, remote.ask)

    def reach(self, asking: str, module: str) -> Ask:
        """What takes the events of one module for another."""
        name = f"{module}.{EVENTS.name}"
        if self.local and name in self.endpoints:
            return self.endpoints[name].ask
        return self.remote(name, EVENTS, asking=asking).ask

    def contract_methods(self, module: str) -> dict[str, Method]:
        """The methods of a module's contract."""
        return {m.name: m for of, m in self.application.methods() if of.name == module}

    # ------------------------------------------------------------------ the door: calls from outside

    async def call(  # a time-out is part of what is asked here: it travels on to other services
        self, name: str, arguments: msgspec.Struct,
        *, caller: Caller, key: str | None = None, timeout: float, trace: str = "",  # noqa: ASYNC109
    ) -> Any:
        """One call from outside, to a module hosted here or elsewhere. Raises the method's faults, and CallError."""
        module, _, method = name.partition(".")
        hosted, until = self.endpoints.get(name), asyncio.get_running_loop().time() + timeout
        plain = hosted and hosted.body and hosted.method.kind == "query" and not hosted.method.streams
        now = Context(caller=caller, deadline=until, trace=trace, kind="query" if plain else None)
        ask = hosted.ask if hosted else self.remote(name, self.contract_methods(module)[method]).insist
        token = CONTEXT.set(now)
        try:
            work = Ahead(hosted.body(arguments) if hosted and hosted.body and plain else ask(arguments, key=key))
            if work.done:
                return work.result
            async with asyncio.timeout(timeout):
                return await work
        except TimeoutError as error:
            raise OutcomeUnknown(f"{name} did not answer within {timeout:g} s.") from error
        except Fault as fault:
            if type(fault) in self.contract_methods(module)[method].raises:
                raise
            raise as_call_error(name, fault) from fault
        except Exception as error:
            raise as_call_error(name, error) from error
        finally:
            CONTEXT.reset(token)

    async def saga(self, module: str, id: str, *, caller: Caller) -> SagaStatus | None:
        """How far a saga of a module is; None where there is none. NotAllowed where it is another caller's."""
        if module in self.topology.abroad:
            return None
        name, arguments = f"{module}.{STATUS.name}", STATUS.arguments(id=id)
        hosted = self.endpoints.get(name)
        ask = hosted.ask if hosted else self.remote(name, STATUS).ask
        token = CONTEXT.set(Context(caller=caller, deadline=asyncio.get_running_loop().time() + STATUS_TIME))
        try:
            return cast("SagaStatus | None", await ask(arguments))
        finally:
            CONTEXT.reset(token)

    async def ready(self) -> bool:
        """Whether it can take calls: whether its own database answers. What other services do does not count, or one
        that is away would have all others taken out of service."""
        try:
            async with asyncio.timeout(READY_TIME):
                await (self.store.now() if self.hosted else asyncio.sleep(0))
        except (CallError, TimeoutError, OSError):
            return False
        return True


async def stop(task: asyncio.Task[Any]) -> None:
    """Cancel a task, and wait until it has stopped."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
