"""Orders: how far they are, and what can still be done about them."""

from __future__ import annotations

from asyncio import gather
from dataclasses import dataclass
from typing import Any

from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, Response

from apps.store.catalog.contract import InvalidCursor
from apps.store.orders.contract import InvalidTransition, Order, OrderBusy
from apps.store.payments.contract import CardDeclined, RefundRefused
from apps.store.storefront import cards
from apps.store.storefront.countries import NAMES
from apps.store.storefront.rendering import FRESH, environment, page
from apps.store.storefront.serving import go, new_key, once
from apps.store.storefront.shop import Shop
from apps.store.storefront.visit import Visit
from craton import Door, Fault, NotAllowed, OutcomeUnknown

LAST = {"shipped", "cancelled"}
"""Where an order stays."""
ENDS = {"done", "fault"}


@dataclass(frozen=True, slots=True)
class Following:
    """What comes after the checkout."""

    shop: Shop
    door: Door

    async def checkout(self, visit: Visit) -> Response:
        """A checkout that takes longer: how far it is, until there is an order, or none."""
        saga = visit.request.path_params["saga"]
        try:
            status = await self.door.saga("orders", saga, caller=visit.caller)
        except NotAllowed:
            raise HTTPException(404) from None
        if status is None:
            raise HTTPException(404)
        if status.state == "done":
            return go(f"/order/{status.answer['id']}", note="thanks")
        why = reason(status.fault, status.answer) if status.state == "fault" else ""
        return page("progress.html", visit, frame=await self.shop.frame(), saga=status, why=why)

    async def order(self, visit: Visit) -> Response:
        """One order."""
        id = visit.request.path_params["order"]
        frame, order = await gather(self.shop.frame(), self.shop.orders.order(id))
        key = new_key(self.shop)
        return page("order.html", visit, frame=frame, order=order, key=key, countries=NAMES, **moving(order))

    async def state(self, visit: Visit) -> Response:
        """The part of an order's page that changes by itself: what a page asks for every now and then."""
        order = await self.shop.orders.order(visit.request.path_params["order"])
        key = new_key(self.shop)
        shown = environment().get_template("state.html").render(order=order, key=key, note="", **moving(order))
        return HTMLResponse(shown, headers=FRESH)

    async def back(self, visit: Visit) -> Response:
        """The customer comes back from the bank: go on with the order that waits for that."""
        latest = await self.shop.orders.mine(limit=10) if visit.token else None
        waiting = [order for order in latest.items if order.status == "stock_confirmed"] if latest else []
        return await self.go_on(visit, waiting[0].id) if waiting else go("/account")

    async def resume(self, visit: Visit) -> Response:
        """Go on with an order."""
        return await self.go_on(visit, visit.request.path_params["order"])

    async def go_on(self, visit: Visit, id: str) -> Response:
        """What becomes of an order whose customer has been to the bank."""
        try:
            with once(self.shop, visit):
                async with self.shop.call.within(self.shop.settings.wait):
                    order = await self.shop.orders.resume(id)
        except CardDeclined:
            return go(f"/order/{id}", note="refused")
        except (InvalidTransition, OrderBusy, OutcomeUnknown):
            return go(f"/order/{id}")
        except Fault:
            return go(f"/order/{id}", note="gone")
        return go(f"/order/{id}", note="thanks" if order.status == "paid" else "waits")

    async def cancel(self, visit: Visit) -> Response:
        """Cancel an order, if that is still possible."""
        id = visit.request.path_params["order"]
        try:
            with once(self.shop, visit):
                async with self.shop.call.within(self.shop.settings.wait):
                    await self.shop.orders.cancel(id, "by the customer")
        except (InvalidTransition, RefundRefused):
            return go(f"/order/{id}", note="too-late")
        except OrderBusy:
            return go(f"/order/{id}", note="busy")
        except OutcomeUnknown:
            return go(f"/order/{id}", note="cancelling")
        return go(f"/order/{id}", note="cancelled")

    async def history(self, visit: Visit) -> Response:
        """The visitor's orders, and who they are."""
        if visit.token is None:
            return go("/login", back="/account")
        after = visit.request.query_params.get("after") or None
        try:
            frame, orders, me = await gather(
                self.shop.frame(), self.shop.orders.mine(limit=10, cursor=after),
                self.shop.soon(self.shop.users.me(), None),
            )
        except InvalidCursor:
            return go("/account")
        return page("account.html", visit, frame=frame, orders=orders, me=me if visit.known else None)


def moving(order: Order) -> dict[str, Any]:
    """Whether an order's page is to look again by itself."""
    return {"live": order.status in ("submitted", "stock_confirmed"), "final": order.status in LAST}


def reason(fault: str | None, answer: Any) -> str:
    """Why a checkout came to nothing, for its customer."""
    if fault == "CardDeclined":
        return f"The card was declined: {cards.why(str(answer.get('code', '')))}."
    if fault == "InsufficientStock":
        return "Somebody else was quicker: there is too little left of something in your cart."
    if fault == "PriceChanged":
        return "A price has changed meanwhile."
    return "The order could not be placed."
