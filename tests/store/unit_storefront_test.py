"""The small parts of the shop's pages: cards, currencies, countries, places, pictures."""

from __future__ import annotations

from datetime import UTC, datetime
from xml.etree import ElementTree

import pytest

from apps.store.money import Money
from apps.store.storefront.cards import CHOICES, token_of
from apps.store.storefront.countries import NAMES, code_of
from apps.store.storefront.currencies import CURRENCIES, exact
from apps.store.storefront.drawings import DRAWINGS
from apps.store.storefront.forms import Form
from apps.store.storefront.pictures import categories, picture, thing_of
from apps.store.storefront.serving import go
from apps.store.storefront.settings import StorefrontSettings
from apps.store.storefront.visit import local
from craton import SettingsError
from craton.settings import settings_of

NOW = datetime(2026, 11, 22, tzinfo=UTC)


@pytest.mark.parametrize(("number", "token"), [
    ("4242 4242 4242 4242", "pm_card_visa"), ("4111-1111-1111-1111", "pm_card_visa"),
    ("378282246310005", "pm_card_amex"), ("4000000000000002", "pm_card_chargeDeclined"),
    ("4242424242424241", None), ("6011111111111117", None),
    ("", None),
    ("٤٢٤٢٤٢٤٢٤٢٤٢٤٢٤٢", None), ("4" * 30, None),
])
def test_a_card_number_becomes_a_token_where_a_card_could_have_it(number: str, token: str | None) -> None:
    assert token_of(number) == token


def test_every_card_that_is_offered_could_be_typed_in() -> None:
    assert {choice.token: token_of(choice.number) for choice in CHOICES} == {c.token: c.token for c in CHOICES}


def test_a_shop_without_test_cards_takes_no_numbers() -> None:
    typed = {"card": "other", "credit_card_number": "4242424242424242", "credit_card_cvv": "123"}
    with_numbers, without = Form(typed), Form(typed)
    assert with_numbers.card(NOW) == "pm_card_visa" and not with_numbers.errors
    assert without.card(NOW, numbers=False) == "" and list(without.errors) == ["card"]
    assert Form({"card": "pm_1"}).card(NOW, numbers=False) == "pm_1"


@pytest.mark.parametrize(("code", "money", "text"), [
    ("USD", Money(123456789), "$1,234,567.89"), ("EUR", Money(10000), "€92.47"), ("JPY", Money(1), "¥2"),
    ("USD", Money(9247, "EUR"), "$100.00"), ("USD", Money(15462, "JPY"), "$100.00"), ("EUR", Money(-5), "-€0.05"),
    ("USD", Money(1234, "XTS"), "12.34 XTS"),
])
def test_money_is_written_in_a_currency(code: str, money: Money, text: str) -> None:
    assert CURRENCIES[code].show(money) == text


def test_money_is_written_as_what_it_is() -> None:
    assert [exact(Money(1999, code)) for code in ("USD", "JPY", "XTS")] == ["$19.99", "¥1,999", "19.99 XTS"]


def test_a_currency_that_nobody_knows_is_refused_at_the_start() -> None:
    with pytest.raises(SettingsError, match="CRATON_STOREFRONT_CURRENCY is CHF: prices are shown in USD, EUR, "):
        settings_of(StorefrontSettings, "storefront", {"CRATON_STOREFRONT_CURRENCY": "CHF"})


@pytest.mark.parametrize(("text", "code"), [
    ("United States of America", "US"), ("us", "US"), ("Cote d'Ivoire", "CI"), ("Libyan Arab Jamahiriya", "LY"),
    ("Korea", "KR"), ("Bosnia and Herzegovina", "BA"), ("Nowhere", None), ("", None),
])
def test_countries_are_known_by_the_names_that_clients_use(text: str, code: str | None) -> None:
    assert code_of(text) == code and all(code_of(name) == of for of, name in NAMES.items())


@pytest.mark.parametrize(
    "path", ["//evil.example", "https://evil.example", "/\\evil.example", "/\t/x", "//[", "http://[", "cart", ""],
)
def test_only_a_place_in_the_shop_is_gone_to(path: str) -> None:
    assert local(path, "/account") == "/account" and local("/cart?note=added") == "/cart?note=added"


def test_what_a_place_asks_for_stays_as_it_is_where_a_note_is_added() -> None:
    assert go("/search?q=mug", note="welcome").headers["location"] == "/search?q=mug&note=welcome"
    assert go("/cart", note="added").headers["location"] == "/cart?note=added"


def test_every_product_of_the_shop_has_a_picture_of_its_own() -> None:
    drawn = {sku: picture(sku) for sku in categories()}
    assert len(set(drawn.values())) == len(drawn) >= 70
    for text in (*drawn.values(), picture('"><script>')):
        assert ElementTree.fromstring(text).tag == "{http://www.w3.org/2000/svg}svg"


def test_a_picture_shows_what_its_sku_names_and_says_so() -> None:
    assert [thing_of(sku) for sku in ("mug-stoneware", "lamp-head-400", "cup-blue", "OLJCESPC7Z")] == [
        "mug", "torch", "mug", "",
    ]
    assert all(thing_of(sku) in DRAWINGS for sku in categories())
    assert "<title>Mug</title>" in picture("mug-stoneware")
