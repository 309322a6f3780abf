"""What one process of a service is told by the environment variables it is started with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from craton.calls.assertion import derive
from craton.calls.links.rpc.address import Address
from craton.errors import SettingsError

Peers = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Environment:
    """The settings of one process.

    `database` is a URL. It answers at `listen` by rpc, at `http` over HTTP (its edge, and other services by rest), and
    at `grpc` by gRPC; `peers`, `rest_peers` and `grpc_peers` are where the others do. `secret` is what all services of
    one installation share, `broker` the URL of the RabbitMQ server by which events go and jobs are rung for, or of the
    SQS queues for jobs, if any; `jobs` is where it answers workers over HTTP, and `record` the file for the traffic
    between modules, where it is recorded. `tls` is the folder that `craton certs` made, or three files
    (certificate,key,ca), or "off" where the network itself is trusted.
    """

    topology: str
    service: str
    secret: bytes = field(repr=False)
    database: str | None = field(default=None, repr=False)  # it may hold a password
    listen: str | None = None
    http: str | None = None
    grpc: str | None = None
    peers: Peers = field(default_factory=dict)
    rest_peers: Peers = field(default_factory=dict)
    grpc_peers: Peers = field(default_factory=dict)
    broker: str | None = field(default=None, repr=False)  # it may hold a password
    jobs: str | None = None
    tls: str | None = None
    record: str | None = None

    @classmethod
    def parse(cls, environ: Mapping[str, str]) -> Environment:
        """The settings in these variables. SettingsError names every one that is missing or wrong."""
        found: dict[str, Any] = {}
        wrong = []
        for name, read in READERS.items():
            variable = f"CRATON_{name.upper()}"
            if text := environ.get(variable):
                try:
                    found[name] = read(text)
                except SettingsError as error:
                    wrong.append(f"{variable}: {str(error).removeprefix(variable).strip()}")
            elif name in REQUIRED:
                wrong.append(f"{variable} is missing: set it to {REQUIRED[name]}.")
        if wrong:
            raise SettingsError(" ".join(wrong))
        return cls(**found)

    def variables(self) -> dict[str, str]:
        """The variables that tell a process this."""
        found = {
            "TOPOLOGY": self.topology, "SERVICE": self.service, "SECRET": self.secret.decode(),
            "DATABASE": self.database, "LISTEN": self.listen, "HTTP": self.http, "GRPC": self.grpc,
            "PEERS": written(self.peers), "REST_PEERS": written(self.rest_peers),
            "GRPC_PEERS": written(self.grpc_peers), "BROKER": self.broker, "JOBS": self.jobs, "TLS": self.tls,
            "RECORD": self.record,
        }
        return {f"CRATON_{name}": text for name, text in found.items() if text}

    def doors(self) -> dict[str, str]:
        """Where it answers, by kind of link."""
        found = {"rpc": self.listen, "rest": self.http, "grpc": self.grpc}
        return {kind: address for kind, address in found.items() if address}

    def whereabouts(self, kind: str) -> tuple[str, Peers]:
        """Where the others answer by a kind of link, and the variable that says so."""
        return {
            "rpc": ("CRATON_PEERS", self.peers), "rest": ("CRATON_REST_PEERS", self.rest_peers),
            "grpc": ("CRATON_GRPC_PEERS", self.grpc_peers),
        }[kind]


def written(peers: Peers) -> str:
    """Peers as `peers_of` reads them."""
    return ";".join(f"{name}={','.join(addresses)}" for name, addresses in peers.items())


def secret_of(text: str) -> bytes:
    """A secret that is long enough."""
    derive(text.encode(), "check")
    return text.encode()


def database_of(url: str) -> str:
    """A URL of a database that can be opened; it is not repeated when it is wrong, since it may hold a password."""
    if not url.startswith(("sqlite:///", "postgresql://")):
        raise SettingsError("write sqlite:////folder/file.db or postgresql://user:password@host:port/name.")
    return url


def broker_of(url: str) -> str:
    """A URL of a RabbitMQ server, or of queues in SQS; it is not repeated when it is wrong, since it may hold a
    password."""
    if not url.startswith(("amqp://", "amqps://", "sqs://")):
        raise SettingsError(
            "write amqp://user:password@host:5672/virtual-host for a broker, amqps:// for TLS, or sqs://REGION/PREFIX."
        )
    return url


def carries_events(broker: str) -> bool:
    """Whether events go by a broker: SQS only rings for jobs."""
    return not broker.startswith("sqs:")


def address_of(text: str) -> str:
    """An address of rpc."""
    return str(Address.parse(text))


def place_of(text: str) -> str:
    """A host and a port, or a Unix socket."""
    try:
        Address.parse(text if text.startswith("unix:") else f"tcp:{text}")
    except SettingsError:
        raise SettingsError(
            f"{text!r} is no place for HTTP: write host:port, such as 127.0.0.1:8000, or unix:/path."
        ) from None
    return text


def origin_of(text: str) -> str:
    """Where somebody answers over HTTP: a place, or the beginning of a URL."""
    scheme, separator, place = text.partition("://")
    if separator and scheme in ("http", "https") and place.strip("/"):
        return text.rstrip("/")
    return place_of(text)


def peers_of(text: str, address: Callable[[str], str] = address_of) -> Peers:
    """`inventory=unix:/a.sock;orders=tcp:h:1,tcp:h:2`: where each service answers, with all its replicas."""
    pairs = [part.partition("=") for part in text.split(";") if part]
    for name, equals, addresses in pairs:
        if not (name and equals and addresses):
            raise SettingsError(f"{name!r} is no peer: write service=address, several with semicolons between them.")
    return {name: tuple(address(one) for one in addresses.split(",")) for name, _, addresses in pairs}


READERS: Mapping[str, Callable[[str], Any]] = {
    "topology": str, "service": str, "secret": secret_of, "database": database_of, "listen": address_of,
    "http": place_of, "grpc": place_of, "peers": peers_of, "rest_peers": partial(peers_of, address=origin_of),
    "grpc_peers": partial(peers_of, address=place_of), "broker": broker_of, "jobs": place_of, "tls": str, "record": str,
}
REQUIRED = {
    "topology": "the name of a topology, such as monolith",
    "service": "the name of a service of the topology",
    "secret": "what all services of this installation share",
}
