"""A program beside the application as a side of a comparison, told of by a TOML file (`--beside FILE.toml`).

    name = "FastAPI microservices"
    what = "9 services that ask each other over HTTP, Envoy in front"    # for the report
    url = "http://127.0.0.1:{port.gateway}"           # where visitors go
    health = "/healthz"                               # GET url + health is answered with 200 once all is ready; "/"
    prepare = "{python} -m shop.tables {database.catalog} {database.orders}"  # once, before the programs: makes tables
    setup = "{python} -m shop.load --url {url}"       # once, when all is ready: the data, as the application has it
    settings = { PAYMENTS = "{companion.provider}" }  # environment variables of everything started here

    [[programs]]
    name = "catalog"                                  # one word; several programs may not have the same
    kind = "service"                                  # "service", "gateway", "worker" or "companion"; "service"
    command = "{python} -m uvicorn shop.catalog:app --port {port.catalog}"
    settings = { DATABASE = "{database.catalog}" }    # environment variables of this one
    health = "/healthz"                               # what it answers with 200 at {port.catalog} once it is ready; "":
    troubles = false                                  #   that it takes connections there is enough

    [[programs]]
    name = "gateway"
    kind = "gateway"
    command = "{envoy} --config-path {file.envoy} --concurrency 1 --log-level warning"

    [files]
    envoy = "envoy.json"                              # a file beside this one, which may hold placeholders, too

Placeholders, in commands, settings, urls and files; other braces stay as they are:
    {python}           this Python                          {here}      the folder of this file
    {envoy}            the Envoy that `craton run` uses     {data}      a folder for files, removed at the end
    {url}              the url above                        {tls}       the folder of certificates of `--tls`
    {port.NAME}        a free port, the same wherever it is named; that of a program's own name is where it answers
    {database.NAME}    the URL of an empty database (postgresql://user@host:port/name), on this side's own server
    {companion.NAME}   the URL of a companion of the application's topology.toml, started for this side alone
    {file.NAME}        where one of [files] is, its placeholders filled

Programs start in the folder where `craton compare` runs, services first, then workers, and gateways last; they die
with it, and start again when they die. `start` in the report counts neither companions nor `prepare`. A program whose
`troubles` is true obeys signals: SIGUSR1 (answer everything 0.5 s later), SIGUSR2 (answer everything by a failure),
SIGWINCH (be well again); having done so it writes the signal's name into a file that is named by its process id, in the
folder that the environment variable CRATON_DISTURBED names. Others can only be killed.
"""

from __future__ import annotations

import os
import re
import shlex
import sys
import tempfile
import tomllib
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import msgspec

from craton.calls.links.rpc.address import Address
from craton.errors import DeclarationError, SettingsError
from craton.lab.compare.bringing import Lines, bring_up, run_once
from craton.lab.compare.servers import name_for, server_of
from craton.lab.compare.stand import Setup, Stand
from craton.lab.compare.standing import Member, Shape, Standing
from craton.lab.disturbed import FOLDER
from craton.run.child import NOWHERE, Program
from craton.run.folder import free_port
from craton.run.gateway.process import program as envoy_program
from craton.topology import Companion, load_companions, topology_file

HOST = "127.0.0.1"
PLACEHOLDER = re.compile(r"\{(python|here|envoy|data|url|tls|(?:port|database|companion|file)\.[\w-]+)\}")
ORDER = (("service",), ("worker",), ("gateway",))


