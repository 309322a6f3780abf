"""What the subcommands of `craton` may be told: the arguments of each."""

from __future__ import annotations

import argparse
from pathlib import Path

STATES = ("running", "undoing", "waiting", "parked", "done", "fault", "failed")
"""Of sagas."""
JOB_STATES = ("queued", "leased", "done", "failed", "cancelled", "expired")
"""Of jobs."""
STRUCTURES = "monolith,microservices"
"""To be compared."""
STATUSES = ("retrying", "waiting", "parked", "unknown")
"""Of letters."""


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


def add_sagas(parser: argparse.ArgumentParser) -> None:
    """`craton sagas list apps.store --state parked`."""
    which = f"of those to list: {', '.join(STATES)} (all that have not ended)"
    add_operations(parser, "show", "retry", state=which)


def add_jobs(parser: argparse.ArgumentParser) -> None:
    """`craton jobs list apps.video --state failed --task transcoding.encode`, `craton jobs watch apps.video`."""
    verbs = parser.add_subparsers(dest="what", required=True, metavar="list|show|cancel|retry|watch")
    listing, watching = with_services(verbs.add_parser("list")), with_services(verbs.add_parser("watch"))
    which = f"of those to list: {', '.join(JOB_STATES)} (all)"
    listing.add_argument("--state", default="", choices=JOB_STATES, metavar="STATE", help=which)
    listing.add_argument("--limit", type=int, default=100, metavar="N", help="list so many, the newest first (100)")
    for one in (listing, watching):
        one.add_argument("--task", default="", help="only its jobs, such as transcoding.encode (of all tasks)")
    watching.add_argument("--until-idle", action="store_true", help="stop when no job is open (at Ctrl-C)")
    for verb in ("show", "cancel", "retry"):
        with_services(verbs.add_parser(verb)).add_argument("id", help=f"of the one to {verb}, as the list shows it")


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


def add_worker(parser: argparse.ArgumentParser) -> None:
    """`craton worker apps.video --pool cpu`."""
    with_application(parser).add_argument("--pool", required=True, help="of the topology: which queues, how many slots")
    parser.add_argument("--topology", help="with that pool (CRATON_TOPOLOGY, or the one that runs)")
    parser.add_argument("--data", type=Path, metavar="DIR", help="of a `craton run` to work for (.craton/APPLICATION)")


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


def add_asyncapi(parser: argparse.ArgumentParser) -> None:
    """`craton asyncapi apps.video --to docs`."""
    with_application(parser).add_argument(
        "--to", type=Path, metavar="DIR", help="write it there, and the JSON Schemas of tasks' inputs and outputs",
    )


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


def add_doctor(parser: argparse.ArgumentParser) -> None:
    """`craton doctor apps.video --broker amqp://...`."""
    with_database(with_application(parser))
    parser.add_argument("--broker", metavar="URL", help="amqp://... or sqs://REGION/PREFIX (CRATON_BROKER)")
    parser.add_argument("--redrive", action="store_true", help="ring again for jobs whose rings are dead letters")
    parser.add_argument("--json", action="store_true", help="for programs")


def add_certs(parser: argparse.ArgumentParser) -> None:
    """`craton certs tls --services orders,payments,gateway`."""
    parser.add_argument("folder", type=Path, help="where they are, or are to be: its ca.key signs all, so keep it safe")
    parser.add_argument(
        "--services", required=True, metavar="A,B", help="of the topology; `gateway`, and `operator` for craton sagas",
    )
    parser.add_argument("--hosts", default="", metavar="A,B", help="further names and addresses in every certificate")


def add_compare(parser: argparse.ArgumentParser) -> None:
    """`craton compare apps.store --topologies monolith,microservices --html report.html`."""
    with_application(parser).add_argument("--scenario", default="", help="of APPLICATION.scenarios (the only one)")
    parser.add_argument("--topologies", default=STRUCTURES, metavar="A,B", help=f"({STRUCTURES})")
    parser.add_argument(
        "--beside", type=Path, action="append", default=[], metavar="FILE", help="a program beside; may be repeated",
    )
    parser.add_argument("--phases", default="", metavar="A,B", help="of what is measured (all)")
    parser.add_argument("--quick", action="store_true", help="a look of a minute or two, not a measurement")
    parser.add_argument("--rate", type=float, default=20.0, metavar="R", help="actions a second of steady rounds (20)")
    parser.add_argument("--ramp", type=float, metavar="R", help="to which the rate rises evenly in each steady round")
    parser.add_argument("--visitors", type=int, metavar="N", help="so many in steady rounds, thinking (closed loop)")
    parser.add_argument("--rounds", type=int, metavar="N", help="so often each side is measured (5)")
    parser.add_argument("--seconds", type=float, metavar="S", help="of each round (10)")
    parser.add_argument("--objective", default="100ms", help="that 90 of 100 keep at the highest rate (100ms)")
    parser.add_argument("--gateway", choices=("craton", "envoy"), default="envoy", help="before services (envoy)")
    parser.add_argument("--tls", type=Path, metavar="DIR", help="HTTPS: what `craton certs DIR` made")
    parser.add_argument("--database", metavar="URL", help="postgresql://.../name (a server of its own for each side)")
    parser.add_argument("--seed", type=int, default=1, help="of what is left to chance (1)")
    parser.add_argument("--different", action="store_true", help="compare sides though they do not answer the same")
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write the report as one page")
