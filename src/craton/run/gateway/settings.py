"""What differs from one gateway to another."""

from __future__ import annotations

from craton.settings import Settings


class GatewaySettings(Settings):
    """What differs from one gateway to another: `CRATON_GATEWAY_RATE` and so on; the rest is said by `CRATON_EDGE_...`.

    `rate`: requests a second that one address may make, 0 for any number; `burst`: how many of them at once. `admin`:
    the port for metrics, on this machine only, 0 lets the system choose. `log`: whether each request is logged.
    `threads`: how many carry requests.
    """

    rate: int = 0
    burst: int = 0
    admin: int = 0
    log: bool = True
    threads: int = 1
