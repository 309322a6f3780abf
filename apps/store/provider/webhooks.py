"""Webhooks: what happened, sent to every endpoint that registered, signed as Stripe signs.

An endpoint with the metadata `forward` gets payload and signature as the two fields of a JSON object, under an
idempotency key: what a forwarder in front of a REST API would make of Stripe's raw webhook.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import time
from hashlib import sha256

import httpx

from apps.store.provider.books import Books, Thing
from apps.store.provider.troubles import Plan

PAUSE = 0.1
"""Seconds between looks at what is to be sent."""


def signed(payload: str, secret: str, at: int) -> str:
    """The Stripe-Signature header of a payload."""
    return f"t={at},v1={hmac.new(secret.encode(), f'{at}.{payload}'.encode(), sha256).hexdigest()}"


class Sender:
    """Sends what is due, and tries again with growing pauses until somebody says 2xx."""

    def __init__(self, books: Books, plan: Plan, *, secret: str) -> None:
        self.books, self.plan, self.secret = books, plan, secret

    async def run(self) -> None:
        """Send for ever."""
        believed = httpx.create_ssl_context()  # those in SSL_CERT_FILE, too
        async with httpx.AsyncClient(timeout=5.0, trust_env=False, verify=believed) as client:
            while True:
                for seq, event, endpoint, attempts in self.books.due(time.time()):
                    await self.deliver(client, seq, event, endpoint, attempts)
                await asyncio.sleep(PAUSE)

    async def deliver(self, client: httpx.AsyncClient, seq: int, event: str, endpoint: str, attempts: int) -> None:
        """Try one delivery."""
        found, target = self.books.get("event", event), self.books.get("webhook_endpoint", endpoint)
        if found is None or target is None or target["status"] != "enabled":
            return self.books.delivered(seq)
        if attempts == 0 and self.plan.chance.random() < self.plan.reorder:
            return self.books.postpone(seq, due=time.time() + self.plan.chance.uniform(0.1, 2.0))
        if await self.send(client, found, target):
            if self.plan.chance.random() < self.plan.duplicate:
                return self.books.postpone(seq, due=time.time() + self.plan.chance.uniform(0.0, 1.0))
            return self.books.delivered(seq)
        return self.books.postpone(seq, due=time.time() + min(self.plan.backoff, 0.5 * 2.0**attempts))

    async def send(self, client: httpx.AsyncClient, event: Thing, endpoint: Thing) -> bool:
        """Send one event; whether it was taken."""
        payload, at = json.dumps(event), int(time.time())
        signature, headers = signed(payload, self.secret, at), {"Content-Type": "application/json"}
        if endpoint["metadata"].get("forward"):
            payload = json.dumps({"payload": payload, "signature": signature})
            headers["Idempotency-Key"] = key_of(event, at)
        else:
            headers["Stripe-Signature"] = signature
        try:
            return (await client.post(endpoint["url"], content=payload, headers=headers)).is_success
        except httpx.HTTPError:
            return False


def key_of(event: Thing, at: int) -> str:
    """The idempotency key of one delivery: each is signed anew, so each is a request of its own."""
    return f'"{event["id"]}-{at}"'
