"""The data folder of `craton run`: what one installation remembers from one start to the next."""

from __future__ import annotations

import fcntl
import os
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import msgspec

from craton.errors import SettingsError
from craton.topology import Topology

T = TypeVar("T")
LOWEST, USUAL = 10_000, 32_768
"""The ports between which servers are put; the latter is where outgoing connections begin, if the system does not say.
"""
RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
TRIES = 100


class Installation(msgspec.Struct, frozen=True):
    """Whose the data is, and where it lies.

    `database` is the kind of it, and `homes` names the service that holds each module's part.
    """

    application: str
    topology: str
    database: str
    homes: dict[str, str]

    @classmethod
    def of(cls, application: str, topology: Topology, database: str) -> Installation:
        """What a topology makes of the data."""
        homes = {module: service.name for service in topology.services for module in service.modules}
        return cls(application, topology.name, database, homes)

    def differences(self, other: Installation) -> Iterator[str]:
        """Why data of this one is no data of the other; nothing where it is."""
        for what in ("application", "topology", "database"):
            if getattr(self, what) != getattr(other, what):
                yield f"is of {what} {getattr(self, what)}, not {getattr(other, what)}"
        for module in self.homes.keys() & other.homes.keys():
            if self.homes[module] != other.homes[module]:
                yield f"has {module} in service {self.homes[module]}, not {other.homes[module]}"


class Whereabouts(msgspec.Struct, frozen=True):
    """Where the services of a running installation answer: addresses by service, one for each replica.

    `workers`: the variables by which workers find their controllers, and the settings that all have.
    """

    topology: str
    peers: dict[str, tuple[str, ...]]
    workers: dict[str, str] = {}


class Folder:
    """A data folder, held by one supervisor at a time: `with Folder(path) as folder`."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()

    @classmethod
    def of(cls, package: str, given: Path | None) -> Self:
        """The folder that was given, else `.craton/store` for "apps.store"."""
        return cls(given or Path(".craton", package.rpartition(".")[2]))

    def __enter__(self) -> Self:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self.lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise cannot_hold(self.path, error) from error
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self.lock)
            raise SettingsError(
                f"another `craton run` uses the data in {self.path}: stop that one, or give another folder by --data."
            ) from None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None,
    ) -> None:
        os.close(self.lock)

    def belongs_to(self, installation: Installation) -> None:
        """Remember whose data this is; SettingsError, with what to do, where it is another's."""
        file = self.path / "installation.json"
        held = read(file, Installation) if file.exists() else installation
        if why := next(held.differences(installation), None):
            raise SettingsError(
                f"the data in {self.path} {why}: run it as it was, or give another folder by --data. "
                "Data does not move by itself."
            )
        new = msgspec.structs.replace(installation, homes=held.homes | installation.homes)
        write(file, msgspec.json.format(msgspec.json.encode(new)))

    @contextmanager
    def tell(self, whereabouts: Whereabouts) -> Iterator[None]:
        """Let operators find the services while they run."""
        file = self.path / "running.json"
        write(file, msgspec.json.encode(whereabouts))
        try:
            yield
        finally:
            file.unlink(missing_ok=True)

    def whereabouts(self) -> Whereabouts | None:
        """Where the services answer; None where none run."""
        file = self.path / "running.json"
        return read(file, Whereabouts) if file.exists() else None

    def secret(self) -> bytes:
        """What the services of this installation share; made at the first start, for its owner's eyes only."""
        file = self.path / "secret"
        if not file.exists():
            write(file, secrets.token_urlsafe(32).encode())
        return content(file).strip()

    def port_of(self, companion: str) -> int:
        """A port that is free, and the same at every start as long as nobody else takes it."""
        file = self.path / "ports.json"
        ports = read(file, dict[str, int]) if file.exists() else {}
        if companion not in ports or not is_free(ports[companion]):
            ports[companion] = free_port()
            write(file, msgspec.json.encode(ports))
        return ports[companion]

    def directory(self, name: str) -> Path:
        """A folder in this one."""
        made = self.path / name
        made.mkdir(exist_ok=True)
        return made


def cannot_hold(folder: Path, error: OSError) -> SettingsError:
    """Why a folder is of no use."""
    return SettingsError(f"{folder} cannot hold data ({error.strerror}): give another folder by --data.")


def content(file: Path) -> bytes:
    """What a file holds; SettingsError where it may not be read."""
    try:
        return file.read_bytes()
    except OSError as error:
        raise SettingsError(f"{file} cannot be read ({error.strerror}): mend its permissions.") from error


def read(file: Path, kind: type[T]) -> T:
    """What `write` wrote; SettingsError where that is damaged."""
    try:
        return msgspec.json.decode(content(file), type=kind)
    except msgspec.DecodeError as error:
        raise SettingsError(f"{file} is damaged ({error}): restore it from a backup.") from error


def write(file: Path, content: bytes) -> None:
    """Write a file whole or not at all, readable by its owner only."""
    partial = file.with_suffix(".partial")
    try:
        partial.unlink(missing_ok=True)
        with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
            out.write(content)
        partial.replace(file)
    except OSError as error:
        raise cannot_hold(file.parent, error) from error


def is_free(port: int, *, host: str = "127.0.0.1") -> bool:
    """Whether a server could listen there now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True


def free_port() -> int:
    """A port that nobody uses now, and that the system gives to no outgoing connection: it is still free when somebody
    comes to listen there, or does so again."""
    most = outgoing() - LOWEST
    for _ in range(TRIES if most > 0 else 0):
        if is_free(port := LOWEST + secrets.randbelow(most)):
            return port
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def outgoing() -> int:
    """The first of the ports that the system gives to outgoing connections."""
    try:
        return int(RANGE.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return USUAL
