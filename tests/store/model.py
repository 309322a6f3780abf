"""What the store should do, in a few pages: one thing after another, in memory, without failures. Times are seconds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

MOST = 99
Lines = dict[str, tuple[int, int]]
"""By sku: how many, and at which price."""
Outcome = Any
"""What is comparable of an answer: ("cart", version, lines), ("order", status, refunded), or the name of a fault."""


@dataclass(frozen=True, slots=True)
class Op:
    """One request. `who` asks; `sku`, `number`, `deal` and `card` are what it is about, where it is about that."""

    kind: str
    who: str = "ann"
    sku: str = "mug"
    number: int = 1
    deal: str = ""
    card: str = "fine"
    cart: tuple[str, int] = ("", 0)
    name: str = ""


@dataclass(slots=True)
class Basket:
    """A cart. `name` stands for its id."""

    name: str
    owner: str
    lines: Lines = field(default_factory=dict)
    version: int = 0
    state: str = "open"
    touched: float = 0.0
    withdrawn: bool = False


@dataclass(slots=True)
class Deal:
    """An order that was paid, or waits for its customer's bank (which is `asked`, and then says `yes` or `no`)."""

    owner: str
    basket: str
    lines: Lines
    total: int
    status: str
    until: float
    bank: str = ""
    stock: str = "held"
    refunded: int = 0