class ProgramTable(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """`[[programs]]`."""

    name: str
    command: str
    kind: Literal["service", "gateway", "worker", "companion"] = "service"
    settings: dict[str, str] = {}
    health: str = ""
    troubles: bool = False


class BesideTable(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The file."""

    name: str
    url: str
    programs: list[ProgramTable]
    what: str = ""
    health: str = "/"
    prepare: str = ""
    setup: str = ""
    settings: dict[str, str] = {}
    files: dict[str, str] = {}


@asynccontextmanager
async def beside_stand(setup: Setup, file: Path) -> AsyncIterator[Stand]:
    """Bring the side that a file tells of up; CratonError where that cannot be done."""
    table = described(file, setup)
    async with AsyncExitStack() as stack:
        base = name_for(re.sub(r"\W+", "_", table.name.lower()))
        server = await stack.enter_async_context(server_of(base, database=setup.database))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="craton-beside-")))
        places = Places(file, table, setup, folder)
        for name in places.named("database"):
            places.values[f"database.{name}"] = await server.make(f"{server.base}_{name}")
        beside = Beside(table, places, setup)
        stand = Standing(
            name=table.name, what=table.what, ours=False, url=places.values["url"], server=server,
            folder=folder, shape=shape_of(table, places),
            services={program.name: () for program in table.programs if program.kind == "service"},
        )
        if table.prepare:
            await run_once(beside.once("prepare", table.prepare), Lines())
        yield await bring_up(
            stand, stack, outside=beside.outside(), stages=beside.stages(), health=table.health,
            setup=beside.once("setup", table.setup) if table.setup else None,
        )


def described(file: Path, setup: Setup) -> BesideTable:
    """What a file tells. CratonError where it cannot be a side of such a comparison."""
    table = read(file)
    check(file, table, setup)
    return table


def read(file: Path) -> BesideTable:
    """A file of this form. DeclarationError where it is none."""
    try:
        table = msgspec.convert(tomllib.loads(file.read_text()), BesideTable)
    except OSError as error:
        raise SettingsError(f"{file} cannot be read ({error.strerror}): give --beside a file.") from error
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise DeclarationError(f"{file}: {error}: see the head of craton/lab/compare/stand_beside.py.") from error
    names = [program.name for program in table.programs]
    if wrong := [name for name in names if names.count(name) > 1 or not re.fullmatch(r"[\w-]+", name)]:
        raise DeclarationError(f"{file}: {wrong[0]!r} is no name for a program: give each one word of its own.")
    return table


def check(file: Path, table: BesideTable, setup: Setup) -> None:
    """Refuse what the comparison wants, and this side has not."""
    if setup.replicas:
        raise SettingsError(f"{file}: {table.name} says itself how many processes it has: multiply its programs there.")
    if setup.tls and "{tls}" not in file.read_text():
        raise SettingsError(f"{file}: {table.name} has no TLS: use {{tls}} in it, or leave --tls out.")


class Places:
    """What the placeholders of a file stand for. Databases are made by somebody else, and put into `values`."""

    def __init__(self, file: Path, table: BesideTable, setup: Setup, folder: Path) -> None:
        self.file, self.table, self.folder = file, table, folder
        self.texts = {name: self.text(path) for name, path in table.files.items()}
        found = load_companions(topology_file(setup.package))
        self.companions = [one for one in found if one.name in self.named("companion")]
        here, data = str(file.absolute().parent), folder / "data"
        data.mkdir()
        self.values = {"python": sys.executable, "here": here, "data": str(data)}
        self.values |= {f"port.{name}": str(free_port()) for name in self.named("port")}
        self.values |= {f"companion.{one.name}": f"http://{HOST}:{free_port()}" for one in self.companions}
        self.values |= {f"file.{name}": str(folder / Path(path).name) for name, path in table.files.items()}
        self.values |= {"envoy": envoy_program()} if "envoy" in self.named() else {}
        self.values |= {"tls": setup.tls} if setup.tls else {}
        self.values["url"] = self.filled(table.url)

    def text(self, path: str) -> str:
        """One of the files beside the file."""
        try:
            return (self.file.parent / path).read_text()
        except OSError as error:
            raise SettingsError(f"{self.file}: {path} cannot be read ({error.strerror}).") from error

    def named(self, kind: str = "") -> list[str]:
        """The placeholders of this kind, "port" or so, without it; or all."""
        whole = " ".join([*strings(msgspec.to_builtins(self.table)), *self.texts.values()])
        names = dict.fromkeys(PLACEHOLDER.findall(whole))
        return [name.removeprefix(f"{kind}.") for name in names if not kind or name.startswith(f"{kind}.")]

    def filled(self, text: str) -> str:
        """A text, its placeholders filled."""

        def value(match: re.Match[str]) -> str:
            if match[1] not in self.values:
                raise DeclarationError(f"{self.file}: nothing fills {match[0]} in {text!r}.")
            return self.values[match[1]]

        return PLACEHOLDER.sub(value, text)

    def command(self, text: str) -> Sequence[str]:
        """A command, its placeholders filled. Several Envoys stand on one machine: by default a second one refuses."""
        words = shlex.split(text)
        alone = ["--disable-hot-restart"] if "{envoy}" in words and "--disable-hot-restart" not in words else []
        return [self.filled(word) for word in [*words, *alone]]

    def write_files(self) -> None:
        """Put the files where placeholders say."""
        for name, text in self.texts.items():
            Path(self.values[f"file.{name}"]).write_text(self.filled(text))


def strings(tree: Any) -> Iterator[str]:
    """All texts in a tree."""
    if isinstance(tree, dict):
        tree = [*tree.values()]
    if isinstance(tree, list):
        for branch in tree:
            yield from strings(branch)
    elif isinstance(tree, str):
        yield tree


def shape_of(table: BesideTable, places: Places) -> Shape:
    """How it is deployed, as its file says: a variable counts for every program that is given it, and so does each
    placeholder in its command, which is told it by that."""
    programs = [program for program in table.programs if program.kind != "companion"]
    told = sum(len({**table.settings, **p.settings}) + len(told_by(p.command)) for p in programs)
    written = [*places.file.read_text().splitlines(), *(line for t in places.texts.values() for line in t.splitlines())]
    lines = [line for line in map(str.strip, written) if line and not line.startswith("#")]
    return Shape(databases=len(places.named("database")), settings=told, lines=len(lines))


def told_by(command: str) -> set[str]:
    """What a command tells its program that somebody has to know."""
    return {name for name in PLACEHOLDER.findall(command) if "." in name}


class Beside:
    """What to start."""

    def __init__(self, table: BesideTable, places: Places, setup: Setup) -> None:
        self.table, self.places, self.told = table, places, setup.settings
        places.write_files()

    def environ(self, settings: Mapping[str, str]) -> dict[str, str]:
        """The environment of a program with these settings."""
        own = {name: self.places.filled(text) for name, text in {**self.table.settings, **settings}.items()}
        return {**os.environ, "PYTHONUNBUFFERED": "1", FOLDER: str(self.places.folder), **self.told, **own}

    def once(self, name: str, command: str) -> Program:
        """What runs to its end."""
        return Program(name, self.places.command(command), self.environ({}))

    def outside(self) -> Sequence[Member]:
        """What stands in for the outside world: companions of the application, and those of the file."""
        own = [self.member(program) for program in self.table.programs if program.kind == "companion"]
        return [*map(self.companion, self.places.companions), *own]

    def companion(self, companion: Companion) -> Member:
        """One of the application's."""
        port = int(self.places.values[f"companion.{companion.name}"].rpartition(":")[2])
        data = self.places.folder / companion.name
        data.mkdir()
        words = shlex.split(companion.command)
        command = [word.format(python=sys.executable, port=port, data=data) for word in words]
        return Member(Program(companion.name, command, os.environ, Address(host=HOST, port=port)), companion.name,
                      "companion")

    def stages(self) -> Sequence[Sequence[Member]]:
        """The rest: who is asked first."""
        return [[self.member(p) for p in self.table.programs if p.kind in kinds] for kinds in ORDER]

    def member(self, program: ProgramTable) -> Member:
        """One program."""
        port = self.places.values.get(f"port.{program.name}")
        place = Address(host=HOST, port=int(port)) if port else NOWHERE
        started = Program(
            program.name, self.places.command(program.command), self.environ(program.settings), place,
            health=program.health,
        )
        return Member(started, program.name, program.kind, troubles=program.troubles)
