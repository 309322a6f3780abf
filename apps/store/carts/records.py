"""Carts as rows: the statements of the carts module."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import bindparam, delete, insert, select, update

from apps.store.carts.contract import Cart, CartLine, State
from apps.store.carts.tables import carts, lines
from apps.store.money import Money, total
from craton import Database

BY_ID = select(carts).where(carts.c.id == bindparam("wanted"))
BY_OWNER = select(carts).where(carts.c.owner == bindparam("wanted"), carts.c.state.in_(("open", "frozen")))
OVERDUE = select(carts.c.id).where(carts.c.state == "open", carts.c.expires <= bindparam("now")).order_by(carts.c.id)
LINES = select(lines).where(lines.c.cart_id == bindparam("wanted")).order_by(lines.c.position)
INSERT, INSERT_LINE = insert(carts), insert(lines)
CHANGE = update(carts).where(carts.c.id == bindparam("wanted"))
SAVE = CHANGE.values(version=bindparam("next"), expires=bindparam("until"))
END = CHANGE.values(state=bindparam("to"))
HOLD = CHANGE.values(state="frozen", order_id=bindparam("by"))
LET_GO = CHANGE.values(state="open", order_id=None, expires=bindparam("until"))
CLEAR = delete(lines).where(lines.c.cart_id == bindparam("wanted"))


class Record(NamedTuple):
    """A cart, and what only this module knows of it."""

    cart: Cart
    owner: str
    expires: float


class Records:
    """Reads and writes carts."""

    def __init__(self, db: Database) -> None:
        self.db = db

    async def find(self, cart: str) -> Record | None:
        """A cart by its id."""
        return await self.read((await self.db.execute(BY_ID, {"wanted": cart})).mappings().first())

    async def live(self, owner: str) -> Record | None:
        """The open or frozen cart of an owner; the database sees to it that there is one at most."""
        return await self.read((await self.db.execute(BY_OWNER, {"wanted": owner})).mappings().first())

    async def read(self, row: Any) -> Record | None:
        """A row of a cart with its lines."""
        if row is None:
            return None
        found = (await self.db.execute(LINES, {"wanted": row["id"]})).mappings()
        kept = tuple(CartLine(r["sku"], r["name"], r["quantity"], Money(r["price"], row["currency"])) for r in found)
        cart = Cart(
            row["id"], row["version"], row["state"], row["currency"], kept, sum_of(kept, row["currency"]),
            datetime.fromtimestamp(row["expires"], UTC), row["order_id"],
        )
        return Record(cart, row["owner"], row["expires"])

    async def make(self, cart: str, owner: str, *, currency: str, expires: float) -> Cart:
        """A new, empty cart."""
        row = dict(
            id=cart, owner=owner, state="open", version=0, currency=currency, order_id=None, expires=expires,
        )
        await self.db.execute(INSERT, row)
        return Cart(cart, 0, "open", currency, (), Money(0, currency), datetime.fromtimestamp(expires, UTC))

    async def save(self, cart: Cart, changed: tuple[CartLine, ...], *, expires: float) -> Cart:
        """A cart with other lines, one version on."""
        await self.db.execute(SAVE, {"wanted": cart.id, "next": cart.version + 1, "until": expires})
        await self.db.execute(CLEAR, {"wanted": cart.id})
        rows = [
            dict(cart_id=cart.id, sku=line.sku, name=line.name, quantity=line.quantity, price=line.unit_price.amount,
                 position=position)
            for position, line in enumerate(changed)
        ]
        if rows:
            await self.db.execute(INSERT_LINE, rows)
        return msgspec.structs.replace(
            cart, version=cart.version + 1, lines=changed, total=sum_of(changed, cart.currency),
            expires=datetime.fromtimestamp(expires, UTC),
        )

    async def hold(self, cart: Cart, order: str) -> Cart:
        """A cart that an order has frozen."""
        await self.db.execute(HOLD, {"wanted": cart.id, "by": order})
        return msgspec.structs.replace(cart, state="frozen", order=order)

    async def let_go(self, cart: str, *, expires: float) -> None:
        """A cart that may be changed again."""
        await self.db.execute(LET_GO, {"wanted": cart, "until": expires})

    async def end(self, cart: str, state: State) -> None:
        """A cart that is over."""
        await self.db.execute(END, {"wanted": cart, "to": state})

    async def overdue(self, now: float) -> list[str]:
        """Carts whose time has passed."""
        return list((await self.db.execute(OVERDUE, {"now": now})).scalars().all())


def sum_of(kept: tuple[CartLine, ...], currency: str) -> Money:
    """What the lines come to."""
    return total(currency, *(line.unit_price.times(line.quantity) for line in kept))
