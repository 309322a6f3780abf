"""People are told by e-mail what happens to their orders, whatever the mail server does; in every structure."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from email import message_from_bytes, policy
from pathlib import Path
from socket import socket

import pytest

from apps.store.money import Money
from apps.store.notifications.contract import Message
from apps.store.users.contract import Users
from craton import Secret
from tests.store.mailbox import Mailbox, mailbox
from tests.store.shop import EMAIL, Shop, Structure, everywhere, open_shop, until
from tests.store.unit_simulation import simulated

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def told(shop: Shop, about: str) -> Counter[tuple[str, str]]:
    """What was sent about an order or a product: kinds and addressees."""
    await shop.settled()
    found = await messages(shop, about)
    assert {message.state for message in found} <= {"sent"}
    for message in found:
        file = shop.mail / f"{message.id}.eml"
        mail = message_from_bytes(file.read_bytes(), policy=policy.default)
        assert (mail["To"], mail["Message-ID"]) == (message.to, f"<{message.id}@store.example>")
    return Counter((message.kind, message.to) for message in found)


async def messages(shop: Shop, about: str) -> list[Message]:
    """The messages about an order or a product, as the administrator reads them page by page."""
    found: list[Message] = []
    cursor: str | None = None
    while True:
        page = await shop.admin.ask(shop.notifications.messages, about, 2, cursor)
        found += page.items
        if (cursor := page.next_cursor) is None:
            return found


@everywhere
async def test_a_customer_is_told_once_of_all_that_happens_to_an_order(shop: Shop) -> None:
    sku, ann = await shop.product(price=5000), shop.customer()
    order = await ann.order_of(sku)
    await shop.admin.ask(shop.orders.refund, order.id, Money(100))
    await shop.admin.ask(shop.orders.ship, order.id, "1Z")
    await shop.admin.ask(shop.orders.refund, order.id, Money(100))
    gone = await ann.order_of(sku)
    await ann.ask(shop.orders.cancel, gone.id)
    assert await told(shop, order.id) == {("paid", EMAIL): 1, ("shipped", EMAIL): 1, ("refunded", EMAIL): 2}
    assert await told(shop, gone.id) == {("paid", EMAIL): 1, ("cancelled", EMAIL): 1}
    await shop.check()


async def test_who_was_never_charged_is_told_nothing(shop: Shop) -> None:
    ann = shop.customer()
    order = await ann.order_of(await shop.product(), card="pm_card_authenticationRequired")
    await ann.ask(shop.orders.cancel, order.id)
    assert await told(shop, order.id) == {}


async def test_the_administrator_is_told_when_little_is_left(shop: Shop) -> None:
    sku = await shop.product(stock=4)
    await shop.customer().order_of(sku, quantity=2)
    assert await told(shop, sku) == {("stock low", "admin@store.example"): 1}
    assert sku in {stock.sku for stock in await shop.admin.ask(shop.inventory.low_stock)}
    await shop.check()


async def test_only_the_administrator_sees_who_got_what(shop: Shop) -> None:
    async with shop.browser(shop.customer()) as http:
        assert (await http.get("/admin/messages")).status_code == 403


@pytest.fixture
def box() -> Iterator[Mailbox]:
    with mailbox() as box:
        yield box


@asynccontextmanager
async def shop_with(box: Mailbox, topology: str, folder: Path) -> AsyncIterator[Shop]:
    """A store that sends its e-mails to a mail server."""
    settings = {
        "CRATON_NOTIFICATIONS_SMTP": box.address, "CRATON_NOTIFICATIONS_PAUSE": "0.05",
        "CRATON_NOTIFICATIONS_TIMEOUT": "2",
    }
    with simulated(folder / "provider") as provider:
        async with open_shop(Structure(topology), provider=provider.url, data=folder, settings=settings) as shop:
            yield shop


@pytest.mark.parametrize("topology", ["monolith", "microservices"])
async def test_a_mail_server_that_fails_now_and_then_delays_and_loses_nothing(
    topology: str, box: Mailbox, tmp_path: Path
) -> None:
    async with shop_with(box, topology, tmp_path) as shop:
        sku = await shop.product(stock=50)
        box.troubles.extend(("busy", "fine", "cut off when taken", "greylisted", "greylisted", "cut off when taken"))
        orders = [await shop.customer().order_of(sku) for _ in range(6)]
        box.close()
        orders += [await shop.customer().order_of(sku) for _ in range(3)]  # nobody waits for the mail server
        assert {order.status for order in orders} == {"paid"}
        box.open()
        await shop.settled()
        found = [message for order in orders for message in await messages(shop, order.id)]
        assert [message.state for message in found] == ["sent"] * 9
        assert set(box.ids) == {f"<{message.id}@store.example>" for message in found}
        assert set(box.recipients) == {(EMAIL,)}
        await shop.check(webhooks=True)


async def test_a_message_that_is_refused_holds_up_no_other(box: Mailbox, tmp_path: Path) -> None:
    async with shop_with(box, "monolith", tmp_path) as shop:
        sku = await shop.product(stock=50)
        box.troubles.append("unknown mailbox")
        refused = await shop.customer().order_of(sku)
        await shop.settled()
        box.troubles.extend(("greylisted", "greylisted", "greylisted"))
        taken = [await shop.customer().order_of(sku) for _ in range(3)]
        await shop.settled()
        [bounced] = await messages(shop, refused.id)
        assert (bounced.state, "no such user" in bounced.reason) == ("refused", True)
        assert [(await messages(shop, order.id))[0].state for order in taken] == ["sent"] * 3
        assert len(box.arrived) == 3


async def test_a_mail_server_that_hangs_holds_up_nobody(box: Mailbox, tmp_path: Path) -> None:
    async with shop_with(box, "monolith", tmp_path) as shop:
        box.close()
        sku, users = await shop.product(stock=50), shop.running.get(Users)
        with socket() as silent:
            silent.bind(("127.0.0.1", box.port))
            silent.listen(100)
            orders = [await shop.customer().order_of(sku) for _ in range(6)]
            for number in range(6):  # whose passwords are hashed on threads, too
                await shop.guest().ask(users.register, f"{number}@example.com", Secret("correct horse battery"), "")
        await asyncio.to_thread(box.open)
        await shop.settled()
        assert len(set(box.ids)) == len(orders)


@pytest.mark.parametrize("topology", ["monolith", "microservices"])
async def test_messages_that_wait_for_the_mail_server_outlive_their_service(
    topology: str, box: Mailbox, tmp_path: Path
) -> None:
    async with shop_with(box, topology, tmp_path) as shop:
        box.close()
        order = await shop.customer().order_of(await shop.product())

        async def written() -> bool:
            return bool(await messages(shop, order.id))

        await until(written)
        home = shop.home_of("notifications")
        await shop.running.close(home)
        await asyncio.to_thread(box.open)
        await shop.running.open(home)
        shop.connect(shop.running)
        await shop.settled()
        assert len(set(box.ids)) == 1
        [message] = await messages(shop, order.id)
        assert message.state == "sent"
