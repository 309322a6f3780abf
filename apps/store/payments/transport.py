"""How the Stripe client speaks HTTP: through httpx, in the form that httpx wants today."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from typing import Any

import httpx
import stripe


class Transport(stripe.HTTPClient):
    """Stripe's own HTTPXClient gives httpx its text as `data`, which httpx deprecates; this one gives `content`."""

    name = "httpx"

    def __init__(self, *, timeout: float) -> None:
        super().__init__()
        self.http = httpx.AsyncClient(timeout=timeout)

    async def request_async(
        self, method: str, url: str, headers: Mapping[str, str], post_data: Any = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        """One request. APIConnectionError where no whole answer came."""
        try:
            answer = await self.http.request(method, url, headers=headers, content=post_data or None)
        except httpx.HTTPError as error:
            lost: Exception = stripe.APIConnectionError(f"{type(error).__name__}: {error}")  # type: ignore[no-untyped-call]
            raise lost from error
        return answer.content, answer.status_code, answer.headers

    def sleep_async(self, secs: float) -> Awaitable[None]:
        """Wait."""
        return asyncio.sleep(secs)

    async def close_async(self) -> None:
        """Close the connections."""
        await self.http.aclose()
