"""Orders, for those who send them: what to pack, what to give back, and what has come in."""

from __future__ import annotations

from asyncio import gather
from dataclasses import dataclass
from typing import Any, cast, get_args

from starlette.responses import Response

from apps.store.catalog.contract import InvalidCursor
from apps.store.money import Money
from apps.store.orders.contract import InvalidTransition, Order, OrderBusy, Status
from apps.store.payments.contract import RefundRefused, RefundTooLarge
from apps.store.shipping.contract import State
from apps.store.storefront.admin.pages import PAGE, amount_of, shown, soon, text_of, written
from apps.store.storefront.countries import NAMES
from apps.store.storefront.forms import Form
from apps.store.storefront.serving import go
from apps.store.storefront.shop import Shop
from apps.store.storefront.visit import Visit, local
from craton import OutcomeUnknown

LIST = "/manage/orders"
WAITING = 100


@dataclass(frozen=True, slots=True)
class OrderPages:
    """The pages of orders and shipments."""

    shop: Shop

    async def home(self, visit: Visit) -> Response:
        """What waits for somebody, and what came in."""
        low, waiting, takings = await gather(
            self.shop.soon(self.shop.inventory.low_stock(), None),
            self.shop.soon(self.shop.shipping.shipments(limit=WAITING), None),
            self.shop.soon(self.shop.orders.takings(limit=14), None),
        )
        return await shown(self.shop, "home.html", visit, low=low, waiting=waiting, takings=takings)

    async def list(self, visit: Visit) -> Response:
        """Everybody's orders, the newest first; those of one status."""
        word = text_of(visit, "status")
        status = cast("Status", word) if word in get_args(Status) else None
        after = visit.request.query_params.get("after") or None
        try:
            orders = await self.shop.orders.all_orders(status, PAGE, after)
        except InvalidCursor:
            return go(LIST)
        return await shown(
            self.shop, "orders.html", visit, orders=orders, statuses=get_args(Status), status_chosen=status,
        )

    async def look(self, visit: Visit) -> Response:
        """One order, with its history."""
        return await self.one(visit)

    async def one(self, visit: Visit, **values: Any) -> Response:
        """The page of an order; with what is wrong with what was typed there."""
        order = await self.shop.orders.order(visit.request.path_params["order"])
        left = written(order.totals.total.amount - order.refunded.amount)
        return await shown(self.shop, "order.html", visit, order=order, countries=NAMES, left=left, **values)

    async def ship(self, visit: Visit) -> Response:
        """The goods of an order are on their way."""
        id = visit.request.path_params["order"]
        back = local(visit.form.get("back", ""), f"{LIST}/{id}")
        form = Form(visit.form)
        tracking = form.text("tracking", most=100)
        if form.errors:
            return await self.one(visit, errors=form.errors)
        try:
            async with soon(self.shop, visit):
                await self.shop.orders.ship(id, tracking)
        except (InvalidTransition, OrderBusy) as why:
            return await self.one(visit, problem=refusal(why), status=409)
        return go(back, note="shipped")

    async def cancel(self, visit: Visit) -> Response:
        """Cancel an order, and give back what was paid."""
        id = visit.request.path_params["order"]
        try:
            async with soon(self.shop, visit):
                await self.shop.orders.cancel(id, visit.form.get("reason", "")[:200])
        except (InvalidTransition, OrderBusy, RefundRefused) as why:
            return await self.one(visit, problem=refusal(why), status=409)
        except OutcomeUnknown:
            return go(f"{LIST}/{id}", note="working")
        return go(f"{LIST}/{id}", note="cancelled")

    async def refund(self, visit: Visit) -> Response:
        """Give back a part of what was paid."""
        id, form = visit.request.path_params["order"], Form(visit.form)
        order = await self.shop.orders.order(id)
        most = order.totals.total.amount - order.refunded.amount
        amount = amount_of(form, "amount", least=1, most=max(1, most))
        if form.errors:
            return await self.one(visit, errors=form.errors)
        try:
            async with soon(self.shop, visit):
                await self.give_back(order, amount, form)
        except (InvalidTransition, OrderBusy, RefundRefused, RefundTooLarge) as why:
            return await self.one(visit, problem=refusal(why), status=409)
        except OutcomeUnknown:
            return go(f"{LIST}/{id}", note="working")
        return go(f"{LIST}/{id}", note="refunded")

    async def give_back(self, order: Order, amount: int, form: Form) -> None:
        """The money goes back."""
        money = Money(amount, order.totals.total.currency)
        await self.shop.orders.refund(order.id, money, form.typed.get("reason", "")[:200])

    async def shipments(self, visit: Visit) -> Response:
        """What is to be sent, the longest waiting first; or what was."""
        word = text_of(visit, "state")
        state = cast("State", word) if word in get_args(State) else "waiting"
        after = visit.request.query_params.get("after") or None
        try:
            found = await self.shop.shipping.shipments(state, PAGE, after)
        except InvalidCursor:
            return go("/manage/shipments")
        return await shown(
            self.shop, "shipments.html", visit, found=found, states=get_args(State), state=state, countries=NAMES,
        )


def refusal(why: Exception) -> str:
    """Why an order stays as it is."""
    if isinstance(why, InvalidTransition):
        return f"This is not possible: the order is {why.state.replace('_', ' ')} by now."
    if isinstance(why, OrderBusy):
        return "Something else is being done with this order. Please try again in a moment."
    return "The payment provider does not give this back: look at the payment there."
