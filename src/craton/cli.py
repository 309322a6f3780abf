"""The command `craton`: each subcommand a short function. What it does is imported when it is asked for."""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import sys
import sysconfig
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from craton.errors import CratonError, DeclarationError, SettingsError

if TYPE_CHECKING:
    from craton.application import Application
    from craton.run.process import Observer
    from craton.topology import Topology

WRONG = 2
"""The exit code for what was asked or declared wrongly; 1 is for what broke."""
STATES = ("running", "undoing", "waiting", "parked", "done", "fault", "failed")
"""Of sagas."""
STATUSES = ("retrying", "waiting", "parked", "unknown")
"""Of letters."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command; exits non-zero, with one line that says why, where it cannot be done."""
    sys.path[:0] = [] if {"", os.getcwd()} & set(sys.path) else [os.getcwd()]
    asked = parser().parse_args(arguments)
    try:
        asked.command(asked)
    except CratonError as error:
        fail(str(error), WRONG if isinstance(error, DeclarationError | SettingsError) else 1)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:  # whoever read what this prints has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except Exception as error:
        if not isinstance(error, ImportError | SyntaxError) and not is_importing(error):
            raise
        what = error.msg if isinstance(error, SyntaxError) else str(error)
        fail(f"the application cannot be imported: {place_of(error)}{type(error).__name__}: {what}", WRONG)


def fail(message: str, code: int) -> None:
    """Say why, and exit."""
    print(f"craton: {message}", file=sys.stderr)
    sys.exit(code)


def is_importing(error: BaseException) -> bool:
    """Whether it was raised while a file was imported: by a mistake in that file."""
    return any(f.filename.startswith("<frozen importlib") for f in traceback.extract_tb(error.__traceback__))


