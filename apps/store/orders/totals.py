"""What an order costs."""

from __future__ import annotations

from apps.store.carts.contract import Cart
from apps.store.money import Money, total
from apps.store.orders.events import OrderLine, Totals
from apps.store.orders.settings import OrderSettings


def lines_of(cart: Cart) -> tuple[OrderLine, ...]:
    """The lines of a cart, as an order keeps them."""
    return tuple(OrderLine(line.sku, line.name, line.quantity, line.unit_price) for line in cart.lines)


def goods_of(lines: tuple[OrderLine, ...], currency: str) -> Money:
    """What the goods cost."""
    return total(currency, *(line.unit_price.times(line.quantity) for line in lines))


def totals_of(goods: Money, shipping: Money, settings: OrderSettings) -> Totals:
    """Goods, shipping, and the tax on goods, rounded to the nearest minor unit, half a unit up."""
    currency = goods.currency
    tax = Money((goods.amount * settings.tax + 5_000) // 10_000, currency)
    return Totals(goods, shipping, tax, total(currency, goods, shipping, tax))
