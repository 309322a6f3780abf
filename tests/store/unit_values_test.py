"""The store's pure functions: money, totals, carts, prices, what providers say, pages, passwords."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.store.carts.contract import MOST, Cart, CartLine
from apps.store.carts.module import together
from apps.store.catalog.contract import InvalidCursor, Product
from apps.store.catalog.pages import Place, read_cursor, write_cursor
from apps.store.inventory.contract import Line, Stock
from apps.store.inventory.module import short, summed
from apps.store.money import Money, total
from apps.store.orders.contract import InvalidTransition, Order, OrderBusy, Status
from apps.store.orders.events import OrderLine
from apps.store.orders.module import changed_prices, check_idle
from apps.store.orders.record import Record
from apps.store.orders.settings import OrderSettings
from apps.store.orders.totals import goods_of, totals_of
from apps.store.payments.contract import Payment, PaymentAuthorized, PaymentCaptured, PaymentVoided
from apps.store.payments.contract import Status as PaymentStatus
from apps.store.payments.merging import merged, news
from apps.store.payments.provider import Intent
from apps.store.shipping.contract import Offer
from apps.store.shipping.rates import offer, read_rates
from apps.store.users.passwords import Passwords
from craton import Event, SettingsError

LINES = st.lists(
    st.builds(
        CartLine, sku=st.sampled_from("abcdef"), name=st.just("a thing"), quantity=st.integers(1, MOST // 2),
        unit_price=st.builds(Money, st.integers(0, 10_000)),
    ),
    max_size=6, unique_by=lambda line: line.sku,
).map(tuple)


def test_money_of_two_currencies_does_not_add_up() -> None:
    with pytest.raises(ValueError, match="EUR"):
        total("USD", Money(1, "EUR"))


@given(st.lists(st.tuples(st.integers(0, 100_000), st.integers(1, 99)), min_size=1, max_size=20))
def test_a_total_is_the_sum_of_its_parts(bought: list[tuple[int, int]]) -> None:
    lines = tuple(OrderLine(str(n), "", quantity, Money(price)) for n, (price, quantity) in enumerate(bought))
    found = totals_of(goods_of(lines, "USD"), Money(599), OrderSettings())
    assert found.goods.amount == sum(price * quantity for price, quantity in bought)
    assert found.total == total("USD", found.goods, found.shipping, found.tax)


def test_half_a_cent_of_tax_is_a_cent() -> None:
    assert totals_of(Money(1010), Money(0), OrderSettings(tax=500)).tax == Money(51)


def test_enough_goods_travel_free_where_the_country_has_such_a_rate() -> None:
    rates = read_rates("US 500 10000, * 900 0")
    assert [offer(rates, "US", Money(goods)).price for goods in (9_999, 10_000)] == [Money(500), Money(0)]
    assert offer(rates, "FR", Money(10**6)) == Offer(Money(900), None)


@pytest.mark.parametrize("text", ["", "US 500 10000", "* 500", "* -1 0", "* free 0"])
def test_rates_that_say_nothing_of_some_country_are_refused(text: str) -> None:
    with pytest.raises(SettingsError):
        read_rates(text)


@given(LINES, LINES)
def test_merging_carts_loses_and_doubles_no_line(own: tuple[CartLine, ...], given: tuple[CartLine, ...]) -> None:
    def pieces(lines: tuple[CartLine, ...]) -> dict[str, int]:
        return {line.sku: line.quantity for line in lines}

    after = together(own, given)
    assert len({line.sku for line in after}) == len(after)
    skus = pieces(own).keys() | pieces(given).keys()
    assert pieces(after) == {sku: pieces(own).get(sku, 0) + pieces(given).get(sku, 0) for sku in skus}


def test_a_merged_cart_holds_no_more_than_a_cart_may() -> None:
    many = (CartLine("a", "", MOST - 1, Money(1)),)
    assert together(many, many)[0].quantity == MOST


def test_prices_that_changed_are_told_and_what_is_not_sold_has_none() -> None:
    lines = tuple(CartLine(sku, "", 1, Money(100)) for sku in ("same", "dearer", "discontinued", "gone"))
    cart = Cart("cart-1", 1, "open", "USD", lines, Money(400))
    products = {
        "same": product("same", 100), "dearer": product("dearer", 101),
        "discontinued": product("discontinued", 100, sold=False),
    }
    found = {change.sku: change.now for change in changed_prices(cart, products)}
    assert found == {"dearer": Money(101), "discontinued": None, "gone": None}


def product(sku: str, price: int, *, sold: bool = True) -> Product:
    return Product(sku, sku, "", "", (), Money(price), "", "active" if sold else "discontinued", 1)


def test_a_shortage_counts_all_lines_of_a_product() -> None:
    wanted = summed((Line("b", 2), Line("a", 1), Line("b", 2)))
    assert wanted == (Line("a", 1), Line("b", 4))
    stock = {"a": Stock("a", 5, 0, 5), "b": Stock("b", 5, 2, 3)}
    assert [(lack.sku, lack.wanted, lack.available) for lack in short(wanted, stock)] == [("b", 4, 3)]


@pytest.mark.parametrize(("status", "busy", "error"), [
    ("paid", "", None), ("paid", "cancel or refund", OrderBusy), ("shipped", "", InvalidTransition),
])
def test_an_order_is_changed_only_where_its_status_allows_and_nobody_else_has_it(
    status: Status, busy: str, error: type[Exception] | None,
) -> None:
    nothing, now = Money(0), datetime.now(UTC)
    order = Order(
        "order-1", "user:1", "cart-1", "", None, (), None, status, (), now, nothing,  # type: ignore[arg-type]
    )
    record = Record(order, "pm_card_visa", busy, 1)
    if error is None:
        check_idle(record, ("paid",))
    else:
        with pytest.raises(error):
            check_idle(record, ("paid",))


UNKNOWN = Payment("order-1", "", "unknown", Money(1000), Money(0), Money(0))


def said(status: PaymentStatus, captured: int = 0, refunded: int | None = None) -> Intent:
    return Intent("pi_1", "order-1", status, Money(1000), captured, refunded)


SOLD = [said("requires_action"), said("requires_capture"), said("succeeded", 1000), said("succeeded", 1000, 200),
        said("succeeded", 1000, 500)]
VOIDED = [said("requires_action"), said("requires_capture"), said("canceled")]
FAILED = [said("requires_action"), said("requires_payment_method")]


@given(st.data(), st.sampled_from([SOLD, VOIDED, FAILED]))
def test_late_repeated_and_reordered_news_end_where_orderly_ones_do(data: st.DataObject, story: list[Intent]) -> None:
    def told(intents: list[Intent]) -> tuple[Payment, list[Event]]:
        known, events = UNKNOWN, list[Event]()
        for intent in intents:
            after = merged(known, intent)
            events += news(known, after)
            known = after
        return known, events

    orderly, events = told(story)
    shuffled, repeated = data.draw(st.permutations(story)), data.draw(st.lists(st.sampled_from(story), max_size=5))
    known, others = told([*shuffled, *repeated])
    assert known == orderly
    assert [type(event) for event in others if not isinstance(event, PaymentVoided | PaymentAuthorized)] == [
        type(event) for event in events if not isinstance(event, PaymentVoided | PaymentAuthorized)
    ]


def test_what_was_skipped_has_happened_too() -> None:
    after = merged(UNKNOWN, said("succeeded", 1000))
    events = [PaymentAuthorized("order-1", Money(1000)), PaymentCaptured("order-1", Money(1000))]
    assert list(news(UNKNOWN, after)) == events
    assert list(news(after, merged(after, said("requires_payment_method")))) == []
    assert list(news(UNKNOWN, merged(UNKNOWN, said("canceled")))) == []


TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))


@given(st.one_of(
    st.builds(Place, sort=st.just("name"), value=TEXT, sku=TEXT),
    st.builds(Place, sort=st.sampled_from(["price", "-price"]), value=st.integers(0, 2**53), sku=TEXT),
))
def test_a_cursor_is_read_as_it_was_written(place: Place) -> None:
    assert read_cursor(write_cursor(place), place.sort) == place


@pytest.mark.parametrize("cursor", [
    "", "nonsense", "e30", "\u00e9", write_cursor(Place("price", "a name", "x")),
    write_cursor(Place("price", 2**63, "x")), write_cursor(Place("price", 1, "\0")),
])
def test_a_cursor_that_is_none_is_refused(cursor: str) -> None:
    with pytest.raises(InvalidCursor):
        read_cursor(cursor, "price")


def test_a_cursor_of_another_order_is_refused() -> None:
    with pytest.raises(InvalidCursor):
        read_cursor(write_cursor(Place("name", "a", "a")), "price")


def test_a_password_is_kept_as_a_salted_hash() -> None:
    passwords = Passwords(memory=64, passes=1)
    stored = passwords.hashed("correct horse")
    assert "correct" not in stored and stored != passwords.hashed("correct horse")
    assert passwords.matches("correct horse", stored)
    assert not passwords.matches("wrong horse", stored)
    assert not passwords.matches("correct horse", None)