def place_of(error: BaseException) -> str:
    """The line of the application that an error comes from."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}: "
    others = ("<", sys.prefix, sysconfig.get_path("stdlib"), str(Path(__file__).parent))
    frames = [f for f in traceback.extract_tb(error.__traceback__) if not f.filename.startswith(others)]
    return f"{frames[-1].filename}:{frames[-1].lineno}: " if frames else ""


def parser() -> argparse.ArgumentParser:
    """What may be asked."""
    made = argparse.ArgumentParser(
        prog="craton", description="Write an application once, as typed modules; run it in any structure.",
    )
    commands = made.add_subparsers(title="commands", required=True, metavar="COMMAND")

    def command(carry_out: Callable[[argparse.Namespace], None], what: str) -> argparse.ArgumentParser:
        added = commands.add_parser(carry_out.__name__, help=what, description=what)
        added.set_defaults(command=carry_out)
        return added

    add_run(command(run, "run an application on this machine, in any topology"))
    add_serve(command(serve, "run one service alone, as its environment variables (CRATON_...) say"))
    add_gateway(command(gateway, "print the configuration of an Envoy, the gateway in front of services"))
    with_application(command(inspect, "show modules, contracts, needs, tables, routes and topologies")).add_argument(
        "--json", action="store_true", help="for programs",
    )
    with_application(command(check, "find what is wrong with an application, without running it"))
    add_proto(command(proto, "show contracts as .proto files for gRPC, or write them and lock their numbers"))
    add_diff(command(diff, "show what changes when an application moves from one topology to another"))
    add_migrate(command(migrate, "bring databases to what the modules need, or write a new revision"))
    add_new(command(new, "write a small application to start from"))
    add_crashtest(command(crashtest, "run an application, strike it at every failpoint, and audit what is left"))
    add_operations(
        command(sagas, "show the sagas that have not ended; retry those that are parked"),
        "show", "retry", state=f"of those to list: {', '.join(STATES)} (all that have not ended)",
    )
    add_letters(command(letters, "show the events that handlers could not apply; retry or discard them"))
    add_operations(command(projections, "show how far read models are; build one anew while it is used"), "rebuild")
    with_services(command(lag, "show how many events have not arrived yet, and how old they are"))
    add_certs(command(certs, "make certificates for services on several machines, or renew those that expire soon"))
    command(version, "show the version of Craton")
    return made


def with_application(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """A command on one application."""
    parser.add_argument("application", help="the package that holds it, such as apps.store")
    return parser


def with_database(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """A command on the data of one installation."""
    parser.add_argument("--topology", default="monolith", help="how the modules are grouped (monolith)")
    parser.add_argument("--data", type=Path, metavar="DIR", help="the folder of the data (.craton/APPLICATION)")
    parser.add_argument("--database", metavar="URL", help="postgresql://... (SQLite files in the data folder)")
    return parser


def with_services(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """A command on running services: found by the data folder of `craton run`, or by CRATON_PEERS and CRATON_SECRET."""
    with_application(parser)
    parser.add_argument("--topology", help="the one that runs (as the data folder, or CRATON_TOPOLOGY, says)")
    parser.add_argument("--data", type=Path, metavar="DIR", help="the folder of the data (.craton/APPLICATION)")
    parser.add_argument("--json", action="store_true", help="for programs")
    return parser


def add_operations(
    parser: argparse.ArgumentParser, *on_one: str, state: str = ""
) -> argparse.ArgumentParser:
    """`craton sagas list apps.store`, or `craton sagas retry apps.store saga-...`; `state` is the help for --state."""
    verbs = parser.add_subparsers(dest="what", required=True, metavar="|".join(["list", *on_one]))
    listing = with_services(verbs.add_parser("list"))
    if state:
        listing.add_argument("--state", default="", choices=STATES, metavar="STATE", help=state)
    for verb in on_one:
        with_services(verbs.add_parser(verb)).add_argument("id", help=f"of the one to {verb}, as the list shows it")
    return listing


def add_letters(parser: argparse.ArgumentParser) -> None:
    """`craton letters list apps.store --status parked`."""
    listing = add_operations(parser, "show", "retry", "discard")
    listing.add_argument(
        "--status", default="", dest="state", choices=STATUSES, metavar="STATUS",
        help=f"of those to list: {', '.join(STATUSES)} (all)",
    )
    listing.add_argument("--limit", type=int, default=100, metavar="N", help="list so many, the oldest first (100)")


def add_run(parser: argparse.ArgumentParser) -> None:
    """`craton run apps.store --topology microservices`."""
    with_database(with_application(parser))
    parser.add_argument("--port", type=port, default=8000, help="of the API (8000)")
    parser.add_argument("--broker", metavar="URL", help="amqp://...: events between services go over RabbitMQ")
    parser.add_argument("--record", type=Path, metavar="FILE", help="add what modules ask each other, for craton diff")
    parser.add_argument(
        "--gateway", choices=("craton", "envoy"), default="craton", help="what stands in front of services (craton)",
    )
    parser.add_argument("--grpc", type=port, metavar="PORT", help="answer clients by gRPC, too, at this port")
    parser.add_argument("--tls", type=Path, metavar="DIR", help="HTTPS, and TLS for gRPC: what `craton certs DIR` made")


def port(text: str) -> int:
    """A port; 0 lets the system choose."""
    if not (text.isdecimal() and int(text) < 1 << 16):
        raise argparse.ArgumentTypeError(f"{text!r} is no port: give a number below 65536")
    return int(text)


def add_serve(parser: argparse.ArgumentParser) -> None:
    """`craton serve apps.store --service orders`."""
    with_application(parser).add_argument("--service", help="the service of the topology (CRATON_SERVICE)")


def add_gateway(parser: argparse.ArgumentParser) -> None:
    """`craton gateway apps.store --topology microservices > envoy.yaml`."""
    with_application(parser).add_argument("--topology", help="how the modules are grouped (CRATON_TOPOLOGY)")
    parser.add_argument("--write", type=Path, metavar="DIR", help="write files instead; an Envoy takes up what changes")


def add_migrate(parser: argparse.ArgumentParser) -> None:
    """`craton migrate apps.store`, or with `--revise "why" --module orders`."""
    with_database(with_application(parser))
    parser.add_argument("--service", help="only this one, in the database at --database or CRATON_DATABASE")
    parser.add_argument("--revise", metavar="MESSAGE", help="write a revision: what changed in the tables of --module")
    parser.add_argument("--module", help="the module to write a revision for")


def add_proto(parser: argparse.ArgumentParser) -> None:
    """`craton proto apps.store --module catalog`."""
    with_application(parser).add_argument("--module", help="only this one")
    parser.add_argument("--to", type=Path, metavar="DIR", help="write the files there, and the numbers to proto.lock")
    parser.add_argument("--check", action="store_true", help="only say whether proto.lock knows every field")


def add_diff(parser: argparse.ArgumentParser) -> None:
    """`craton diff apps.store monolith microservices`."""
    with_application(parser).add_argument("before", help="the topology that it runs in")
    parser.add_argument("after", help="the topology that it is to run in")
    parser.add_argument("--recorded", metavar="FILE", help="traffic that `craton run --record FILE` observed")
    parser.add_argument("--json", action="store_true", help="for programs")


def add_new(parser: argparse.ArgumentParser) -> None:
    """`craton new shop`."""
    parser.add_argument("name", help="of the package to write: lower-case letters, digits and underscores")


def add_crashtest(parser: argparse.ArgumentParser) -> None:
    """`craton crashtest apps.store --sample 60`."""
    with_application(parser).add_argument("--topology", action="append", help="one structure; may be repeated (all)")
    parser.add_argument("--database", metavar="URL", help="postgresql://.../name: on PostgreSQL, too, in new databases")
    parser.add_argument("--broker", metavar="URL", help="amqp://...: events go over RabbitMQ")
    parser.add_argument("--kinds", default="kill,disconnect,pause", help="what happens there (kill,disconnect,pause)")
    parser.add_argument("--sample", type=int, metavar="N", help="so many trials, by chance, instead of all")
    parser.add_argument("--seed", type=int, default=1, help="of what is left to chance (1)")
    parser.add_argument("--json", action="store_true", help="for programs")


def add_certs(parser: argparse.ArgumentParser) -> None:
    """`craton certs tls --services orders,payments,gateway`."""
    parser.add_argument("folder", type=Path, help="where they are, or are to be: its ca.key signs all, so keep it safe")
    parser.add_argument(
        "--services", required=True, metavar="A,B", help="of the topology; `gateway`, and `operator` for craton sagas",
    )
    parser.add_argument("--hosts", default="", metavar="A,B", help="further names and addresses in every certificate")


def run(asked: argparse.Namespace) -> None:
    """Run an application until Ctrl-C."""
    from craton.run.supervisor import Options, run

    run(Options(
        package=asked.application, topology=asked.topology, port=asked.port, data=asked.data, database=asked.database,
        broker=asked.broker, record=asked.record, gateway=asked.gateway, grpc=asked.grpc,
        tls=asked.tls,
    ))


def serve(asked: argparse.Namespace) -> None:
    """Run one service until SIGTERM."""
    gc.disable()  # until it is ready: what is loaded meanwhile is no garbage
    from craton.run.environment import Environment
    from craton.run.serve import run

    environ = {**os.environ, **({"CRATON_SERVICE": asked.service} if asked.service else {})}
    try:
        environment = Environment.parse(environ)
        observer = recorder(environment.record) if environment.record else None
        run(asked.application, environment, environ, observer=observer)
    finally:
        gc.enable()  # where it could not be started from a program that goes on


def gateway(asked: argparse.Namespace) -> None:
    """Print an Envoy's configuration; the services' addresses come from the environment."""
    import msgspec

    from craton.run.gateway.process import envoy_in, put

    told = {"CRATON_TOPOLOGY": asked.topology} if asked.topology else {}
    envoy = envoy_in(asked.application, {**os.environ, **told})
    if asked.write:
        print("\n".join(f"wrote {file}" for file in put(envoy, asked.write)) or "nothing has changed")
    else:
        print(msgspec.json.format(msgspec.json.encode(envoy.static())).decode())


def recorder(file: str) -> Observer:
    """What records the calls between modules, for `craton diff`."""
    from craton.lab.diff.recording import Recorder

    return Recorder(file)


def inspect(asked: argparse.Namespace) -> None:
    """Print what an application is made of."""
    import msgspec

    from craton.describe import describe, text

    description = describe(*loaded(asked.application))
    print(msgspec.json.format(msgspec.json.encode(description)).decode() if asked.json else text(description))


def check(asked: argparse.Namespace) -> None:
    """Say that nothing is wrong; what is wrong is raised."""
    from craton.application import implementations, tables
    from craton.edge.operation import operations
    from craton.run.databases import check_migrations

    application, topologies = loaded(asked.application)
    names = [module.name for module in application.modules]
    implementations(application, names)
    tables(application, names)
    operations(application)
    check_numbers(asked.application)
    asyncio.run(check_migrations(application))
    print(f"{application.name}: {len(names)} modules in {len(topologies)} topologies, and nothing is wrong")


def proto(asked: argparse.Namespace) -> None:
    """Print .proto files, or write them."""
    from craton.application import find_application
    from craton.calls.links.grpc.numbers import LOCK
    from craton.export.proto import check, described, lock, text, write
    from craton.run.linking import schema_of
    from craton.topology import topology_file

    application = find_application(asked.application)
    schema = described(schema_of(application))
    every = [name for name, module in schema.modules.items() if module.rpcs]
    modules = [application.module(asked.module).name] if asked.module else every
    if asked.check:
        check(schema.numbers)
        print(f"{LOCK} knows every field")
    elif asked.to is None:
        print("\n".join(text(schema.module(name)) for name in modules), end="")
    else:
        written = [str(file) for file in write(schema, modules, asked.to)]
        file = topology_file(asked.application).with_name(LOCK)
        file.write_text(lock(schema.numbers))
        print("\n".join([*written, f"{file}: commit it"]))


def check_numbers(package: str) -> None:
    """Refuse what the lock of field numbers does not allow, where there is one."""
    from craton.topology import topology_file

    if topology_file(package).with_name("proto.lock").exists():
        from craton.application import find_application
        from craton.export.proto import check, described
        from craton.run.linking import schema_of

        check(described(schema_of(find_application(package))).numbers)


def diff(asked: argparse.Namespace) -> None:
    """Print what changes between two topologies."""
    import msgspec

    from craton.lab.diff.difference import difference
    from craton.lab.diff.recording import traffic
    from craton.lab.diff.text import text
    from craton.run.loading import load_application

    application, old = load_application(asked.application, asked.before)
    _, new = load_application(asked.application, asked.after)
    found = difference(application, old, new, traffic=traffic(asked.recorded) if asked.recorded else {})
    print(msgspec.json.format(msgspec.json.encode(found)).decode() if asked.json else text(found))


def loaded(package: str) -> tuple[Application, dict[str, Topology]]:
    """An application and its topologies, checked."""
    from craton.application import find_application
    from craton.topology import load_topologies, topology_file

    application = find_application(package)
    return application, load_topologies(application, topology_file(package))


def migrate(asked: argparse.Namespace) -> None:
    """Apply migrations, or write one."""
    from craton.run.databases import databases_of, engine_of, migrate_all
    from craton.run.folder import Folder, Installation
    from craton.run.loading import load_application

    if asked.revise or asked.module:
        revise(asked)
        return
    application, topology = load_application(asked.application, asked.topology)
    if asked.service:
        applied = asyncio.run(migrate_all(application, topology, {asked.service: one_database(asked)}))
    else:
        with Folder.of(asked.application, asked.data) as folder:
            folder.belongs_to(Installation.of(application.name, topology, engine_of(asked.database)))
            databases = databases_of(topology, base=asked.database, folder=folder.path)
            applied = asyncio.run(migrate_all(application, topology, databases))
    print("\n".join(applied) or "nothing to apply")


def one_database(asked: argparse.Namespace) -> str:
    """The database of the one service that is to be migrated."""
    found: str | None = asked.database or os.environ.get("CRATON_DATABASE")
    if found is None:
        raise SettingsError("--service needs to know its database: give --database, or set CRATON_DATABASE.")
    return found


def revise(asked: argparse.Namespace) -> None:
    """Write a revision for one module."""
    from craton.data.migrations import revise

    if not (asked.revise and asked.module):
        raise SettingsError('--revise "what changed" and --module NAME belong together: give both.')
    application, _ = loaded(asked.application)
    written = asyncio.run(revise(application.module(asked.module), asked.revise))
    print(f"wrote {written}: read it before you apply it" if written else f"{asked.module}: nothing changed")


def sagas(asked: argparse.Namespace) -> None:
    """Show sagas, or put a parked one back on its way."""
    operate(asked, f"{asked.what} sagas", state=getattr(asked, "state", ""))


def letters(asked: argparse.Namespace) -> None:
    """Show letters, try one again, or discard one."""
    operate(asked, f"{asked.what} letters", state=getattr(asked, "state", ""), limit=getattr(asked, "limit", 100))


def projections(asked: argparse.Namespace) -> None:
    """Show read models, or have one built anew."""
    operate(asked, f"{asked.what} projections")


def lag(asked: argparse.Namespace) -> None:
    """Show how far events are behind."""
    operate(asked, "lag")


def operate(asked: argparse.Namespace, what: str, *, state: str = "", limit: int = 100) -> None:
    """Ask the running services."""
    from craton.run.desk import Question, answer

    question = Question(
        what=what, package=asked.application, id=getattr(asked, "id", ""), state=state, limit=limit,
        topology=asked.topology, data=asked.data, json=asked.json,
    )
    found, away = asyncio.run(answer(question))
    print(found)
    for module, why in away.items():
        print(f"craton: {module} does not answer: {why}", file=sys.stderr)


def new(asked: argparse.Namespace) -> None:
    """Write a small application."""
    from craton.run.template import write

    print(write(asked.name, Path.cwd()))


def crashtest(asked: argparse.Namespace) -> None:
    """Try all that may befall an application, and print what came of it; exits with 1 where something went wrong."""
    import msgspec

    from craton.lab.crashtest import run_all
    from craton.lab.crashtest_report import as_data, line, matrix, summary
    from craton.lab.crashtest_setting import settings

    wanted = settings(
        asked.application, topologies=asked.topology, database=asked.database, broker=asked.broker,
        kinds=asked.kinds.split(","), sample=asked.sample, seed=asked.seed,
    )
    told = (lambda result: None) if asked.json else lambda result: print(line(result), flush=True)
    tried = [(setting, asyncio.run(run_all(setting, told))) for setting in wanted]
    if asked.json:
        print(msgspec.json.encode([as_data(setting, results) for setting, results in tried]).decode())
    else:
        print("\n\n".join(f"{summary(setting, results)}\n{matrix(setting, results)}" for setting, results in tried))
    if any(result.verdict == "failed" for _, results in tried for result in results):
        sys.exit(1)


def certs(asked: argparse.Namespace) -> None:
    """Make certificates."""
    try:
        from craton.run.certs import certs
    except ModuleNotFoundError as error:
        raise SettingsError(f"certificates need what is not installed ({error}): pip install 'craton[tls]'.") from error

    services, hosts = ([one for one in text.split(",") if one] for text in (asked.services, asked.hosts))
    print("\n".join(certs(asked.folder, services, hosts=hosts)) or "nothing to renew")


def version(asked: argparse.Namespace) -> None:
    """Print the version."""
    from importlib.metadata import version

    print(version("craton"))
