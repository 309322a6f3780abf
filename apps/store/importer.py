"""`python -m apps.store.importer [FILE...] --url URL`: loads products and their first stock through the store's API.

A file is this shop's own TOML or JSON (a list `products`, prices in minor units) or one of Online Boutique's, with
prices in units and nanos. Importing twice changes nothing. With `--seed`, products that exist stay as they have become.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec

from apps.store.catalog.contract import Draft
from apps.store.inventory.contract import Level
from apps.store.money import Money
from craton import Caller, Tokens

OWN = Path(__file__).with_name("products.toml")
STOCK = 100
"""What there is of a product whose file does not say."""
STOCK_OF_ALL = "STORE_STOCK"
"""The environment variable that says how much there is of every product, whatever its file says."""
BATCH = 50
"""Products in one request."""


class Unreadable(Exception):
    """The file holds no products; the message says where and why."""


def read_products(path: Path) -> list[tuple[Draft, Level]]:
    """The products of a file, each with its first stock."""
    try:
        text = path.read_text()
        tree = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
        return [(draft_of(item), Level(identity(item), stock_of(item))) for item in tree["products"]]
    except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
        raise Unreadable(f"{path}: {type(error).__name__}: {error}") from error


def stock_of(item: Mapping[str, Any]) -> int:
    """What there is of a product at first."""
    return int(os.environ.get(STOCK_OF_ALL) or item.get("stock", STOCK))


def draft_of(item: Mapping[str, Any]) -> Draft:
    """One product of a file."""
    fields = dict(
        sku=identity(item), name=item["name"], price=price_of(item), description=item.get("description", ""),
        brand=item.get("brand", ""), categories=tuple(item.get("categories", ())),
        image_url=item.get("image_url") or item.get("picture", ""),
    )
    return msgspec.convert(fields, Draft)


def identity(item: Mapping[str, Any]) -> str:
    """A product's sku; Online Boutique calls it id."""
    return str(item["sku"] if "sku" in item else item["id"])


def price_of(item: Mapping[str, Any]) -> Money:
    """A product's price; Online Boutique writes it in units and nanos (10^-9), rounded to the nearest minor unit."""
    if "priceUsd" not in item:
        return Money(item["price"], item.get("currency", "USD"))
    price = item["priceUsd"]
    nanos = int(price.get("units", 0)) * 10**9 + int(price.get("nanos", 0))
    return Money((nanos + 5 * 10**6) // 10**7, price.get("currencyCode", "USD"))


def batches(products: list[tuple[Draft, Level]]) -> Iterator[list[tuple[Draft, Level]]]:
    """Products in portions that fit into one request."""
    for first in range(0, len(products), BATCH):
        yield products[first:first + BATCH]


class Shop:
    """The store's API, as an administrator sees it."""

    def __init__(self, url: str, token: str) -> None:
        headers, believed = {"Authorization": f"Bearer {token}"}, httpx.create_ssl_context()  # SSL_CERT_FILE, too
        self.http = httpx.Client(base_url=url, headers=headers, timeout=60, trust_env=False, verify=believed)

    def load(self, products: list[tuple[Draft, Level]], *, update: bool = True) -> dict[str, int]:
        """Load products and stock; how many products were created, updated and left as they were, and new stock."""
        done = {"created": 0, "updated": 0, "unchanged": 0, "stocked": 0}
        for batch in batches(products):
            report = self.send("/products/import", {"drafts": [draft for draft, _ in batch], "update": update})
            done = {name: number + report.get(name, 0) for name, number in done.items()}
            done["stocked"] += self.send("/admin/stock/import", {"levels": [level for _, level in batch]})
        return done

    def send(self, path: str, body: object) -> Any:
        """One command, under a key of its own: it is sent again only as a whole."""
        headers = {"Idempotency-Key": f'"{os.urandom(16).hex()}"', "Content-Type": "application/json"}
        answer = self.http.post(path, content=msgspec.json.encode(body), headers=headers)
        if answer.is_error:
            raise SystemExit(f"{path}: {answer.status_code}: {answer.text}")
        return answer.json()


def register_webhook(api_base: str, url: str) -> None:
    """Tell the simulated provider where the shop listens. A real Stripe account is told on its dashboard."""
    form = {"url": f"{url}/payments/webhook", "enabled_events[0]": "*", "metadata[forward]": "true"}
    headers = {"Authorization": "Bearer sk_test_store"}
    httpx.post(f"{api_base}/v1/webhook_endpoints", data=form, headers=headers, trust_env=False).raise_for_status()


def admin_token(secret: str) -> str:
    """A token for an administrator, made with the application's own secret."""
    caller = Caller("service:importer", frozenset({"admin"}))
    return Tokens(secret.encode(), "store").issue(caller, lifetime=timedelta(minutes=10))


def main(arguments: Iterable[str] | None = None) -> None:
    """Import files; without any, the shop's own products."""
    parser = argparse.ArgumentParser(prog="python -m apps.store.importer", description=__doc__)
    parser.add_argument("files", nargs="*", type=Path, default=[OWN])
    parser.add_argument("--seed", action="store_true", help="create what is missing, and change nothing else")
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--token", help="an administrator's; made from CRATON_SECRET where it is not given")
    given = parser.parse_args(None if arguments is None else list(arguments))
    secret = os.environ.get("CRATON_SECRET")
    if given.token is None and secret is None:
        parser.error("give --token, or set CRATON_SECRET")
    shop = Shop(given.url, given.token or admin_token(secret or ""))
    for file in given.files or [OWN]:
        try:
            done = shop.load(read_products(file), update=not given.seed)
        except Unreadable as error:
            raise SystemExit(str(error)) from error
        sys.stdout.write(f"{file.name}: " + ", ".join(f"{number} {name}" for name, number in done.items()) + "\n")
    if (base := os.environ.get("CRATON_PAYMENTS_API_BASE", "")).startswith("http://127.0.0.1:"):
        register_webhook(base, given.url)


if __name__ == "__main__":
    main()
