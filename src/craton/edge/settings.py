"""What differs from one edge to another: limits, and how it stands on the internet."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_network

from craton.errors import SettingsError
from craton.settings import Settings

Network = IPv4Network | IPv6Network


class EdgeSettings(Settings):
    """The settings of an edge: `CRATON_EDGE_TIMEOUT` and so on. 0 switches a rate off.

    `timeout`: seconds that a call may take where the client does not say, `longest`: at most. `body`, `head`: bytes of
    a body, and of a request's line and headers; `patience`: seconds within which each must arrive. `connections`: at
    the same time. `rate`: requests a second of one caller, or of one address where nobody is signed in but as a guest,
    `burst` of them at once; `sign_ins`: tries a minute of one address at what checks passwords. `origins`: web pages of
    other sites that may ask ("https://shop.example, https://admin.example", or "*"). `trusted_proxies`: the networks
    whose X-Forwarded-For is believed ("10.0.0.0/8, 192.0.2.7"). `certificate`, `key`: PEM files, for TLS. `docs`:
    whether there is a page at /docs. `admission`: whether what is more than can be answered in good time is refused.
    """

    timeout: float = 10.0
    longest: float = 60.0
    body: int = 1 << 20
    head: int = 32 << 10
    patience: float = 20.0
    connections: int = 10_000
    rate: float = 100.0
    burst: int = 200
    sign_ins: int = 10
    origins: str = ""
    trusted_proxies: str = ""
    certificate: str = ""
    key: str = ""
    docs: bool = True
    admission: bool = True

    def __post_init__(self) -> None:
        self.proxies()
        if bool(self.certificate) != bool(self.key):
            raise SettingsError("CRATON_EDGE_CERTIFICATE and CRATON_EDGE_KEY belong together: set both.")
        for name in ("timeout", "longest", "body", "head", "patience", "connections", "burst"):
            if getattr(self, name) <= 0:
                raise SettingsError(f"CRATON_EDGE_{name.upper()} is {getattr(self, name)}: make it more than 0.")

    def proxies(self) -> tuple[Network, ...]:
        """The networks of trusted proxies."""
        try:
            return tuple(ip_network(part) for part in parts(self.trusted_proxies))
        except ValueError as error:
            raise SettingsError(f"CRATON_EDGE_TRUSTED_PROXIES: {error}: write addresses or networks.") from error

    def foreign_origins(self) -> frozenset[bytes]:
        """The origins of web pages that may ask."""
        return frozenset(part.encode() for part in parts(self.origins))


def parts(text: str) -> list[str]:
    """What stands between commas."""
    return [part.strip() for part in text.split(",") if part.strip()]
