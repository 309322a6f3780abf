"""`python -m bench.baselines.webhooks PROVIDER URL`: tells the payment provider where the shop listens."""

from __future__ import annotations

import sys

import httpx


def main(provider: str, url: str) -> None:
    """Register, as one would on Stripe's dashboard."""
    form = {"url": f"{url}/payments/webhook", "enabled_events[0]": "*"}
    headers = {"Authorization": "Bearer sk_test_store"}
    httpx.post(f"{provider}/v1/webhook_endpoints", data=form, headers=headers, trust_env=False).raise_for_status()


if __name__ == "__main__":
    main(*sys.argv[1:])
