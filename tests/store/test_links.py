"""The store split up, with every call by rest, or by gRPC: what holds over rpc holds there, and the books agree."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import pytest_asyncio

from tests.store import test_buying as buying
from tests.store import test_keys as keys
from tests.store import test_orders as orders
from tests.store import test_recommendations as recommendations
from tests.store.conftest import quick_folder
from tests.store.shop import Shop, Structure, open_shop
from tests.store.unit_simulation import simulated

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(scope="module", loop_scope="session", params=["rest", "grpc"])
async def linked(request: pytest.FixtureRequest) -> AsyncIterator[Shop]:
    """A store in which every call goes over a socket."""
    structure = Structure("microservices", request.param)
    with quick_folder() as folder, simulated(folder / "provider") as provider:
        async with open_shop(structure, provider=provider.url, data=folder) as shop:
            await shop.bank.control(duplicate=0.2, reorder=0.2)
            yield shop
            await shop.bank.control(reorder=0.0, duplicate=0.0)
            await shop.check(webhooks=True)


@pytest.mark.parametrize("must_hold", [
    buying.test_a_customer_registers_signs_in_and_buys,
    buying.test_an_order_that_is_cancelled_gives_back_its_money_once_and_its_goods,
    buying.test_a_declined_card_leaves_nothing_but_a_cart_to_be_bought_with_another,
    buying.test_an_order_waits_for_the_customers_bank_and_is_paid_after_the_visit,
    keys.test_a_refusal_is_the_answer_under_its_key_for_ever,
    keys.test_a_key_of_another_request_is_refused,
    keys.test_one_cart_that_is_sent_under_many_keys_is_bought_once,
    orders.test_an_order_is_either_shipped_or_cancelled,
    recommendations.test_what_cannot_be_bought_is_not_suggested,
], ids=lambda test: test.__name__.removeprefix("test_"))
async def test_what_holds_over_rpc_holds(linked: Shop, must_hold: Callable[[Shop], Awaitable[None]]) -> None:
    await must_hold(linked)
