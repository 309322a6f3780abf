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

from craton.cli_arguments import (
    add_asyncapi,
    add_certs,
    add_compare,
    add_crashtest,
    add_diff,
    add_doctor,
    add_gateway,
    add_jobs,
    add_letters,
    add_migrate,
    add_new,
    add_operations,
    add_proto,
    add_run,
    add_sagas,
    add_serve,
    add_worker,
    with_application,
    with_services,
)
from craton.errors import CratonError, DeclarationError, SettingsError

if TYPE_CHECKING:
    from craton.application import Application
    from craton.run.process import Observer
    from craton.topology import Topology

WRONG = 2
"""The exit code for what was asked or declared wrongly; 1 is for what broke."""


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
    add_worker(command(worker, "run one worker of a pool, which does the jobs of tasks"))
    add_gateway(command(gateway, "print the configuration of an Envoy, the gateway in front of services"))
    with_application(command(inspect, "show modules, contracts, needs, tables, routes and topologies")).add_argument(
        "--json", action="store_true", help="for programs",
    )
    with_application(command(check, "find what is wrong with an application, without running it"))
    add_proto(command(proto, "show contracts as .proto files for gRPC, or write them and lock their numbers"))
    add_asyncapi(command(asyncapi, "show what goes over brokers and to workers, as an AsyncAPI 3 document"))
    add_diff(command(diff, "show what changes when an application moves from one topology to another"))
    add_migrate(command(migrate, "bring databases to what the modules need, or write a new revision"))
    add_new(command(new, "write a small application to start from"))
    add_crashtest(command(crashtest, "run an application, strike it at every failpoint, and audit what is left"))
    add_compare(command(compare, "measure what an application costs and stands in each structure: should it be split?"))
    add_sagas(command(sagas, "show the sagas that have not ended; retry those that are parked"))
    add_jobs(command(jobs, "show the jobs of tasks, cancel them, retry those that failed; watch them"))
    add_letters(command(letters, "show the events that handlers could not apply; retry or discard them"))
    add_operations(command(projections, "show how far read models are; build one anew while it is used"), "rebuild")
    with_services(command(lag, "show how many events have not arrived yet, and how old they are"))
    add_doctor(command(doctor, "say what was found of databases and broker, what is set there and why; what is wrong"))
    add_certs(command(certs, "make certificates for services on several machines, or renew those that expire soon"))
    command(version, "show the version of Craton")
    return made


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


def worker(asked: argparse.Namespace) -> None:
    """Run one worker until SIGTERM."""
    from craton.run.worker import Choice, run

    run(Choice(package=asked.application, pool=asked.pool, topology=asked.topology, data=asked.data))


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
    from craton.lab.recording.recorder import Recorder

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
    from craton.tasks.handlers import handlers_of

    application, topologies = loaded(asked.application)
    names = [module.name for module in application.modules]
    implementations(application, names)
    tables(application, names)
    operations(application)
    handlers_of(application.modules)
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


def asyncapi(asked: argparse.Namespace) -> None:
    """Print the document, or write it."""
    import msgspec

    from craton.application import find_application

    try:
        from craton.export.asyncapi import document, write
    except ModuleNotFoundError as error:
        what = f"the document needs the brokers' clients ({error}): pip install 'craton[http,rabbitmq,sqs]'."
        raise SettingsError(what) from error

    application = find_application(asked.application)
    if asked.to is None:
        print(msgspec.json.format(msgspec.json.encode(document(application))).decode())
    else:
        print("\n".join(str(file) for file in write(application, asked.to)))


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
    from craton.lab.diff.text import text
    from craton.lab.recording.figures import traffic
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


def jobs(asked: argparse.Namespace) -> None:
    """Show jobs, cancel or retry one, or watch them."""
    if asked.what != "watch":
        state, task = getattr(asked, "state", ""), getattr(asked, "task", "")
        operate(asked, f"{asked.what} jobs", state=state, limit=getattr(asked, "limit", 100), task=task)
        return
    from craton.run.desk import Question
    from craton.run.watching import watch

    question = Question(
        what="list jobs", package=asked.application, topology=asked.topology, data=asked.data, task=asked.task,
    )
    asyncio.run(watch(question, until_idle=asked.until_idle))


def letters(asked: argparse.Namespace) -> None:
    """Show letters, try one again, or discard one."""
    operate(asked, f"{asked.what} letters", state=getattr(asked, "state", ""), limit=getattr(asked, "limit", 100))


def projections(asked: argparse.Namespace) -> None:
    """Show read models, or have one built anew."""
    operate(asked, f"{asked.what} projections")


def lag(asked: argparse.Namespace) -> None:
    """Show how far events are behind."""
    operate(asked, "lag")


def operate(asked: argparse.Namespace, what: str, *, state: str = "", limit: int = 100, task: str = "") -> None:
    """Ask the running services."""
    from craton.run.desk import Question, answer

    question = Question(
        what=what, package=asked.application, id=getattr(asked, "id", ""), state=state, limit=limit, task=task,
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


def compare(asked: argparse.Namespace) -> None:
    """Measure structures against each other, and print what was found."""
    try:
        from craton.lab.compare.arguments import compare
    except ModuleNotFoundError as error:
        what = f"craton compare needs what is not installed ({error}): pip install 'craton[compare]'."
        raise SettingsError(what) from error

    compare(asked)


def doctor(asked: argparse.Namespace) -> None:
    """Print what was found; exits with 1 where something is wrong."""
    import logging

    import msgspec

    from craton.run.doctor import broker_of, examine, redrive, text
    from craton.run.folder import Folder
    from craton.run.loading import load_application

    application, topology = load_application(asked.application, asked.topology)
    broker, folder = broker_of(asked.broker, os.environ), Folder.of(asked.application, asked.data).path
    logging.getLogger("aiormq").setLevel(logging.CRITICAL)  # what it cannot reach is said below
    if asked.redrive:
        return print(asyncio.run(redrive(application, broker)))
    found = asyncio.run(examine(application, topology, folder=folder, database=asked.database, broker=broker))
    print(msgspec.json.format(msgspec.json.encode(found)).decode() if asked.json else text(found))
    if any(finding.wrong for finding in found):
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
