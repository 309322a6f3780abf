"""What is said in an e-mail: made of an event, and of nothing else."""

from __future__ import annotations

from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from html import escape

from apps.store.inventory.contract import StockLow
from apps.store.money import Money
from apps.store.notifications.contract import Kind
from apps.store.orders.events import OrderCancelled, OrderLine, OrderPaid, OrderRefunded, OrderShipped
from craton import Value


class Notice(Value):
    """One e-mail in facts: to whom, about which order or product, and what is special about it."""

    id: str
    kind: Kind
    to: str
    about: str
    amount: Money | None = None
    lines: tuple[OrderLine, ...] = ()
    note: str = ""


SUBJECTS = {
    "paid": "Your order {about}", "shipped": "Your order {about} is on its way",
    "cancelled": "Your order {about} was cancelled", "refunded": "Money back for your order {about}",
    "stock low": "Little left of {about}",
}
TEXTS = {
    "paid": "Thank you for your order {about}. We have received {amount}.",
    "shipped": "Your order {about} has left our house.",
    "cancelled": "Your order {about} was cancelled. We have given back {amount}.",
    "refunded": "We have given back {amount} of what you paid for your order {about}.",
    "stock low": "There is little left to sell of {about}.",
}
NOTES = {"shipped": "Tracking number: {note}", "stock low": "Left: {note}"}


def paid(id: str, event: OrderPaid) -> Notice:
    """An order is confirmed."""
    return Notice(id, "paid", event.email, event.order, event.total, event.lines)


def shipped(id: str, event: OrderShipped) -> Notice:
    """The goods are on their way."""
    return Notice(id, "shipped", event.email, event.order, note=event.tracking)


def cancelled(id: str, event: OrderCancelled) -> Notice:
    """An order that was paid is cancelled."""
    return Notice(id, "cancelled", event.email, event.order, event.refunded, note=event.reason)


def refunded(id: str, event: OrderRefunded) -> Notice:
    """Some money was given back."""
    return Notice(id, "refunded", event.email, event.order, event.amount, note=event.reason)


def stock_low(id: str, event: StockLow, to: str) -> Notice:
    """Little is left of a product."""
    return Notice(id, "stock low", to, event.sku, note=str(event.left))


def mail_of(notice: Notice, *, sender: str) -> EmailMessage:
    """The e-mail, as text and as HTML. Its Message-ID is the notice's, however often it is made. ValueError where one
    cannot write to this address."""
    mail = EmailMessage()
    try:
        mail["To"] = Address(addr_spec=notice.to)
    except (MessageError, IndexError, AttributeError, NameError) as error:  # what email makes of "a@[" and the like
        raise ValueError(f"{notice.to!r} is no address: {error}") from error
    mail["From"] = Address("Store", addr_spec=sender)
    mail["Subject"] = SUBJECTS[notice.kind].format(about=notice.about)
    mail["Message-ID"] = f"<{notice.id}@{sender.rpartition('@')[2]}>"
    mail.set_content("\n\n".join([*sentences(notice), *(line_text(line) for line in notice.lines)]) + "\n")
    rows = "".join(f"<li>{escape(line_text(line))}</li>" for line in notice.lines)
    told = "".join(f"<p>{escape(sentence)}</p>" for sentence in sentences(notice))
    mail.add_alternative(f"<html><body>{told}{f'<ul>{rows}</ul>' if rows else ''}</body></html>\n", subtype="html")
    return mail


def sentences(notice: Notice) -> list[str]:
    """What is said, besides the goods."""
    amount = price(notice.amount) if notice.amount else ""
    first = TEXTS[notice.kind].format(about=notice.about, amount=amount)
    note = NOTES.get(notice.kind, "{note}").format(note=notice.note) if notice.note else ""
    return [first, *([note] if note else [])]


def line_text(line: OrderLine) -> str:
    """So many of a product."""
    return f"{line.quantity} x {line.name}, {price(line.unit_price)} each"


def price(money: Money) -> str:
    """An amount for people."""
    return f"{money.amount // 100}.{money.amount % 100:02} {money.currency}"
