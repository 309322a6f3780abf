"""The provider's HTTP face: the part of Stripe's API that a shop needs, and what tests need besides."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from html import escape
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from apps.store.provider.bank import Answer, Bank, Problem, shown
from apps.store.provider.books import Books, Thing
from apps.store.provider.cards import Operation
from apps.store.provider.forms import listed, read_form
from apps.store.provider.requests import Asked, Counter, Work, authenticate, refused
from apps.store.provider.troubles import Plan
from apps.store.provider.webhooks import Sender

PAGE = """<!doctype html><html lang="en"><meta name="viewport" content="width=device-width"><title>Your bank</title>
<style>:root {{ color-scheme: light dark }} body {{ font: 1.1rem/1.5 system-ui, sans-serif; max-width: 26rem;
margin: 12vh auto; padding: 0 1rem }} button {{ font: inherit; padding: .6rem 1.2rem; margin-right: .5rem }}</style>
<main><h1>Your bank</h1><p>Do you want to pay {amount} {currency}?</p>
<form method="post"><input type="hidden" name="secret" value="{secret}">
<button name="outcome" value="succeed">Yes, it is me</button> <button name="outcome" value="fail">No</button></form>
</main>
"""
CHANGES: list[tuple[str, Operation, Work]] = [
    ("/v1/payment_methods", "other", lambda bank, ask: bank.create_method(ask.form)),
    ("/v1/payment_intents", "authorize", lambda bank, ask: bank.create_intent(ask.form, ask.base)),
    ("/v1/payment_intents/{id}/confirm", "authorize", lambda bank, ask: bank.confirm(ask.id, ask.form, ask.base)),
    ("/v1/payment_intents/{id}/capture", "capture", lambda bank, ask: bank.capture(ask.id, ask.form)),
    ("/v1/payment_intents/{id}/cancel", "cancel", lambda bank, ask: bank.cancel(ask.id, ask.form)),
    ("/v1/refunds", "refund", lambda bank, ask: bank.refund(ask.form)),
    ("/v1/webhook_endpoints", "other", lambda bank, ask: register(bank, ask)),
]
Look = Callable[["Provider", str, dict[str, Any]], Thing]
LOOKS: list[tuple[str, Look]] = [
    ("/v1/payment_methods/{id}", lambda provider, id, form: provider.bank.get_method(id).body),
    ("/v1/payment_intents/search", lambda provider, id, form: provider.search(form)),
    ("/v1/payment_intents/{id}", lambda provider, id, form: provider.intent(id, form)),
    ("/v1/payment_intents", lambda provider, id, form: provider.page("payment_intent", form)),
    ("/v1/refunds/{id}", lambda provider, id, form: provider.thing("refund", id)),
    ("/v1/refunds", lambda provider, id, form: provider.page("refund", form, owner=form.get("payment_intent"))),
    ("/v1/events/{id}", lambda provider, id, form: provider.thing("event", id)),
    ("/v1/events", lambda provider, id, form: provider.page("event", form)),
    ("/v1/webhook_endpoints", lambda provider, id, form: provider.page("webhook_endpoint", form)),
]


class Provider:
    """The books, and all that can be asked of them."""

    def __init__(self, books: Books, *, secret: str) -> None:
        self.books, self.plan = books, Plan()
        self.counter = Counter(books, self.plan)
        self.bank: Bank = self.counter.bank
        self.sender = Sender(books, self.plan, secret=secret)

    def app(self) -> Starlette:
        """The ASGI application."""
        changes = [Route(path, self.change(operation, work), methods=["POST"]) for path, operation, work in CHANGES]
        looks = [Route(path, self.look(look), methods=["GET"]) for path, look in LOOKS]
        own = [
            Route("/authenticate/{id}", self.ask_customer, methods=["GET"]),
            Route("/authenticate/{id}", self.hear_customer, methods=["POST"]),
            Route("/books", self.audit, methods=["GET"]),
            Route("/control", self.control, methods=["GET", "POST"]),
        ]
        return Starlette(routes=[*changes, *looks, *own], lifespan=self.lifespan)

    @asynccontextmanager
    async def lifespan(self, app: Starlette) -> AsyncIterator[None]:
        """Send webhooks while the application runs."""
        sending = asyncio.get_running_loop().create_task(self.sender.run())
        try:
            yield
        finally:
            sending.cancel()
            with suppress(asyncio.CancelledError):
                await sending
            self.books.close()

    # ------------------------------------------------------------------ Stripe's API

    def change(self, operation: Operation, work: Work) -> Callable[[Request], Any]:
        """An endpoint that changes something."""
        async def endpoint(request: Request) -> Response:
            return await self.counter.take(request, operation, work)

        return endpoint

    def look(self, look: Look) -> Callable[[Request], Any]:
        """An endpoint that changes nothing."""
        async def endpoint(request: Request) -> Response:
            try:
                authenticate(request)
                return JSONResponse(look(self, request.path_params.get("id", ""), read_form(request.url.query)))
            except Problem as problem:
                return refused(problem)

        return endpoint

    def intent(self, id: str, form: dict[str, Any]) -> Thing:
        """One PaymentIntent."""
        return shown(self.bank.intent(id), listed(form, "expand"))

    def thing(self, kind: str, id: str) -> Thing:
        """One thing of another kind."""
        found = self.books.get(kind, id)
        if found is None:
            raise Problem(f"No such {kind}: '{id}'", status=404, code="resource_missing")
        return shown(found)

    def search(self, form: dict[str, Any]) -> Thing:
        """PaymentIntents by a piece of metadata."""
        found = [shown(intent, listed(form, "expand")) for intent in self.bank.search(str(form.get("query", "")))]
        return {"object": "search_result", "url": "/v1/payment_intents/search", "has_more": False, "data": found}

    def page(self, kind: str, form: dict[str, Any], owner: str | None = None) -> Thing:
        """A page of things, the newest first."""
        found = [shown(thing, listed(form, "expand")) for thing in self.books.all(kind, owner=owner)]
        ids = [thing["id"] for thing in found]
        first = ids.index(form["starting_after"]) + 1 if form.get("starting_after") in ids else 0
        last = first + int(form.get("limit", 10))
        return {"object": "list", "url": f"/v1/{kind}s", "has_more": last < len(found), "data": found[first:last]}

    # ------------------------------------------------------------------ the customer, and tests

    async def ask_customer(self, request: Request) -> Response:
        """The page that a bank shows its customer (3-D Secure)."""
        intent = self.books.get("payment_intent", request.path_params["id"])
        if intent is None or intent["status"] != "requires_action":
            return HTMLResponse("<p>There is nothing to decide.", 404)
        secret = escape(request.query_params.get("secret", ""))
        amount = f"{intent['amount'] / 100:.2f}"
        return HTMLResponse(PAGE.format(amount=amount, currency=intent["currency"].upper(), secret=secret))

    async def hear_customer(self, request: Request) -> Response:
        """What the customer decided: `outcome` is succeed or fail. Browsers are sent back to the shop."""
        form = {**request.query_params, **read_form((await request.body()).decode())}
        try:
            with self.books.writing():
                intent = self.bank.authenticate(
                    request.path_params["id"], form.get("secret", ""), form.get("outcome", "succeed")
                )
        except Problem as problem:
            return refused(problem)
        if intent["return_url"] and "text/html" in request.headers.get("accept", ""):
            return RedirectResponse(f"{intent['return_url']}?payment_intent={intent['id']}", 303)
        return JSONResponse(shown(intent))

    async def audit(self, request: Request) -> Response:
        """All money: each PaymentIntent with what was authorized, captured and refunded; and the ledger."""
        found = self.books.all("payment_intent", owner=request.query_params.get("order"))
        intents = [entry_of(intent) for intent in reversed(found)]
        return JSONResponse({"intents": intents, "ledger": self.books.ledger()})

    async def control(self, request: Request) -> Response:
        """See, and with POST change, what goes wrong."""
        if request.method == "POST":
            try:
                self.plan.change(await request.json())
            except (ValueError, AttributeError, TypeError) as error:
                return refused(Problem(str(error)))
        return JSONResponse({**self.plan.shown(), "undelivered": self.books.waiting()})


def register(bank: Bank, asked: Asked) -> Answer:
    """A new endpoint for webhooks; one for each URL, however often it registers. All share one signing secret."""
    url = str(asked.form.get("url", ""))
    for endpoint in bank.books.all("webhook_endpoint"):
        if endpoint["url"] == url:
            return Answer(200, endpoint)
    events = listed(asked.form, "enabled_events") or ["*"]
    made = bank.new("webhook_endpoint", "we", url=url, enabled_events=events, status="enabled",
                    metadata=asked.form.get("metadata") or {})
    return Answer(200, bank.books.put(made))


def entry_of(intent: Thing) -> Thing:
    """A PaymentIntent as auditors see it. `net` is what the customer has paid in the end."""
    charge = intent["charge"] or {"amount": 0, "amount_captured": 0, "amount_refunded": 0}
    names = ("id", "status", "amount", "currency", "metadata")
    return {name: intent[name] for name in names} | {
        "order": intent["metadata"].get("order"), "authorized": charge["amount"], "captured": charge["amount_captured"],
        "refunded": charge["amount_refunded"], "net": charge["amount_captured"] - charge["amount_refunded"],
    }
