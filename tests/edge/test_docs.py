"""The page at /docs shows and tries the API with files of this server alone, under a strict policy."""

from __future__ import annotations

import re

from tests.edge.books import client


async def test_the_page_needs_nothing_from_elsewhere() -> None:
    async with client() as http:
        page = await http.get("/docs")
        named = re.findall(r'(?:src|href)="([^"#]+)"', page.text)
        files = {path: await http.get(path) for path in named if not path.startswith("data:")}
    assert set(files) == {"/docs/docs.css", "/docs/docs.js", "/openapi.json"}
    assert all(answer.status_code == 200 for answer in (page, *files.values()))
    for text in (page.text, files["/docs/docs.css"].text, files["/docs/docs.js"].text):
        assert not re.search(r"(?:https?:)?//(?!localhost)[\w.-]+\.\w", text)


async def test_its_policy_lets_no_other_scripts_run() -> None:
    async with client() as http:
        page = await http.get("/docs")
    policy = page.headers["content-security-policy"]
    assert "script-src 'self'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy
    assert page.headers["content-type"].startswith("text/html")
    assert "<script>" not in page.text and "style=" not in page.text


async def test_it_can_be_switched_off() -> None:
    async with client(CRATON_EDGE_DOCS="false") as http:
        assert (await http.get("/docs")).status_code == 404
        assert (await http.get("/openapi.json")).status_code == 200