@dataclass(slots=True)
class World:
    """Everything."""

    hold: float
    lifetime: float
    prices: dict[str, int] = field(default_factory=dict)
    stock: dict[str, int] = field(default_factory=dict)
    baskets: dict[str, Basket] = field(default_factory=dict)
    deals: dict[str, Deal] = field(default_factory=dict)
    now: float = 0.0
    gone: set[str] = field(default_factory=set)
    carts_know: set[str] = field(default_factory=set)
    stock_knows: set[str] = field(default_factory=set)

    # ------------------------------------------------------------------ what there is

    def live(self, who: str) -> Basket | None:
        """Somebody's cart."""
        found = (b for b in self.baskets.values() if b.owner == who and b.state in ("open", "frozen"))
        return next((b for b in found if not self.expired(b)), None)

    def expired(self, basket: Basket) -> bool:
        """Whether a cart was left alone for too long."""
        return basket.state == "open" and basket.touched + self.lifetime <= self.now

    def held(self, sku: str) -> int:
        """How much of a product is promised."""
        return sum(d.lines.get(sku, (0, 0))[0] for d in self.deals.values() if d.stock == "held")

    def overdue(self) -> list[Deal]:
        """Orders whose stock is no longer promised, but for want of others still there."""
        return [d for d in self.deals.values() if d.stock == "held" and d.until <= self.now]

    def seen(self) -> Any:
        """What can be seen from outside."""
        carts = {b.owner: (b.state, b.version, b.lines) for b in self.baskets.values() if self.live(b.owner) is b}
        deals = {name: (deal.status, deal.refunded) for name, deal in self.deals.items()}
        return carts, deals, {sku: (here, self.held(sku)) for sku, here in self.stock.items()}

    def apply(self, op: Op) -> Outcome:
        """Do one thing."""
        return getattr(self, op.kind)(op)

    # ------------------------------------------------------------------ carts

    def save(self, basket: Basket, lines: Lines) -> Outcome:
        """A cart with other lines."""
        basket.lines, basket.version, basket.touched = lines, basket.version + 1, self.now
        basket.withdrawn = False
        return cart_of(basket)

    def withdraw(self, basket: Basket) -> None:
        """Take out of a cart what carts know is no longer sold."""
        if self.carts_know & basket.lines.keys():
            basket.lines = {sku: line for sku, line in basket.lines.items() if sku not in self.carts_know}
            basket.version, basket.withdrawn = basket.version + 1, True

    def opened(self, op: Op) -> Basket:
        """A cart to change: the one there is, or a new one."""
        found = self.live(op.who)
        if found is None:
            for old in self.baskets.values():
                if old.owner == op.who and old.state == "open":
                    old.state = "expired"
            name = f"{op.who}'s {1 + sum(old.owner == op.who for old in self.baskets.values())}"
            found = self.baskets[name] = Basket(name, op.who, touched=self.now)
        return found

    def add(self, op: Op) -> Outcome:
        """Put more into the cart."""
        if op.sku in self.gone | self.carts_know:
            return "ProductUnavailable"
        basket = self.opened(op)
        had = basket.lines.get(op.sku, (0, 0))[0]
        if basket.state == "frozen":
            return "CartFrozen"
        if had + op.number > MOST:
            return "QuantityLimit"
        return self.save(basket, basket.lines | {op.sku: (had + op.number, self.prices[op.sku])})

    def set(self, op: Op) -> Outcome:
        """Have just so many in the cart."""
        if op.sku in self.gone | self.carts_know:
            return "ProductUnavailable"
        basket = self.opened(op)
        if basket.state == "frozen":
            return "CartFrozen"
        return self.save(basket, basket.lines | {op.sku: (op.number, self.prices[op.sku])})

    def remove(self, op: Op) -> Outcome:
        """Take a product out."""
        basket = self.live(op.who)
        if basket is None or op.sku not in basket.lines:
            return "NotInCart"
        if basket.state == "frozen":
            return "CartFrozen"
        return self.save(basket, {sku: line for sku, line in basket.lines.items() if sku != op.sku})

    def clear(self, op: Op) -> Outcome:
        """Empty the cart."""
        basket = self.live(op.who)
        if basket is None or not basket.lines:
            return cart_of(basket)
        return "CartFrozen" if basket.state == "frozen" else self.save(basket, {})

    def refresh(self, op: Op) -> Outcome:
        """Accept today's prices."""
        basket = self.live(op.who)
        if basket is None:
            return cart_of(basket)
        if basket.state == "frozen":
            return "CartFrozen"
        sold = {sku: line for sku, line in basket.lines.items() if sku not in self.gone}
        lines = {sku: (number, self.prices[sku]) for sku, (number, _) in sold.items()}
        return cart_of(basket) if lines == basket.lines and not basket.withdrawn else self.save(basket, lines)

    def merge(self, op: Op) -> Outcome:
        """Take a guest's cart over."""
        theirs, own = self.live("guest"), self.live(op.who)
        if theirs is None:
            return cart_of(own)
        if "frozen" in (theirs.state, own and own.state):
            return "CartFrozen"
        theirs.state, own = "merged", self.opened(op)
        both = {
            sku: (min(MOST, number + own.lines.get(sku, (0, 0))[0]), price)
            for sku, (number, price) in theirs.lines.items()
        }
        return self.save(own, own.lines | both)

    # ------------------------------------------------------------------ buying

    def buy(self, op: Op) -> Outcome:
        """Check a cart out."""
        name, version = op.cart
        basket = self.baskets.get(name)
        if basket is None:
            return "CartNotFound"
        if refusal := self.unbuyable(basket, version):
            return refusal
        basket.touched = self.now  # whatever comes of it, somebody was there
        if any(price != self.prices[sku] or sku in self.gone for sku, (_, price) in basket.lines.items()):
            return "PriceChanged"
        if not self.reserve(basket.lines):
            return "InsufficientStock"
        if op.card == "declined":
            return "CardDeclined"
        deal = Deal(op.who, name, basket.lines, total_of(basket.lines), "stock_confirmed", self.now + self.hold)
        self.deals[op.name], basket.state = deal, "frozen"
        if op.card == "challenged":
            deal.bank = "asked"
            return order_of(deal)
        return self.sell(deal)

    def unbuyable(self, basket: Basket, version: int) -> str:
        """Why a cart cannot be bought."""
        if basket.state == "closed":
            return "CartClosed"
        if basket.state not in ("open", "frozen") or self.expired(basket):
            return "CartExpired"
        if basket.state == "frozen":
            return "CartFrozen"
        if basket.version != version:
            return "CartChanged"
        return "" if basket.lines else "EmptyCart"

    def reserve(self, lines: Lines) -> bool:
        """Whether there is enough. What is overdue makes room where there is not."""
        def short() -> bool:
            left = {sku: 0 if sku in self.stock_knows else self.stock[sku] - self.held(sku) for sku in lines}
            return any(number > left[sku] for sku, (number, _) in lines.items())

        overdue = self.overdue() if short() else []
        for deal in overdue:
            deal.stock = "expired"
        enough = not short()
        for deal in overdue if not enough else ():
            deal.stock = "held"
        return enough

    def sell(self, deal: Deal) -> Outcome:
        """Take the money, and the goods."""
        for sku, (number, _) in deal.lines.items():
            self.stock[sku] -= number
        deal.status, deal.stock, self.baskets[deal.basket].state = "paid", "sold", "closed"
        return order_of(deal)

    def drop(self, deal: Deal) -> None:
        """Give up an order that was not paid."""
        basket = self.baskets[deal.basket]
        deal.status, deal.stock, basket.state, basket.touched = "cancelled", "given up", "open", self.now
        self.withdraw(basket)

    def decide(self, op: Op) -> Outcome:
        """The customer is at the bank."""
        deal = self.deals[op.deal]
        if deal.bank == "asked" and deal.status == "stock_confirmed":
            deal.bank = "yes" if op.number % 2 else "no"

    def resume(self, op: Op) -> Outcome:
        """Go on after the visit to the bank."""
        deal = self.deals[op.deal]
        if deal.status != "stock_confirmed":
            return "InvalidTransition"
        if deal.stock == "expired":
            self.drop(deal)
            return "ReservationEnded"
        if deal.bank == "no":
            self.drop(deal)
            return "CardDeclined"
        return self.sell(deal) if deal.bank == "yes" else order_of(deal)

    def cancel(self, op: Op) -> Outcome:
        """Cancel an order."""
        deal = self.deals[op.deal]
        if deal.status == "stock_confirmed":
            self.drop(deal)
        elif deal.status == "paid":
            for sku, (number, _) in deal.lines.items():
                self.stock[sku] += number
            deal.status, deal.refunded = "cancelled", deal.total
        else:
            return "InvalidTransition"
        return order_of(deal)

    def ship(self, op: Op) -> Outcome:
        """Send the goods."""
        deal = self.deals[op.deal]
        if deal.status != "paid":
            return "InvalidTransition"
        deal.status = "shipped"
        return order_of(deal)

    def refund(self, op: Op) -> Outcome:
        """Give back a part of the money: so many tenths of the whole."""
        deal = self.deals[op.deal]
        if deal.status not in ("paid", "shipped"):
            return "InvalidTransition"
        amount = deal.total * op.number // 10
        if not 1 <= amount <= deal.total - deal.refunded:
            return "RefundTooLarge"
        deal.refunded += amount
        return order_of(deal)

    # ------------------------------------------------------------------ administration

    def price(self, op: Op) -> Outcome:
        """Ask another price."""
        self.prices[op.sku] = 500 * op.number

    def discontinue(self, op: Op) -> Outcome:
        """Sell a product no longer."""
        self.gone.add(op.sku)

    def carts_hear(self, op: Op) -> Outcome:
        """Carts hear that a product is no longer sold; not before it is so."""
        if op.sku not in self.gone:
            return "too early"
        self.carts_know.add(op.sku)
        for basket in self.baskets.values():
            if basket.state == "open":
                self.withdraw(basket)

    def stock_hears(self, op: Op) -> Outcome:
        """The inventory hears of it."""
        if op.sku not in self.gone:
            return "too early"
        self.stock_knows.add(op.sku)

    def restock(self, op: Op) -> Outcome:
        """Goods come in."""
        self.stock[op.sku] += op.number

    def adjust(self, op: Op) -> Outcome:
        """Goods were lost."""
        if self.stock[op.sku] - self.held(op.sku) < op.number:
            return "InsufficientStock"
        self.stock[op.sku] -= op.number
        return None

    def expire_holds(self, op: Op) -> Outcome:
        """The inventory's job."""
        for deal in self.overdue():
            deal.stock = "expired"

    def expire_orders(self, op: Op) -> Outcome:
        """The orders' job."""
        for deal in self.deals.values():
            if deal.status == "stock_confirmed" and deal.until <= self.now:
                self.drop(deal)

    def expire_carts(self, op: Op) -> Outcome:
        """The carts' job."""
        for basket in self.baskets.values():
            if self.expired(basket):
                basket.state = "expired"


def cart_of(basket: Basket | None) -> Outcome:
    """What is said of a cart."""
    return ("cart", 0, {}) if basket is None else ("cart", basket.version, dict(basket.lines))


def order_of(deal: Deal) -> Outcome:
    """What is said of an order."""
    return ("order", deal.status, deal.refunded, deal.total)


def total_of(lines: Lines) -> int:
    """Goods, shipping, and tax."""
    goods = sum(number * price for number, price in lines.values())
    return goods + (0 if goods >= 10_000 else 599) + (goods * 825 + 5_000) // 10_000
