"""NaiveDesk: charges first, and hopes for the rest."""

from __future__ import annotations

from apps.store.inventory.contract import Line
from apps.store.orders.contract import Order
from apps.store.orders.events import Address, Text
from apps.store.orders.module import OrderDesk
from apps.store.orders.totals import goods_of, lines_of, totals_of
from apps.store.users.contract import Email


class NaiveDesk(OrderDesk):
    """The order of steps that Online Boutique has: when the goods are gone, the money is kept. Nothing is undone."""

    async def checkout(self, cart: str, version: int, payment: Text, email: Email, address: Address) -> Order:
        """Charge, then write, then ship."""
        saga, order = self.saga, self.saga.id("order")
        bought = await saga.step(self.carts.freeze, cart, version, order)
        goods = goods_of(lines_of(bought), bought.currency)
        offer = await saga.step(self.shipping.quote, address.country, goods)
        total = totals_of(goods, offer.price, self.settings).total
        await saga.step(self.payments.authorize, order, total, payment)
        await saga.step(self.place, order, bought, payment, email, address)
        await saga.step(self.inventory.reserve, order, tuple(Line(line.sku, line.quantity) for line in bought.lines))
        await saga.step(self.inventory.commit, order)
        paid = await saga.step(self.confirm, order)
        await saga.step(self.carts.close, cart, order)
        return paid
