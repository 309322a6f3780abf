"""Requests that change something: once under each key, and with whatever befalls them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from apps.store.provider.bank import Answer, Bank, Form, Problem
from apps.store.provider.books import Books
from apps.store.provider.cards import Card, Operation, Trouble
from apps.store.provider.forms import read_form
from apps.store.provider.troubles import Plan

Work = Callable[[Bank, "Asked"], Answer]
IN_USE = "idempotency_key_in_use"


@dataclass(frozen=True, slots=True)
class Asked:
    """One request: the id in its path, its form, its key, and where the provider is to be found."""

    path: str
    id: str
    form: Form
    key: str | None
    base: str

    @property
    def fingerprint(self) -> str:
        """What tells two requests under one key apart."""
        return sha256(json.dumps([self.path, self.form], sort_keys=True).encode()).hexdigest()


class Cut(Response):
    """No answer: the connection closes after the promise of a body that never comes."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Begin to answer, and stop."""
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1000")]})


class Counter:
    """Where requests that change something are taken: one at a time on the books, many waiting."""

    def __init__(self, books: Books, plan: Plan) -> None:
        self.books, self.plan, self.bank = books, plan, Bank(books)
        self.under_way: set[str] = set()
        self.befallen: set[str] = set()

    async def take(self, request: Request, operation: Operation, work: Work) -> Response:
        """Answer one request."""
        form, id = read_form((await request.body()).decode()), request.path_params.get("id", "")
        key, base = request.headers.get("idempotency-key"), str(request.base_url).rstrip("/")
        asked = Asked(request.url.path, id, form, key, base)
        if key is not None and key in self.under_way:
            return refused(Problem(f"{key} is in use.", status=409, type="idempotency_error", code=IN_USE))
        self.under_way.add(key or "")
        try:
            authenticate(request)
            return await self.befall(self.trouble(operation, asked), request, lambda: self.once(work, asked))
        except Problem as problem:
            return refused(problem)
        finally:
            self.under_way.discard(key or "")

    def once(self, work: Work, asked: Asked) -> Response:
        """Carry a request out, or give the answer that stands under its key."""
        if asked.key is not None and (found := self.books.answered(asked.key)):
            request, status, body = found
            if request != asked.fingerprint:
                raise Problem(f"{asked.key} was first used with other parameters.", type="idempotency_error")
            return Response(body, status, {"Idempotent-Replayed": "true"}, "application/json")
        with self.books.writing():
            answer = work(self.bank, asked)
            body = json.dumps(answer.body)
            if asked.key is not None:
                self.books.answer(asked.key, asked.fingerprint, answer.status, body)
        return Response(body, answer.status, media_type="application/json")

    def trouble(self, operation: Operation, asked: Asked) -> Trouble | None:
        """What befalls a request: what its card brings with it, once for each key; else what is drawn."""
        card = self.card_in(asked)
        if card is None or card.trouble is None or card.trouble[0] != operation or asked.key in self.befallen:
            return self.plan.draw(operation)
        self.befallen.add(asked.key or "")
        return card.trouble[1]

    def card_in(self, asked: Asked) -> Card | None:
        """The card that a request is about."""
        intent = self.books.get("payment_intent", asked.id or str(asked.form.get("payment_intent", "")))
        token = intent["payment_method"] if intent else asked.form.get("payment_method")
        try:
            return self.bank.card(token) if token else None
        except Problem:
            return None

    async def befall(self, trouble: Trouble | None, request: Request, carry_out: Callable[[], Response]) -> Response:
        """Answer, or do not."""
        if trouble == "unavailable":
            return refused(Problem("Try again later.", status=503, type="api_error"))
        if trouble == "slow":
            await asyncio.sleep(self.plan.delay)
        if trouble in ("timeout_before", "late"):
            await self.outwait(request)
        if trouble in ("timeout_before", "disconnect_before"):
            return Cut()
        answer = carry_out()
        if trouble == "timeout_after":
            await self.outwait(request)
        return answer if trouble in (None, "slow") else Cut()

    async def outwait(self, request: Request) -> None:
        """Say nothing until the client has gone, or for a long time."""
        async def gone() -> None:
            while (await request.receive())["type"] != "http.disconnect":
                pass

        try:
            await asyncio.wait_for(gone(), self.plan.withhold)
        except TimeoutError:
            pass


def authenticate(request: Request) -> None:
    """Refuse who brings no key. Any key will do that looks like one of Stripe's for tests."""
    _, _, key = request.headers.get("authorization", "").partition(" ")
    if not key.startswith(("sk_test_", "pk_test_")):
        raise Problem("You did not provide a test API key: use sk_test_ and anything.", status=401)


def refused(problem: Problem) -> JSONResponse:
    """A problem as Stripe shows it."""
    return JSONResponse({"error": problem.error}, problem.status)
