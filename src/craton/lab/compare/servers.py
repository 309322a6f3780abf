"""PostgreSQL for one side of a comparison: a server of its own, durable, and removed at the end; or one that is there.
"""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import shutil
import signal
import tempfile
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process, create_subprocess_exec
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import psutil

from craton.errors import SettingsError
from craton.run.child import die_with
from craton.run.folder import free_port

DURABLE = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}
OPTIONS = {
    **DURABLE, "autovacuum": "on", "shared_buffers": "128MB", "max_connections": "600",
    "max_pred_locks_per_transaction": "256", "log_min_messages": "fatal", "listen_addresses": "127.0.0.1",
}
FOLDERS = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql*/bin")
"""Where the usual packages put PostgreSQL's programs, where they are not on the PATH."""
PATIENCE = 30.0
"""Seconds within which a server must have started."""
MISSING = (
    "craton compare needs PostgreSQL, and finds none on this machine: install it (apt-get install postgresql, or brew "
    "install postgresql), or give the URL of a server that runs, with --database postgresql://user:password@host/name."
)


@dataclass(frozen=True)
class Server:
    """A PostgreSQL server. `url` has no database's name; `pid` is its first process, None where it runs elsewhere;
    `about` says which version it is, and how durable. `base`: what the names of all databases on it begin with."""

    url: str
    pid: int | None
    about: str
    base: str

    def database(self, name: str) -> str:
        """The URL of a database."""
        return urlsplit(self.url)._replace(path=f"/{name}").geturl()

    @property
    def place(self) -> tuple[str, int]:
        """Host and port."""
        parts = urlsplit(self.url)
        return parts.hostname or "127.0.0.1", parts.port or 5432

    async def ask(self, query: str, *arguments: object) -> Sequence[Any]:
        """The rows of a query, asked by a connection of its own."""
        connection = await asyncpg.connect(self.database("postgres"))
        try:
            return list(await connection.fetch(query, *arguments))
        finally:
            await connection.close()

    async def make(self, database: str) -> str:
        """A database with this name; its URL."""
        await self.ask(f'CREATE DATABASE "{database}"')
        return self.database(database)


def name_for(side: str) -> str:
    """What the databases of a side begin with: no other's do."""
    return f"{side.replace('-', '_')}_{secrets.token_hex(2)}"


@asynccontextmanager
async def server_of(base: str, *, database: str | None = None) -> AsyncIterator[Server]:
    """The server for one side, whose databases' names begin with `base`: a new one, or, where the URL of a database is
    given, that one's server; then they begin with its name, too, and are removed at the end."""
    if database is None:
        async with own_server() as (url, pid):
            yield Server(url, pid, await about(url), base)
        return
    parts = urlsplit(database)
    url, name = parts._replace(path="").geturl(), f"{parts.path.strip('/')}_{base}"
    server = await reached(url, name)
    try:
        yield server
    finally:
        await remove(server)


async def reached(url: str, base: str) -> Server:
    """A server that runs already. SettingsError where it cannot be asked."""
    try:
        return Server(url, await postmaster(url), await about(url), base)
    except (OSError, TimeoutError, asyncpg.PostgresError) as error:
        host, port = Server(url, None, "", base).place
        raise SettingsError(
            f"PostgreSQL at {host}:{port} cannot be used ({error}): give --database the URL of a server that runs, or "
            "leave it out, and each side has one of its own."
        ) from error


async def remove(server: Server) -> None:
    """Remove the databases and roles of a side."""
    for kind, listed in (("DATABASE", "SELECT datname FROM pg_database"), ("ROLE", "SELECT rolname FROM pg_roles")):
        names = [name for (name,) in await server.ask(listed)]
        for name in names:
            if name == server.base or name.startswith(f"{server.base}_"):
                await server.ask(f'DROP {kind} "{name}"' + " WITH (FORCE)" * (kind == "DATABASE"))


