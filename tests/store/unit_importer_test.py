"""The store's own products, and files like Online Boutique's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from apps.store.importer import OWN, STOCK, Unreadable, batches, read_products
from apps.store.money import Money

BOUTIQUE = Path(__file__).parents[3] / "shared" / "data" / "online-boutique-products.json"


def boutique(**price: Any) -> dict[str, Any]:
    return {
        "id": "OLJCESPC7Z", "name": "Sunglasses", "description": "", "picture": "/a.jpg", "priceUsd": price,
        "categories": ["accessories"],
    }


def written(path: Path, *items: dict[str, Any]) -> Path:
    path.write_text(json.dumps({"products": items}))
    return path


def test_the_shop_sells_sixty_things_or_more_in_several_categories() -> None:
    products = read_products(OWN)
    assert len(products) >= 60 and len({draft.sku for draft, _ in products}) == len(products)
    assert len({category for draft, _ in products for category in draft.categories}) >= 5
    assert all(draft.price.amount > 0 and draft.description and level.on_hand > 0 for draft, level in products)


def test_units_and_nanos_become_minor_units(tmp_path: Path) -> None:
    file = written(
        tmp_path / "products.json", boutique(currencyCode="USD", units=19, nanos=990000000),
        boutique(currencyCode="USD", units=2), boutique(currencyCode="EUR", nanos=5000000),
    )
    prices = [draft.price for draft, _ in read_products(file)]
    assert prices == [Money(1999, "USD"), Money(200, "USD"), Money(1, "EUR")]


def test_a_boutique_product_keeps_its_id_and_picture(tmp_path: Path) -> None:
    [(draft, level)] = read_products(written(tmp_path / "products.json", boutique(currencyCode="USD", units=1)))
    assert (draft.sku, draft.image_url, draft.categories) == ("OLJCESPC7Z", "/a.jpg", ("accessories",))
    assert (level.sku, level.on_hand) == ("OLJCESPC7Z", STOCK)


@pytest.mark.skipif(not BOUTIQUE.exists(), reason="Online Boutique's products are not here")
def test_online_boutiques_own_file_is_read() -> None:
    products = read_products(BOUTIQUE)
    assert len(products) == 9
    assert {draft.sku: draft.price for draft, _ in products}["OLJCESPC7Z"] == Money(1999, "USD")


@pytest.mark.parametrize("text", [
    "", "{}", "[]", '{"products": [{}]}', '{"products": [{"sku": "a b", "name": "x", "price": 1}]}',
])
def test_a_file_without_products_is_refused_by_its_name(tmp_path: Path, text: str) -> None:
    file = tmp_path / "broken.json"
    file.write_text(text)
    with pytest.raises(Unreadable, match=r"broken\.json"):
        read_products(file)


def test_products_travel_in_portions_and_none_is_left_behind() -> None:
    products = read_products(OWN) * 3
    portions = list(batches(products))
    assert len(portions) > 1 and [one for portion in portions for one in portion] == products
