"""TLS between machines: every service has a certificate of its own, and both ends of a connection check the other's."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from craton.calls.links.rpc.address import Address
from craton.calls.links.rpc.connection import HELLO_SECONDS, log
from craton.errors import SettingsError

Make = Callable[[], asyncio.Protocol]
MOST_STRANGERS = 200
"""Connections at one listener that have not shown who they are: a further one puts out the one that came first."""
HOW = "write the folder that `craton certs` made, or three files: certificate,key,ca"


@dataclass(frozen=True, slots=True)
class Files:
    """Where a service finds its certificate, its key, and the certificate of who signs for all."""

    certificate: Path
    key: Path
    ca: Path

    @classmethod
    def of(cls, setting: str, service: str) -> Files:
        """Those that CRATON_TLS names. SettingsError where one is missing."""
        parts = [Path(part) for part in setting.split(",")]
        if len(parts) not in (1, 3):
            raise SettingsError(f"CRATON_TLS: {setting!r} are {len(parts)} files: {HOW}.")
        if len(parts) == 1:
            parts = [parts[0] / name for name in (f"{service}.crt", f"{service}.key", "ca.crt")]
        if missing := [file for file in parts if not file.is_file()]:
            raise SettingsError(f"CRATON_TLS: there is no file {missing[0]}: {HOW}.")
        return cls(*parts)

    def stamps(self) -> tuple[object, ...]:
        """What changes when one of them is replaced."""
        found = [file.stat() for file in (self.certificate, self.key, self.ca)]
        return tuple((one.st_ino, one.st_mtime_ns) for one in found)


class Tls:
    """What one service shows others, and whom it believes. Files that are replaced count for new connections."""

    def __init__(self, files: Files) -> None:
        self.files = files
        self.stamps = files.stamps()
        self.contexts = self.load()

    def context(self, *, server: bool) -> ssl.SSLContext:
        """For one new connection."""
        try:
            if (stamps := self.files.stamps()) != self.stamps:
                self.contexts, self.stamps = self.load(), stamps
        except (OSError, SettingsError) as error:  # half of them are written: the next connection finds them all
            log.warning("rpc: the certificate was not read again: %s", error)
        return self.contexts[server]

    def load(self) -> tuple[ssl.SSLContext, ssl.SSLContext]:
        """The contexts of a client and of a server."""
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            for context in made:
                context.minimum_version = ssl.TLSVersion.TLSv1_3
                context.verify_mode = ssl.CERT_REQUIRED
                context.load_verify_locations(self.files.ca)
                context.load_cert_chain(self.files.certificate, self.files.key)
        except ssl.SSLError as error:
            raise SettingsError(
                f"CRATON_TLS: {self.files.certificate}, its key and {self.files.ca} cannot be used ({plain(error)}): "
                "make them anew by `craton certs`."
            ) from error
        made[1].num_tickets = 0  # so that every connection shows its certificate
        return made


Protection = Tls | Literal["off"] | None


def tls_of(setting: str | None, service: str) -> Protection:
    """What CRATON_TLS says: "off", where the network itself is trusted, or where the files are."""
    if setting is None:
        return None
    return "off" if setting == "off" else Tls(Files.of(setting, service))


async def listen(where: Address, tls: Protection, make: Make) -> asyncio.Server | Listener:
    """Listen on TCP. SettingsError where other machines could come in unprotected."""
    if isinstance(tls, Tls):
        return await Listener(tls, make).open(where)
    if tls is None and not where.is_local():
        raise SettingsError(
            f"{where} can be reached from other machines, and nothing protects it: make certificates by `craton certs` "
            "and set CRATON_TLS to their folder, or to `off` where the network itself is trusted and encrypted."
        )
    return await asyncio.get_running_loop().create_server(make, where.host, where.port)


def names_in(transport: asyncio.BaseTransport) -> frozenset[str] | None:
    """The names in the certificate that the peer showed; None where the connection is not by TLS."""
    shown: dict[str, Any] | None = transport.get_extra_info("peercert")
    return None if shown is None else frozenset(name for kind, name in shown.get("subjectAltName", ()) if kind == "DNS")


def plain(error: BaseException) -> str:
    """Why a connection could not be made or was lost, for people."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is refused: {error.verify_message}"
    if isinstance(error, ssl.SSLError) and error.reason:
        return WORDS.get(error.reason) or error.reason.lower().replace("_", " ")
    if isinstance(error, TimeoutError) or "SSL handshake is taking longer" in str(error):
        return "it does not answer"
    return str(error) or "it closed the connection"


WORDS = {
    "WRONG_VERSION_NUMBER": "it does not speak TLS: give it CRATON_TLS, too",
    "HTTP_REQUEST": "it does not speak TLS, but HTTP",
    "NO_SHARED_CIPHER": "it does not speak TLS 1.3",
    "UNSUPPORTED_PROTOCOL": "it does not speak TLS 1.3",
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": "it showed no certificate",
}


class Listener:
    """Listens on TCP, and lets in who shows a certificate. `sockets` are what it listens on.

    A listener of the event loop would neither say why a peer failed, nor use certificates that were replaced.
    """

    def __init__(self, tls: Tls, make: Make) -> None:
        self.tls, self.make = tls, make
        self.opening: dict[asyncio.Task[None], None] = {}

    async def open(self, where: Address) -> Listener:
        """Begin to listen."""
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(where.host, where.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        places = dict.fromkeys((family, address[:2]) for family, *_, address in found)
        self.sockets = [socket.create_server(place, family=family) for family, place in places]
        for listening in self.sockets:
            listening.setblocking(False)
        self.accepting = [loop.create_task(self.accept(listening)) for listening in self.sockets]
        return self

    async def accept(self, listening: socket.socket) -> None:
        """Take what comes; of too many that say nothing, the one that came first makes room."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                came, _ = await loop.sock_accept(listening)
            except OSError as error:  # such as too many open files
                log.warning("rpc: no connection was accepted: %s", error)
                await asyncio.sleep(1)
                continue
            if len(self.opening) >= MOST_STRANGERS:
                log.warning("rpc: connection with a peer closed: too many others show no certificate, either")
                next(iter(self.opening)).cancel()
            opening = loop.create_task(self.let_in(came))
            self.opening[opening] = None
            opening.add_done_callback(self.opening.pop)

    async def let_in(self, came: socket.socket) -> None:
        """Exchange certificates with one peer."""
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                self.make, came, ssl=self.tls.context(server=True), ssl_handshake_timeout=HELLO_SECONDS,
            )
        except OSError as error:
            log.warning("rpc: connection with a peer closed: %s", plain(error))
        except asyncio.CancelledError:
            came.close()

    def close(self) -> None:
        """Listen no more."""
        for task in (*self.accepting, *self.opening):
            task.cancel()
        for listening in self.sockets:
            listening.close()
