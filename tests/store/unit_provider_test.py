"""The simulated payment provider, asked by the official Stripe client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from uuid import uuid4

import pytest
import stripe
from stripe import StripeClient as Client

from apps.store.payments.transport import Transport
from tests.store.unit_simulation import Simulation, simulated

SECRET = "whsec_store_simulation"


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulation]:
    with simulated(tmp_path_factory.mktemp("provider")) as running:
        yield running


@pytest.fixture(autouse=True)
def calm(provider: Simulation) -> None:
    provider.control(rates={}, next=[], withhold=3, duplicate=0, reorder=0, seed=1)


@pytest.fixture
async def client(provider: Simulation) -> AsyncIterator[Client]:
    stripe.enable_telemetry = False
    http = Transport(timeout=1.0)
    yield Client("sk_test_tests", base_addresses={"api": provider.url}, http_client=http)
    await http.close_async()


def once(key: str) -> stripe.RequestOptions:
    return {"idempotency_key": key}


async def authorized(client: Client, order: str, token: str = "pm_card_visa", key: str = "") -> stripe.PaymentIntent:
    return await client.v1.payment_intents.create_async({
        "amount": 1000, "currency": "usd", "payment_method": token, "capture_method": "manual", "confirm": True,
        "return_url": "http://127.0.0.1/", "metadata": {"order": order},
    }, once(key or f"authorize-{order}"))


async def test_money_is_authorized_then_captured_then_refunded(client: Client, provider: Simulation) -> None:
    order = uuid4().hex
    intent = await authorized(client, order)
    assert (intent.status, intent.amount_received) == ("requires_capture", 0)
    taken = await client.v1.payment_intents.capture_async(intent.id)
    assert (taken.status, taken.amount_received) == ("succeeded", 1000)
    refund = await client.v1.refunds.create_async({"payment_intent": intent.id, "amount": 300})
    assert refund.status == "succeeded"
    seen = await client.v1.payment_intents.retrieve_async(intent.id, {"expand": ["latest_charge"]})
    assert isinstance(seen.latest_charge, stripe.Charge) and seen.latest_charge.amount_refunded == 300
    [entry] = provider.books(order)
    assert [entry[part] for part in ("authorized", "captured", "refunded", "net")] == [1000, 1000, 300, 700]


async def test_a_card_becomes_a_token_and_its_number_is_not_kept(client: Client, provider: Simulation) -> None:
    card: Any = {"number": "4242 4242 4242 4242", "exp_month": 12, "exp_year": 2040, "cvc": "123"}
    token = await client.v1.payment_methods.create_async({"type": "card", "card": card})
    assert token.card is not None and token.card.last4 == "4242"
    assert (await authorized(client, uuid4().hex, token.id)).status == "requires_capture"
    assert not any(b"4242424242424242" in file.read_bytes() for file in provider.data.iterdir())


async def test_a_number_that_is_no_cards_is_refused(client: Client) -> None:
    card: Any = {"number": "4242424242424241", "exp_month": 12, "exp_year": 2040}
    with pytest.raises(stripe.CardError, match="incorrect"):
        await client.v1.payment_methods.create_async({"type": "card", "card": card})


@pytest.mark.parametrize(("token", "reason"), [
    ("pm_card_chargeDeclined", "generic_decline"),
    ("pm_card_visa_chargeDeclinedInsufficientFunds", "insufficient_funds"),
    ("pm_card_chargeDeclinedExpiredCard", "expired_card"),
])
async def test_cards_are_declined_for_their_reasons(
    client: Client, provider: Simulation, token: str, reason: str,
) -> None:
    order = uuid4().hex
    with pytest.raises(stripe.CardError) as caught:
        await authorized(client, order, token)
    assert caught.value.error is not None and caught.value.error.decline_code == reason
    [entry] = provider.books(order)
    assert (entry["status"], entry["authorized"]) == ("requires_payment_method", 0)


async def test_a_real_card_is_declined(client: Client) -> None:
    card: Any = {"number": "4111111111111111", "exp_month": 12, "exp_year": 2040}
    token = await client.v1.payment_methods.create_async({"type": "card", "card": card})
    with pytest.raises(stripe.CardError):
        await authorized(client, uuid4().hex, token.id)


async def test_the_same_key_gets_the_same_answer_and_acts_once(client: Client, provider: Simulation) -> None:
    order = uuid4().hex
    first, again = await authorized(client, order), await authorized(client, order)
    assert first.id == again.id and len(provider.books(order)) == 1
    for _ in range(2):
        await client.v1.payment_intents.capture_async(first.id, {}, once(f"capture-{order}"))
    for _ in range(2):
        await client.v1.refunds.create_async({"payment_intent": first.id, "amount": 400}, once(f"refund-{order}"))
    assert provider.books(order)[0]["net"] == 600


async def test_a_decline_is_kept_under_its_key(client: Client, provider: Simulation) -> None:
    order = uuid4().hex
    for _ in range(2):
        with pytest.raises(stripe.CardError):
            await authorized(client, order, "pm_card_chargeDeclined")
    assert len(provider.books(order)) == 1


async def test_a_key_is_refused_for_other_parameters(client: Client) -> None:
    key = uuid4().hex
    await authorized(client, "one", key=key)
    with pytest.raises(stripe.IdempotencyError):
        await authorized(client, "another", key=key)


async def test_a_key_in_use_is_a_conflict(client: Client, provider: Simulation) -> None:
    order = uuid4().hex
    provider.control(next=[["authorize", "slow"]], delay=0.5)
    slow = asyncio.create_task(authorized(client, order))
    await asyncio.sleep(0.2)
    with pytest.raises(stripe.APIError) as caught:
        await authorized(client, order)
    assert caught.value.http_status == 409
    assert (await slow).status == "requires_capture" and len(provider.books(order)) == 1


@pytest.mark.parametrize("trouble", ["timeout_after", "disconnect_after", "late"])
async def test_money_may_move_though_no_answer_comes(client: Client, provider: Simulation, trouble: str) -> None:
    order = uuid4().hex
    intent = await authorized(client, order)
    provider.control(next=[["capture", trouble]])
    with pytest.raises(stripe.APIConnectionError):
        await client.v1.payment_intents.capture_async(intent.id, {}, once(order))
    await asyncio.sleep(0.3)
    assert provider.books(order)[0]["net"] == 1000
    assert (await client.v1.payment_intents.capture_async(intent.id, {}, once(order))).status == "succeeded"
    assert provider.books(order)[0]["net"] == 1000


@pytest.mark.parametrize("trouble", ["timeout_before", "disconnect_before", "unavailable"])
async def test_no_money_moves_before_a_request_is_carried_out(
    client: Client, provider: Simulation, trouble: str,
) -> None:
    order = uuid4().hex
    provider.control(next=[["authorize", trouble]])
    with pytest.raises((stripe.APIConnectionError, stripe.APIError)):
        await authorized(client, order)
    assert provider.books(order) == []
    await asyncio.sleep(0.3)
    assert (await authorized(client, order)).status == "requires_capture"


async def test_a_cards_trouble_befalls_it_once_for_each_key(client: Client, provider: Simulation) -> None:
    order = uuid4().hex
    intent = await authorized(client, order, "pm_card_disconnectAfterCharge")
    with pytest.raises(stripe.APIConnectionError):
        await client.v1.payment_intents.capture_async(intent.id, {}, once(order))
    assert (await client.v1.payment_intents.capture_async(intent.id, {}, once(order))).amount_received == 1000


@pytest.mark.parametrize(("outcome", "status", "authorized_amount"), [
    ("succeed", "requires_capture", 1000), ("fail", "requires_payment_method", 0),
])
async def test_a_bank_may_want_to_hear_from_its_customer(
    client: Client, provider: Simulation, outcome: str, status: str, authorized_amount: int,
) -> None:
    order = uuid4().hex
    intent = await authorized(client, order, "pm_card_authenticationRequired")
    assert intent.status == "requires_action" and intent.next_action is not None
    redirect = intent.next_action.redirect_to_url
    assert redirect is not None and redirect.url is not None
    assert "10.00 USD" in provider.get(redirect.url).text
    assert provider.post(redirect.url, outcome=outcome, secret="wrong").status_code == 403
    secret = redirect.url.partition("secret=")[2]
    assert provider.post(redirect.url, outcome=outcome, secret=secret).is_success
    assert (await client.v1.payment_intents.retrieve_async(intent.id)).status == status
    assert provider.books(order)[0]["authorized"] == authorized_amount


async def test_a_canceled_payment_is_never_captured(client: Client, provider: Simulation) -> None:
    order = uuid4().hex
    intent = await authorized(client, order)
    assert (await client.v1.payment_intents.cancel_async(intent.id)).status == "canceled"
    with pytest.raises(stripe.InvalidRequestError) as caught:
        await client.v1.payment_intents.capture_async(intent.id)
    assert caught.value.code == "payment_intent_unexpected_state"
    assert provider.books(order)[0]["net"] == 0


async def test_no_more_is_refunded_than_was_captured(client: Client) -> None:
    intent = await authorized(client, uuid4().hex)
    await client.v1.payment_intents.capture_async(intent.id)
    await client.v1.refunds.create_async({"payment_intent": intent.id, "amount": 600})
    with pytest.raises(stripe.InvalidRequestError):
        await client.v1.refunds.create_async({"payment_intent": intent.id, "amount": 401})
    assert (await client.v1.refunds.create_async({"payment_intent": intent.id})).amount == 400
    with pytest.raises(stripe.InvalidRequestError):
        await client.v1.refunds.create_async({"payment_intent": intent.id})


async def test_payments_are_found_by_their_order_and_listed(client: Client) -> None:
    order = uuid4().hex
    intent = await authorized(client, order)
    found = await client.v1.payment_intents.search_async({"query": f"metadata['order']:'{order}'"})
    assert [one.id for one in found.data] == [intent.id]
    assert (await client.v1.payment_intents.list_async({"limit": 1})).data[0].id == intent.id
    seen = [one.id async for one in (await client.v1.payment_intents.list_async({"limit": 3})).auto_paging_iter()]
    assert len(seen) == len(set(seen)) and intent.id in seen


def test_a_client_without_a_key_is_refused(provider: Simulation) -> None:
    assert provider.get(f"{provider.url}/v1/payment_intents").status_code == 401


async def test_the_books_survive_kill_9(tmp_path: Path) -> None:
    with simulated(tmp_path) as provider:
        http = Transport(timeout=2.0)
        client = Client("sk_test_tests", base_addresses={"api": provider.url}, http_client=http)
        intent = await authorized(client, "order-1")
        await client.v1.payment_intents.capture_async(intent.id, {}, once("capture"))
        provider.kill()
        provider.start()
        assert provider.books("order-1")[0]["net"] == 1000
        again = await client.v1.payment_intents.capture_async(intent.id, {}, once("capture"))
        assert again.status == "succeeded" and provider.books("order-1")[0]["net"] == 1000
        await http.close_async()


class Listener(BaseHTTPRequestHandler):
    """Takes webhooks, the second time they are tried, and remembers them."""

    heard: list[tuple[bytes, str]]
    tried: set[bytes]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200 if body in self.tried else 500)
        self.end_headers()
        if body in self.tried:
            self.heard.append((body, self.headers["Stripe-Signature"]))
        self.tried.add(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


async def test_webhooks_are_signed_repeated_until_taken_and_sometimes_sent_twice(
    client: Client, provider: Simulation,
) -> None:
    Listener.heard, Listener.tried = [], set()
    server = HTTPServer(("127.0.0.1", 0), Listener)
    Thread(target=server.serve_forever, daemon=True).start()
    provider.control(duplicate=0.5, reorder=0.5, seed=3)
    try:
        await client.v1.webhook_endpoints.create_async(
            {"url": f"http://127.0.0.1:{server.server_port}/", "enabled_events": ["*"]}
        )
        intent = await authorized(client, uuid4().hex)
        await client.v1.payment_intents.capture_async(intent.id)
        heard: list[tuple[bytes, str]] = []
        for _ in range(200):
            if len(heard := list(Listener.heard)) > 4 and provider.control()["undelivered"] == 0:
                break
            await asyncio.sleep(0.05)
        events = [stripe.Webhook.construct_event(body, signature, SECRET) for body, signature in heard]
        told = {event.id: event.type for event in events}
        assert sorted(told.values()) == [
            "charge.captured", "payment_intent.amount_capturable_updated", "payment_intent.created",
            "payment_intent.succeeded",
        ]
        assert len(events) > len(told)
    finally:
        server.shutdown()
        server.server_close()