@asynccontextmanager
async def own_server() -> AsyncIterator[tuple[str, int]]:
    """A new server: its URL and its first process. It refuses to run as root, so root runs it as the user postgres."""
    programs = found_programs()
    user = "postgres" if os.geteuid() == 0 else None
    directory = Path(tempfile.mkdtemp(prefix="craton-postgresql-", dir="/tmp"))
    try:
        if user:
            shutil.chown(directory, user)
        data, port = directory / "data", free_port()
        await call(programs / "initdb", "-D", data, "-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8",
                   "--no-sync", directory=directory, user=user)
        process = await begin(programs, data, port=port, user=user)
        try:
            await answering(programs, process, port=port, directory=directory)
            yield f"postgresql://postgres@127.0.0.1:{port}", process.pid
        finally:
            await end(process)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def found_programs() -> Path:
    """The folder of the newest PostgreSQL on this machine. SettingsError where there is none."""
    found = [path for folder in FOLDERS for path in Path("/").glob(folder.lstrip("/")) if (path / "initdb").exists()]
    if beside := shutil.which("initdb"):
        found.append(Path(beside).resolve().parent)
    if not found:
        raise SettingsError(MISSING)
    return max(found, key=lambda path: [int(number) for number in re.findall(r"\d+", str(path))])


async def begin(programs: Path, data: Path, *, port: int, user: str | None) -> Process:
    """Start the server. It dies with this process, should that be killed."""
    options = [f"-c{name}={value}" for name, value in OPTIONS.items()]
    with (data.parent / "log").open("ab") as log:
        return await create_subprocess_exec(
            programs / "postgres", "-D", data, "-p", str(port), "-k", data.parent, *options, user=user,
            cwd=data.parent, stdin=DEVNULL, stdout=log, stderr=log, start_new_session=True, env=environment(),
            preexec_fn=die_with(os.getpid()),
        )


async def answering(programs: Path, process: Process, *, port: int, directory: Path) -> None:
    """Wait until it takes connections. SettingsError, with its last words, where it does not."""
    ready: list[str | Path] = [programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)]
    try:
        async with asyncio.timeout(PATIENCE):
            while process.returncode is None:
                asking = await create_subprocess_exec(*ready, env=environment())
                if await asking.wait() == 0:
                    return
                await asyncio.sleep(0.05)
    except TimeoutError:
        pass
    raise SettingsError(f"PostgreSQL did not start: {(directory / 'log').read_text()[-2000:]}")


async def call(program: Path, *arguments: str | Path, directory: Path, user: str | None) -> None:
    """Run one of PostgreSQL's programs to its end."""
    process = await create_subprocess_exec(
        program, *arguments, user=user, cwd=directory, stdin=DEVNULL, stdout=PIPE, stderr=STDOUT,
        env=environment(),
    )
    said, _ = await process.communicate()
    if process.returncode:
        raise SettingsError(f"PostgreSQL's {program.name} failed: {said.decode(errors='replace')}")


def environment() -> Mapping[str, str]:
    """That of this process, without what would tell PostgreSQL's programs of another server."""
    return {name: text for name, text in os.environ.items() if not name.startswith("PG")}


async def end(process: Process) -> None:
    """Stop a server at once: nobody needs its data any more."""
    if process.returncode is None:
        process.send_signal(signal.SIGQUIT)
        try:
            async with asyncio.timeout(10):
                await process.wait()
        except TimeoutError:
            process.kill()
    await process.wait()


async def about(url: str) -> str:
    """The version of a server, and whether it is durable."""
    server = Server(url, None, "", "")
    version = (await server.ask("SHOW server_version"))[0][0].split()[0]
    durable = [f"{name}={(await server.ask(f'SHOW {name}'))[0][0]}" for name in DURABLE]
    return f"PostgreSQL {version}, {', '.join(durable)}"


async def postmaster(url: str) -> int | None:
    """The first process of a server, where that runs on this machine."""
    host, _ = Server(url, None, "", "").place
    if host not in ("127.0.0.1", "localhost", "::1"):
        return None
    connection = await asyncpg.connect(Server(url, None, "", "").database("postgres"))
    try:
        backend = psutil.Process(await connection.fetchval("SELECT pg_backend_pid()"))
        return backend.ppid() if backend.name().startswith("postgres") else None
    except psutil.NoSuchProcess:  # the address is this machine's, but leads into a container
        return None
    finally:
        await connection.close()
