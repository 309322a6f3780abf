"""Somebody with a browser without JavaScript: looks at pages, and fills in the forms that stand there."""

from __future__ import annotations

import asyncio
from typing import Any, Self
from urllib.parse import urljoin

import httpx
from selectolax.lexbor import LexborHTMLParser, LexborNode

from tests.store.shop import Shop

URL = "http://store"
SAME_SITE = {"Origin": URL, "Sec-Fetch-Site": "same-origin", "Accept": "text/html"}
"""What a browser says of a form that was on a page of the shop."""


class Page:
    """A page, as its reader sees it."""

    def __init__(self, answer: httpx.Response) -> None:
        self.answer, self.status, self.path = answer, answer.status_code, answer.url.raw_path.decode()
        self.html = LexborHTMLParser(answer.text)

    def all(self, selector: str) -> list[LexborNode]:
        """All elements that fit."""
        return self.html.css(selector)

    def one(self, selector: str) -> LexborNode:
        """The only element that fits."""
        found = self.html.css(selector)
        assert len(found) == 1, f"{self.path} has {len(found)} {selector}: {self.text}"
        return found[0]

    def said(self, selector: str) -> str:
        """What stands in the only element that fits."""
        return self.words(self.one(selector))

    @property
    def text(self) -> str:
        """What stands in the middle of the page."""
        found = self.html.css_first("main")
        return self.words(found) if found else self.answer.text

    def words(self, node: LexborNode) -> str:
        """What stands in an element, on one line."""
        return " ".join(node.text(separator=" ").split())

    def form(self, action: str) -> dict[str, str]:
        """What a browser would send of the first form with this address: its fields as they are now."""
        found = self.html.css(f'form[action="{action}"]')
        assert found, f"{self.path} has no form for {action}: {self.text}"
        return fields_of(found[0])


def fields_of(form: LexborNode) -> dict[str, str]:
    """The fields of a form, as they are when the page is shown."""
    fields = dict[str, str]()
    for node in form.css("input[name], select[name], textarea[name]"):
        name, kind = node.attributes["name"] or "", node.attributes.get("type")
        if node.tag == "select":
            chosen = node.css("option[selected]") or node.css("option")
            fields[name] = chosen[0].attributes.get("value") or ""
        elif node.tag == "textarea":
            fields[name] = node.text().removeprefix("\n")
        elif kind != "radio" or "checked" in node.attributes:
            fields[name] = node.attributes.get("value") or ""
    return fields


class Visitor:
    """A browser that keeps its cookies: `async with Visitor(shop) as ann`."""

    def __init__(self, shop: Shop) -> None:
        self.http = httpx.AsyncClient(
            transport=httpx.ASGITransport(shop.edge), base_url=URL, follow_redirects=True,
            headers={"Accept": "text/html"},
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.http.aclose()

    async def look(self, path: str) -> Page:
        """A page."""
        return Page(await self.http.get(path))

    async def post(self, path: str, fields: dict[str, str], **headers: Any) -> Page:
        """What comes of sending fields."""
        return Page(await self.http.post(path, data=fields, headers=SAME_SITE | headers))

    async def send(self, page: Page, action: str, **fields: str) -> Page:
        """What comes of filling in a form of a page, and pressing its button."""
        return await self.post(urljoin(str(page.answer.url), action), page.form(action) | fields)

    async def add(self, sku: str, quantity: int = 1) -> Page:
        """The cart, once a product was put into it."""
        return await self.send(await self.look(f"/product/{sku}"), "/cart", quantity=str(quantity))

    async def buy(self, card: str = "pm_card_visa", **more: str) -> Page:
        """What comes of the checkout in the end."""
        page = await self.look("/checkout")
        return await self.follow(await self.send(page, "/cart/checkout", **(WHERETO | {"card": card} | more)))

    async def follow(self, page: Page) -> Page:
        """What becomes of a page that looks again by itself, until it no longer does."""
        async with asyncio.timeout(30):
            while page.all("noscript meta[http-equiv=refresh]"):
                await asyncio.sleep(0.05)
                page = await self.look(page.path)
        return page


WHERETO = {
    "email": "ann@example.com", "name": "Ann Example", "street_address": "1 Main Street", "zip_code": "12345",
    "city": "Springfield", "country": "US",
}
