"""REST: the public HTTP face of an application; one route for each method of a contract that names one."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Collection, Mapping

from starlette.types import ASGIApp, Receive, Scope, Send

from craton.calls.codec import to_json
from craton.edge.admission import Admission
from craton.edge.authentication import Tokens
from craton.edge.documentation import pages
from craton.edge.door import Door
from craton.edge.endpoint import Answer, Endpoint, SagaEndpoint
from craton.edge.exchange import Disconnected, Exchange
from craton.edge.gate import Gate
from craton.edge.openapi import document
from craton.edge.operation import operations
from craton.edge.places import Places
from craton.edge.problems import Problem
from craton.edge.settings import EdgeSettings
from craton.edge.site import LOOKS, Sites

log = logging.getLogger("craton.edge")


class Resource:
    """All that stands at one path, by verb."""

    def __init__(self) -> None:
        self.verbs: dict[str, Answer] = {}

    def at(self, exchange: Exchange, gate: Gate) -> Awaitable[None]:
        """What stands here for the verb of a request, at work; raises Problem."""
        verb = exchange.scope["method"]
        found = self.verbs.get("GET" if verb == "HEAD" else verb)
        if found is not None:
            return found(exchange)
        known = {*self.verbs, *(["HEAD"] if "GET" in self.verbs else [])}
        if gate.is_preflight(exchange):
            return gate.preflight(exchange, known)
        allow = ", ".join(sorted(known))
        raise Problem("method-not-allowed", f"It takes {allow}.", headers={"Allow": allow})


class Edge:
    """An ASGI application: routes first, then what takes the rest. Every error of a request ends here."""

    def __init__(
        self, gate: Gate, places: Places[Resource], otherwise: ASGIApp | None, *, sign_ins: Collection[str] = (),
    ) -> None:
        self.gate, self.places, self.otherwise, self.sign_ins = gate, places, otherwise, frozenset(sign_ins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, whatever it holds."""
        if scope["type"] != "http":
            await self.talk(scope, receive, send)
            return
        exchange, path = self.gate.enter(scope, receive, send), scope["path"]
        try:
            found = self.places.find(path.removeprefix(scope["root_path"]) if scope.get("root_path") else path)
            if found is None:
                await self.elsewhere(exchange)
            else:
                exchange.path = found[1]
                await found[0].at(exchange, self.gate)
        except Disconnected:
            return
        except Problem as problem:
            await exchange.refuse(problem)
        except Exception:
            log.exception("%s %s failed (request %s)", scope["method"], scope["path"], exchange.id.decode())
            if not exchange.begun:
                await exchange.refuse(Problem("failed"))

    async def elsewhere(self, exchange: Exchange) -> None:
        """Give a request that no route answers to who takes the rest."""
        self.gate.charge(exchange, "")
        if self.otherwise is None:
            raise Problem("not-found")
        scope = exchange.scope
        below = scope["path"].removeprefix(scope.get("root_path", ""))
        if below in self.sign_ins and scope["method"] not in LOOKS:
            self.gate.charge_sign_in(exchange)
        await self.otherwise(self.gate.as_sent(exchange), exchange.receive, exchange.send_shielded)

    async def talk(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A WebSocket: only applications of modules' own take one."""
        if self.otherwise is not None:
            await self.otherwise(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})


def fixed(body: bytes, *, gate: Gate | None = None) -> Answer:
    """What answers the same to everyone; with a gate, not too often."""

    async def answer(exchange: Exchange) -> None:
        if gate is not None:
            gate.charge(exchange, "")
        await exchange.answer(200, body)

    return answer


def admitted(answer: Answer, admission: Admission, *, changes: bool) -> Answer:
    """What is answered only as far as there is room."""

    async def enter(exchange: Exchange) -> None:
        exchange.place = place = await admission.enter(changes=changes)
        try:
            await answer(exchange)
        finally:
            place.leave(begun=exchange.begun)

    return enter


def readiness(door: Door) -> Answer:
    """Whether this process takes calls."""

    async def answer(exchange: Exchange) -> None:
        if not await door.ready():
            raise Problem("not-run", "It is not ready.")
        await exchange.answer(200, b'{"status":"ready"}')

    return answer


async def nowhere(scope: Scope, receive: Receive, send: Send) -> None:
    """What stands under no site either."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1000})
    else:
        raise Problem("not-found")


def edge(
    door: Door, tokens: Tokens, *, settings: EdgeSettings | None = None, sites: Mapping[str, ASGIApp] | None = None,
    modules: Collection[str] | None = None, admission: Admission | None = None,
) -> ASGIApp:
    """The ASGI application that serves these modules of the door's application, or all: by their routes, or by their
    sites, by path, which get what no route answers. `admission`: what all that this process answers has to pass."""
    gate, places, admission = Gate(settings or EdgeSettings()), Places[Resource](), admission or Admission()
    served = frozenset(m.name for m in door.application.modules if modules is None or m.name in modules)

    def put(verb: str, path: str, answer: Answer) -> None:
        if (found := places.at(path)) is None:
            places.put(path, found := Resource())
        found.verbs[verb] = answer

    found = operations(door.application)
    put("GET", "/health/live", fixed(b'{"status":"live"}'))
    put("GET", "/health/ready", readiness(door))
    put("GET", "/openapi.json", fixed(to_json(document(door.application, found)), gate=gate))
    put("GET", "/sagas/{module}/{id}", SagaEndpoint(door, tokens, served, gate=gate))
    for path, page in pages(gate) if gate.settings.docs else ():
        put("GET", path, page)
    for operation in (one for one in found if one.module.name in served):
        endpoint = Endpoint(door, operation, tokens=tokens, gate=gate)
        answer = admitted(endpoint, admission, changes=not endpoint.query)
        put(operation.route.verb, operation.route.path, answer)
    forms = (f"{m.path.rstrip('/')}{form}" for m in door.application.modules for form in m.sign_ins)
    return Edge(gate, places, Sites(sites, otherwise=nowhere) if sites else None, sign_ins=tuple(forms))
