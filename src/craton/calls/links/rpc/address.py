"""Where a service listens: `unix:/path` on one machine, `tcp:host:port` between machines."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address

from craton.errors import SettingsError

LONGEST_PATH = 107  # bytes of a Unix socket's path that Linux takes


@dataclass(frozen=True, slots=True)
class Address:
    """A Unix socket's path, or a host and a port."""

    path: str = ""
    host: str = ""
    port: int = 0

    @classmethod
    def parse(cls, text: str) -> Address:
        """What is written in a setting; SettingsError where it is neither form."""
        kind, _, rest = text.partition(":")
        if kind == "unix" and rest:
            return cls.unix(rest)
        host, _, port = rest.rpartition(":")
        if kind == "tcp" and host and port.isdecimal() and int(port) < 65536:
            return cls(host=host.strip("[]"), port=int(port))
        raise SettingsError(f"{text!r} is not an address: write unix:/path or tcp:host:port.")

    @classmethod
    def unix(cls, path: str) -> Address:
        """A socket file, whose path must be short."""
        if len(path.encode()) > LONGEST_PATH:
            raise SettingsError(f"unix:{path} is longer than the {LONGEST_PATH} bytes that a socket's path may have.")
        return cls(path=path)

    def is_local(self) -> bool:
        """Whether only this machine can reach it."""
        if self.path or self.host == "localhost":
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return False

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"unix:{self.path}" if self.path else f"tcp:{host}:{self.port}"
