"""The bank: PaymentIntents and refunds, and the ways they may go. Each method is one transaction's work."""

from __future__ import annotations

import re
import secrets
import time
from dataclasses import asdict, dataclass
from typing import Any, NoReturn

from apps.store.provider.books import Books, Thing
from apps.store.provider.cards import TOKENS, Card, card_of

Form = dict[str, Any]
CANCELABLE = ("requires_payment_method", "requires_confirmation", "requires_action", "requires_capture")
SEARCH = re.compile(r"""metadata\[['"](\w+)['"]\]:['"]([^'"]*)['"]""")


class Problem(Exception):
    """A request that is refused before anything is done; its answer is not kept under the key."""

    def __init__(self, message: str, *, status: int = 400, **error: Any) -> None:
        self.status, self.error = status, {"type": "invalid_request_error", "message": message, **error}
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Answer:
    """What is answered, and kept under the request's key."""

    status: int
    body: Thing


class Bank:
    """Carries out requests on the books, and notes events for those who listen."""

    def __init__(self, books: Books, *, clock: Any = time.time) -> None:
        self.books, self.clock = books, clock

    # ------------------------------------------------------------------ payment methods

    def create_method(self, form: Form) -> Answer:
        """A card becomes a token; its number is forgotten at once."""
        given = form.get("card") or {}
        card = card_of(str(given.get("number", "")))
        if form.get("type", "card") != "card" or card is None:
            raise Problem("Your card number is incorrect.", status=402, type="card_error", code="incorrect_number")
        method = self.new("payment_method", "pm", type="card", card={"brand": card.brand, "last4": card.last4})
        self.books.put(method | {"behaviour": asdict(card)})
        return Answer(200, shown(method))

    def get_method(self, id: str) -> Answer:
        """One payment method."""
        self.card(id)
        stored = self.books.get("payment_method", id)
        fallback = {"id": id, "object": "payment_method", "type": "card"}
        return Answer(200, shown(stored or fallback))

    def card(self, token: str) -> Card:
        """The card behind a token."""
        if token in TOKENS:
            return TOKENS[token]
        found = self.books.get("payment_method", token)
        if found is None:
            raise Problem(f"No such PaymentMethod: '{token}'", code="resource_missing", param="payment_method")
        return Card(**found["behaviour"])

    # ------------------------------------------------------------------ payment intents

    def create_intent(self, form: Form, base: str) -> Answer:
        """A PaymentIntent, confirmed at once where that is asked for."""
        amount, currency = whole(form, "amount"), str(form.get("currency", "")).lower()
        if not re.fullmatch("[a-z]{3}", currency):
            raise Problem(f"Invalid currency: {currency}.", param="currency")
        method = form.get("payment_method")
        if method:
            self.card(method)
        intent = self.new(
            "payment_intent", "pi", amount=amount, currency=currency, amount_received=0, amount_capturable=0,
            status="requires_confirmation" if method else "requires_payment_method", payment_method=method,
            capture_method=form.get("capture_method", "automatic"), metadata=form.get("metadata") or {},
            client_secret=secrets.token_hex(12), next_action=None, last_payment_error=None, canceled_at=None,
            return_url=form.get("return_url"), charge=None,
        )
        self.save(intent)
        self.tell("payment_intent.created", intent)
        return self.confirmed(intent, base) if form.get("confirm") == "true" else Answer(200, shown(intent))

    def confirm(self, id: str, form: Form, base: str) -> Answer:
        """Ask the customer's bank."""
        intent = self.intent(id)
        if form.get("payment_method"):
            self.card(form["payment_method"])
            intent["payment_method"] = form["payment_method"]
        if intent["status"] not in ("requires_confirmation", "requires_payment_method") or not intent["payment_method"]:
            unexpected(intent, "confirmed")
        return self.confirmed(intent, base)

    def confirmed(self, intent: Thing, base: str) -> Answer:
        """What the customer's bank says."""
        card = self.card(intent["payment_method"])
        if card.decline is not None:
            return self.declined(intent, *card.decline)
        if card.challenge:
            url = f"{base}/authenticate/{intent['id']}?secret={intent['client_secret']}"
            intent["next_action"] = {
                "type": "redirect_to_url", "redirect_to_url": {"url": url, "return_url": intent["return_url"]},
            }
            intent["status"] = "requires_action"
            self.save(intent)
            self.tell("payment_intent.requires_action", intent)
            return Answer(200, shown(intent))
        return self.authorized(intent)

    def authorized(self, intent: Thing) -> Answer:
        """The money is promised, or taken at once."""
        intent |= {
            "status": "requires_capture", "amount_capturable": intent["amount"], "next_action": None,
            "last_payment_error": None, "charge": self.charge(intent),
        }
        self.books.enter("authorized", intent["id"], intent["amount"])
        self.save(intent)
        self.tell("payment_intent.amount_capturable_updated", intent)
        return Answer(200, shown(intent)) if intent["capture_method"] == "manual" else self.capture(intent["id"], {})

    def declined(self, intent: Thing, code: str, decline_code: str) -> Answer:
        """The money is refused."""
        error = {
            "type": "card_error", "code": code, "decline_code": decline_code, "message": "Your card was declined.",
        }
        intent |= {"status": "requires_payment_method", "last_payment_error": error, "next_action": None}
        self.save(intent)
        self.tell("payment_intent.payment_failed", intent)
        return Answer(402, {"error": error | {"payment_intent": shown(intent)}})

    def authenticate(self, id: str, secret: str, outcome: str) -> Thing:
        """The customer was at the bank."""
        intent = self.intent(id)
        if not secrets.compare_digest(secret, intent["client_secret"]):
            raise Problem("This is not your payment.", status=403)
        if intent["status"] == "requires_action":
            if outcome == "succeed":
                self.authorized(intent)
            else:
                self.declined(intent, "payment_intent_authentication_failure", "authentication_required")
        return intent

    def capture(self, id: str, form: Form) -> Answer:
        """Take promised money; what is not taken is given up."""
        intent = self.intent(id)
        if intent["status"] != "requires_capture":
            unexpected(intent, "captured")
        amount = whole(form, "amount_to_capture") if "amount_to_capture" in form else intent["amount"]
        if amount > intent["amount"]:
            raise Problem("You cannot capture more than was authorized.", code="amount_too_large")
        intent |= {"status": "succeeded", "amount_received": amount, "amount_capturable": 0}
        intent["charge"] |= {"captured": True, "amount_captured": amount}
        self.books.enter("captured", id, amount)
        self.save(intent)
        self.tell("payment_intent.succeeded", intent)
        self.tell("charge.captured", intent, of="charge")
        return Answer(200, shown(intent))

    def cancel(self, id: str, form: Form) -> Answer:
        """Give up promised money."""
        intent = self.intent(id)
        if intent["status"] not in CANCELABLE:
            unexpected(intent, "canceled")
        if intent["status"] == "requires_capture":
            self.books.enter("canceled", id, intent["amount"])
        intent |= {
            "status": "canceled", "amount_capturable": 0, "canceled_at": int(self.clock()), "next_action": None,
            "cancellation_reason": form.get("cancellation_reason"),
        }
        self.save(intent)
        self.tell("payment_intent.canceled", intent)
        return Answer(200, shown(intent))

    def refund(self, form: Form) -> Answer:
        """Give money back."""
        intent = self.intent(str(form.get("payment_intent", "")))
        left = intent["amount_received"] - (intent["charge"] or {}).get("amount_refunded", 0)
        amount = whole(form, "amount") if "amount" in form else left
        if intent["status"] != "succeeded" or left == 0:
            raise Problem("This payment has no money to give back.", code="charge_already_refunded")
        if amount > left:
            raise Problem(f"Refund amount ({amount}) is greater than unrefunded amount ({left})", param="amount")
        refund = self.new(
            "refund", "re", amount=amount, currency=intent["currency"], payment_intent=intent["id"], status="succeeded",
            metadata=form.get("metadata") or {}, reason=form.get("reason"), charge=intent["charge"]["id"],
        )
        intent["charge"]["amount_refunded"] += amount
        intent["charge"]["refunded"] = amount == left
        self.books.enter("refunded", intent["id"], amount)
        self.books.put(refund, owner=intent["id"])
        self.save(intent)
        self.tell("charge.refunded", intent, of="charge")
        return Answer(200, refund)

    def search(self, query: str) -> list[Thing]:
        """PaymentIntents by one piece of metadata, such as metadata['order']:'order-7'."""
        found = SEARCH.fullmatch(query.strip())
        if found is None:
            raise Problem(f"Only queries like metadata['order']:'7' are simulated, not {query}.", param="query")
        name, value = found.groups()
        if name == "order":
            return self.books.all("payment_intent", owner=value)
        return [intent for intent in self.books.all("payment_intent") if intent["metadata"].get(name) == value]

    # ------------------------------------------------------------------ what they have in common

    def intent(self, id: str) -> Thing:
        """A PaymentIntent as it is stored, with its charge inside."""
        found = self.books.get("payment_intent", id)
        if found is None:
            raise Problem(f"No such payment_intent: '{id}'", status=404, code="resource_missing", param="intent")
        return found

    def charge(self, intent: Thing) -> Thing:
        """The charge that a promise makes."""
        return self.new(
            "charge", "ch", amount=intent["amount"], currency=intent["currency"], captured=False, amount_captured=0,
            amount_refunded=0, refunded=False, payment_intent=intent["id"], metadata=intent["metadata"],
            payment_method=intent["payment_method"], paid=True, status="succeeded",
        )

    def save(self, intent: Thing) -> None:
        """Write a PaymentIntent into the books; it can be found by the order in its metadata."""
        self.books.put(intent, owner=intent["metadata"].get("order"))

    def tell(self, type: str, intent: Thing, *, of: str = "payment_intent") -> None:
        """Note an event, and have it sent to all endpoints."""
        object = shown(intent) if of == "payment_intent" else intent["charge"]
        event = self.new("event", "evt", type=type, data={"object": object}, api_version="2026-10-28.endive",
                         pending_webhooks=0, request={"id": None, "idempotency_key": None})
        self.books.put(event, owner=intent["id"])
        for endpoint in self.books.all("webhook_endpoint"):
            self.books.deliver(event["id"], endpoint["id"], due=self.clock())

    def new(self, kind: str, prefix: str, **fields: Any) -> Thing:
        """A new thing."""
        id = f"{prefix}_{secrets.token_hex(12)}"
        return {"id": id, "object": kind, "created": int(self.clock()), "livemode": False, **fields}


def shown(thing: Thing, expand: list[str] | None = None) -> Thing:
    """A thing as clients see it: a PaymentIntent's charge by its id, unless it is to be expanded."""
    hidden = {"charge", "behaviour", "return_url"} if thing["object"] != "refund" else set()
    seen = {name: value for name, value in thing.items() if name not in hidden}
    if thing["object"] == "payment_intent":
        charge = thing["charge"]
        wanted = any(name.split(".")[-1] == "latest_charge" for name in expand or [])
        seen["latest_charge"] = charge if charge is None or wanted else charge["id"]
    return seen


def whole(form: Form, name: str) -> int:
    """A positive whole number of a form."""
    text = str(form.get(name, ""))
    if not text.isdecimal() or not 0 < int(text) < 10**8:
        raise Problem(f"Invalid positive integer: {text!r}", param=name, code="parameter_invalid_integer")
    return int(text)


def unexpected(intent: Thing, done: str) -> NoReturn:
    """Refuse what the PaymentIntent's status does not allow."""
    raise Problem(
        f"This PaymentIntent could not be {done} because it has a status of {intent['status']}.",
        code="payment_intent_unexpected_state", payment_intent=shown(intent),
    )
