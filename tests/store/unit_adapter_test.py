"""The payments module's adapter for Stripe, against the simulated provider."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

import pytest

from apps.store.money import Money
from apps.store.payments.provider import Declined, Forged, Refused
from apps.store.payments.settings import PaymentSettings
from apps.store.payments.stripe_provider import LONGEST_KEY, StripeProvider, options
from apps.store.provider.webhooks import signed
from craton import OutcomeUnknown, Secret
from tests.store.unit_simulation import Simulation, simulated

TEN = Money(1000, "USD")


@pytest.fixture(scope="module")
def simulation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulation]:
    with simulated(tmp_path_factory.mktemp("provider")) as running:
        yield running


@pytest.fixture
async def provider(simulation: Simulation) -> AsyncIterator[StripeProvider]:
    simulation.control(rates={}, next=[], withhold=3)
    made = StripeProvider(PaymentSettings(api_base=simulation.url, timeout=1.0))
    yield made
    await made.close()


@pytest.fixture
def order() -> str:
    return f"order-{uuid4().hex}"


async def test_a_payment_goes_from_promise_to_refund(provider: StripeProvider, order: str) -> None:
    promised = await provider.authorize(order, TEN, "pm_card_visa", key="a" + order)
    assert (promised.order, promised.status, promised.amount, promised.captured) == (order, "requires_capture", TEN, 0)
    taken = await provider.capture(promised.reference, key="c" + order)
    assert (taken.status, taken.captured) == ("succeeded", 1000)
    await provider.refund(promised.reference, Money(250), "refund-1", key="r" + order)
    assert (await provider.intent(promised.reference)).refunded == 250
    assert (await provider.find(order)) == await provider.intent(promised.reference)


async def test_nothing_is_found_where_nothing_is(provider: StripeProvider, order: str) -> None:
    assert await provider.find(order) is None


async def test_a_declined_card_says_why_and_which_payment_it_was(provider: StripeProvider, order: str) -> None:
    with pytest.raises(Declined) as caught:
        await provider.authorize(order, TEN, "pm_card_chargeDeclined", key=order)
    found = await provider.find(order)
    assert found is not None
    assert (caught.value.code, caught.value.reference) == ("generic_decline", found.reference)


async def test_a_token_that_is_none_is_refused(provider: StripeProvider, order: str) -> None:
    with pytest.raises(Refused):
        await provider.authorize(order, TEN, "pm_nonsense", key=order)


async def test_a_bank_that_asks_has_an_address(provider: StripeProvider, simulation: Simulation, order: str) -> None:
    asked = await provider.authorize(order, TEN, "pm_card_authenticationRequired", key=order)
    assert asked.status == "requires_action" and asked.action_url is not None
    assert asked.action_url.startswith(simulation.url)
    simulation.post(asked.action_url, outcome="fail")
    failed = await provider.intent(asked.reference)
    assert (failed.status, failed.decline_code) == ("requires_payment_method", "authentication_required")


@pytest.mark.parametrize("trouble", [
    "timeout_before", "timeout_after", "late", "disconnect_before", "disconnect_after", "unavailable",
])
async def test_an_answer_that_is_missing_is_an_unknown_outcome_until_the_same_key_asks_again(
    provider: StripeProvider, simulation: Simulation, order: str, trouble: str,
) -> None:
    simulation.control(next=[["authorize", trouble]])
    with pytest.raises(OutcomeUnknown):
        await provider.authorize(order, TEN, "pm_card_visa", key=order)
    await asyncio.sleep(0.3)
    again = await provider.authorize(order, TEN, "pm_card_visa", key=order)
    assert again.status == "requires_capture" and len(simulation.books(order)) == 1


async def test_a_request_that_is_still_under_way_is_an_unknown_outcome(
    provider: StripeProvider, simulation: Simulation, order: str,
) -> None:
    simulation.control(next=[["authorize", "slow"]], delay=0.5)
    slow = asyncio.create_task(provider.authorize(order, TEN, "pm_card_visa", key=order))
    await asyncio.sleep(0.2)
    with pytest.raises(OutcomeUnknown):
        await provider.authorize(order, TEN, "pm_card_visa", key=order)
    assert (await slow).status == "requires_capture"


async def test_what_cannot_be_captured_or_canceled_is_told_as_it_is(provider: StripeProvider, order: str) -> None:
    first = await provider.authorize(order, TEN, "pm_card_visa", key="1" + order)
    second = await provider.authorize(order, TEN, "pm_card_visa", key="2" + order)
    await provider.cancel(first.reference, key="3" + order)
    assert (await provider.capture(first.reference, key="4" + order)).status == "canceled"
    await provider.capture(second.reference, key="5" + order)
    assert (await provider.cancel(second.reference, key="6" + order)).status == "succeeded"


async def test_more_than_was_paid_is_not_given_back(provider: StripeProvider, order: str) -> None:
    made = await provider.authorize(order, TEN, "pm_card_visa", key="a" + order)
    await provider.capture(made.reference, key="c" + order)
    with pytest.raises(Refused):
        await provider.refund(made.reference, Money(1001), "refund-1", key="r" + order)


async def test_a_wrong_api_key_is_no_unknown_outcome(simulation: Simulation, order: str) -> None:
    provider = StripeProvider(PaymentSettings(api_base=simulation.url, api_key=Secret("nonsense")))
    with pytest.raises(Exception, match="test API key") as caught:
        await provider.authorize(order, TEN, "pm_card_visa", key=order)
    assert not isinstance(caught.value, OutcomeUnknown | Declined | Refused)
    await provider.close()


async def test_only_what_the_provider_signed_is_read(provider: StripeProvider) -> None:
    intent = {
        "object": "payment_intent", "id": "pi_1", "status": "succeeded", "amount": 1000, "currency": "usd",
        "amount_received": 1000, "metadata": {"order": "order-1"},
    }
    payload = json.dumps({"id": "evt_1", "object": "event", "type": "x", "data": {"object": intent}})
    secret, now = PaymentSettings().webhook_secret.reveal(), int(time.time())
    notice = provider.read(payload, signed(payload, secret, now))
    assert notice.id == "evt_1" and notice.intent is not None and notice.intent.captured == 1000
    for forged in ("", "nonsense", signed(payload, "another secret", now), signed(payload, secret, now - 3600)):
        with pytest.raises(Forged):
            provider.read(payload, forged)
    with pytest.raises(Forged):
        provider.read("[]", signed("[]", secret, now))


def test_a_long_key_is_shortened_and_still_tells_keys_apart() -> None:
    first, second = (options("k" * 300 + last).get("idempotency_key") for last in "12")
    assert first != second and len(first or "") <= LONGEST_KEY
    assert options("short") == {"idempotency_key": "short"}
