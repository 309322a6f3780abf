"""What has a version is sent when it has changed, and changed while it is as it was seen; pages link to the next."""

from __future__ import annotations

import pytest

from craton import Application, DeclarationError, Module, Page, query
from craton.edge.operation import operations
from tests.edge.books import Book, client, key


async def test_what_is_known_already_is_not_sent_again() -> None:
    async with client() as http:
        first = await http.get("/books/1")
        assert (first.headers["etag"], first.headers["cache-control"]) == ('"1"', "private, no-cache")
        for known in ('"1"', 'W/"1"', '"7", "1"', "*"):
            again = await http.get("/books/1", headers={"If-None-Match": known})
            assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", '"1"')
        await http.put("/books/1", json={"title": "New"}, headers=key(1) | {"If-Match": '"1"'})
        changed = await http.get("/books/1", headers={"If-None-Match": '"1"'})
    assert (changed.status_code, changed.headers["etag"], changed.json()["title"]) == (200, '"2"', "New")


async def test_a_change_needs_the_version_that_was_seen() -> None:
    async with client() as http:
        blind = await http.put("/books/1", json={"title": "New"}, headers=key(1))
        some = await http.put("/books/1", json={"title": "New"}, headers=key(2) | {"If-Match": "*"})
        stale = await http.put("/books/1", json={"title": "New"}, headers=key(3) | {"If-Match": '"7"'})
        foreign = await http.put("/books/1", json={"title": "New"}, headers=key(4) | {"If-Match": '"abc"'})
        weak = await http.put("/books/1", json={"title": "New"}, headers=key(5) | {"If-Match": 'W/"1"'})
        torn = await http.put("/books/1", json={"title": "New"}, headers=key(6) | {"If-Match": "1"})
        right = await http.put("/books/1", json={"title": "New"}, headers=key(7) | {"If-Match": '"1"'})
    statuses = [answer.status_code for answer in (blind, some, stale, foreign, weak, torn, right)]
    assert statuses == [428, 428, 412, 412, 412, 400, 200]
    assert blind.json()["type"] == "urn:craton:problem:precondition-required"
    assert (stale.json()["type"], stale.json()["version"]) == ("urn:craton:library:stale", 1)
    assert right.json()["version"] == 2


async def test_where_the_version_may_be_left_out_it_is_still_checked_when_it_is_given() -> None:
    async with client() as http:
        stale = await http.delete("/books/1", headers=key(1) | {"If-Match": '"7"'})
        right = await http.delete("/books/1", headers=key(2) | {"If-Match": '"1"'})
        blind = await http.delete("/books/2", headers=key(3))
    assert [answer.status_code for answer in (stale, right, blind)] == [412, 204, 204]


async def test_each_page_links_to_the_next_until_the_last() -> None:
    found, path = list[str](), "/books?limit=2&unknown=a%20b"
    async with client() as http:
        for _ in range(3):
            page = await http.get(path)
            found += [book["isbn"] for book in page.json()["items"]]
            assert ("next" in page.links) == (page.json()["next_cursor"] is not None)
            path = page.links.get("next", {}).get("url", "")
    assert found == ["1", "2", "3", "4", "5"]
    assert path == ""


def test_a_page_without_a_cursor_is_refused() -> None:
    from typing import Protocol

    class Endless(Protocol):
        @query(get="/all")
        async def all(self) -> Page[Book]: ...

    with pytest.raises(DeclarationError, match="answers with a Page: give it the parameter `cursor"):
        operations(Application("endless", [Module("endless", Endless, "a:B")]))
