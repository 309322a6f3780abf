"""One order, and all that is written about it anywhere: in the store's databases, and in the provider's books."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from tests.store.ledgers import Ledgers, Row, grouped


@dataclass(frozen=True, slots=True)
class Case:
    """One order, and all that is written about it anywhere."""

    order: Row
    lines: list[Row]
    path: list[str]
    payments: list[Row]
    refunds: list[Row]
    intents: list[Row]
    reservations: list[Row]
    held: dict[str, int]
    events: Counter[str]

    @property
    def id(self) -> str:
        """The order's id."""
        return str(self.order["id"])

    @property
    def status(self) -> str:
        """The order's status."""
        return str(self.order["status"])

    @property
    def captured(self) -> int:
        """What the provider took for it."""
        return sum(intent["captured"] for intent in self.intents)

    @property
    def net(self) -> int:
        """What the provider took for it and did not give back."""
        return sum(intent["net"] for intent in self.intents)

    @property
    def reservation(self) -> str:
        """The state of what is reserved for it."""
        return str(self.reservations[0]["state"]) if self.reservations else "none"


def cases(books: Ledgers) -> Iterator[Case]:
    """Every order."""
    lines, path = books.by("orders_lines", "order_id"), books.by("orders_history", "order_id")
    payments, refunds = books.by("payments_payments", "order_id"), books.by("payments_refunds", "order_id")
    intents, reservations = grouped(books.intents, "order"), books.by("inventory_reservations", "order_id")
    held, events = books.by("inventory_lines", "order_id"), books.by("orders_outbox", "stream")
    for order in books["orders_orders"]:
        id = order["id"]
        yield Case(
            order, lines[id], [row["status"] for row in sorted(path[id], key=lambda row: row["position"])],
            payments[id], refunds[id], intents[id], reservations[id],
            {row["sku"]: row["quantity"] for row in held[id]}, Counter(row["type"] for row in events[f"order={id}"]),
        )
