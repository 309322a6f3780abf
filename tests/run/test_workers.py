"""What workers are told by their environment, and what `craton run` starts for a pool."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from craton.application import Application
from craton.calls.links.rpc.address import Address
from craton.errors import CratonError, SettingsError
from craton.run.child import NOWHERE
from craton.run.folder import Folder
from craton.run.loading import load_application
from craton.run.plan import Plan
from craton.run.worker import Choice, completed
from craton.run.workers import WorkerEnvironment
from craton.tasks.door import token_of
from craton.topology import Setup, Topology

PACKAGE = "tests.tasks.mill"
TOLD = WorkerEnvironment(
    application="mill", controllers={"mill": ("http://127.0.0.1:7001", "http://127.0.0.1:7002"), "bakery": ("http://b:1",)},
    token="t0ken", queues=("stones", "ovens"), slots=3, worker="stones-1", broker="amqp://b", worker_grace=2.5,
)


def test_a_worker_reads_what_the_supervisor_wrote() -> None:
    assert WorkerEnvironment.parse(TOLD.variables()) == TOLD
    assert TOLD.variables()["CRATON_CONTROLLERS"] == (
        "mill=http://127.0.0.1:7001|http://127.0.0.1:7002,bakery=http://b:1"
    )


def test_neither_the_token_nor_the_broker_is_shown() -> None:
    assert "t0ken" not in repr(TOLD) and "amqp" not in repr(TOLD)


@pytest.mark.parametrize(("name", "text", "why"), [
    ("CRATON_CONTROLLERS", "mill", "'mill' is no controller: write module=http://host:port, with commas between."),
    ("CRATON_CONTROLLERS", "mill=tcp:h:1", "'tcp:h:1' is no address of a controller: write http://host:port."),
    ("CRATON_SLOTS", "0", "CRATON_SLOTS: '0' is no number of slots: write one of at least 1."),
    ("CRATON_SLOTS", "two", "CRATON_SLOTS: 'two' is no number of slots: write one of at least 1."),
    ("CRATON_WORKER_GRACE", "soon", "CRATON_WORKER_GRACE: 'soon' is no time: write seconds, such as 10."),
    ("CRATON_WORKER", "a worker", "CRATON_WORKER: 'a worker' names no worker: write letters, digits and _.:-, 80 at"),
    ("CRATON_BROKER", "kafka://b", "CRATON_BROKER: write amqp://user:password@host:5672/virtual-host for a broker, am"),
    ("CRATON_WORKER_TOKEN", "", "CRATON_WORKER_TOKEN is missing: set it to what belongs to the services' secret"),
    ("CRATON_QUEUES", "", "CRATON_QUEUES is missing: set it to the queues to serve, with commas between."),
])
def test_what_is_missing_or_wrong_is_said(name: str, text: str, why: str) -> None:
    with pytest.raises(SettingsError) as caught:
        WorkerEnvironment.parse(TOLD.variables() | {name: text})
    assert why in str(caught.value)


# ---------------------------------------------------------------------- what is started


def plan(folder: Path, topology: str, *, broker: str | None = None) -> Plan:
    """What `craton run` would do for the mill."""
    application, found = load_application(PACKAGE, topology)
    return plan_of(application, found, folder, broker)


def plan_of(application: Application, topology: Topology, folder: Path, broker: str | None) -> Plan:
    """A plan with data in a folder."""
    (folder / "data").mkdir(exist_ok=True)
    return Plan(
        package=PACKAGE, application=application, topology=topology, companions=(), setup=Setup(),
        folder=Folder(folder / "data"), sockets=folder, database=None, port=8000, broker=broker,
        given={"CRATON_MILL_WEIGHT": "9", "PAGES": "{url}/pages", "SHARED": "{data}/shared"},
    )


def test_each_worker_is_told_where_all_controllers_answer_and_no_secret(tmp_path: Path) -> None:
    made = plan(tmp_path, "microservices", broker="sqs://eu-central-1")
    _, services, (gateway, worker) = made.stages()
    doors = {service.name: service.environ["CRATON_JOBS"] for service in services}
    told = WorkerEnvironment.parse(worker.environ)
    assert gateway.name == "gateway" and "CRATON_JOBS" not in gateway.environ
    assert told.controllers == {name: (f"http://{place}",) for name, place in doors.items()}
    assert (told.token, told.broker) == (token_of(made.folder.secret()), "sqs://eu-central-1")
    assert (told.queues, told.slots, told.application) == (("stones",), 2, "mill")
    assert not {"CRATON_SECRET", "CRATON_DATABASE"} & worker.environ.keys()
    assert worker.command == [
        sys.executable, "-m", "craton", "worker", PACKAGE, "--pool", "stones", "--topology", "microservices",
    ]
    assert worker.answers_at == Address(path=f"{tmp_path}/stones.1.worker")


def test_services_and_workers_have_the_settings_of_the_file_and_the_same_blobs(tmp_path: Path) -> None:
    _, services, workers = plan(tmp_path, "pooled").stages()
    assert [worker.name for worker in workers] == ["stones.1", "stones.2"]
    for program in (*services, *workers):
        assert program.environ["CRATON_MILL_WEIGHT"] == "9"
        assert program.environ["PAGES"] == "http://127.0.0.1:8000/pages"
        assert program.environ["SHARED"] == f"{tmp_path}/data/shared"
        assert program.environ["CRATON_BLOBS"] == f"file://{tmp_path}/data/blobs"


def test_a_pool_with_a_command_is_that_command_and_ready_when_it_lives(tmp_path: Path) -> None:
    made = plan(tmp_path, "foreign")
    _, _, (worker,) = made.stages()
    here = Path(__file__).parents[1] / "tasks" / "mill"
    assert worker.command == ["node", f"{here}/worker.js", "--cache", f"{tmp_path}/data/other"]
    assert worker.answers_at == NOWHERE
    assert WorkerEnvironment.parse(worker.environ).queues == ("stones",)


# ---------------------------------------------------------------------- by hand


def test_a_worker_by_hand_finds_the_rest_beside_the_services_that_run(tmp_path: Path) -> None:
    made = plan(tmp_path, "pooled")
    with made.folder.tell(made.whereabouts()):
        found = completed(Choice(package=PACKAGE, pool="stones", data=tmp_path / "data"), {"CRATON_SLOTS": "5"})
    told = WorkerEnvironment.parse(found)
    assert told.controllers == made.controllers
    assert (told.token, told.queues, told.slots) == (token_of(made.folder.secret()), ("stones",), 5)
    assert (found["CRATON_MILL_WEIGHT"], found["CRATON_BLOBS"]) == ("9", f"file://{tmp_path}/data/blobs")


def test_a_worker_elsewhere_makes_its_token_of_the_secret(tmp_path: Path) -> None:
    secret = "a secret of at least thirty-two letters"
    environ = {"CRATON_CONTROLLERS": "mill=http://h:1", "CRATON_SECRET": secret}
    found = completed(Choice(package=PACKAGE, pool="stones"), environ)
    assert WorkerEnvironment.parse(found).token == token_of(secret.encode())


@pytest.mark.parametrize(("pool", "topology", "why"), [
    ("stones", "microservices", "is of topology pooled, not microservices"),
    ("ovens", None, "topology pooled has no pool ovens: it has stones"),
])
def test_a_worker_of_what_does_not_run_is_refused(tmp_path: Path, pool: str, topology: str | None, why: str) -> None:
    made = plan(tmp_path, "pooled")
    with made.folder.tell(made.whereabouts()), pytest.raises(CratonError, match=why):
        completed(Choice(package=PACKAGE, data=tmp_path / "data", pool=pool, topology=topology), {})


def test_a_worker_beside_nothing_is_told_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"nothing runs on the data in .*set CRATON_CONTROLLERS and CRATON"):
        completed(Choice(package=PACKAGE, data=tmp_path / "data", pool="stones"), {})


def test_a_pool_in_another_language_is_not_run_by_craton_worker(tmp_path: Path) -> None:
    made = plan(tmp_path, "foreign")
    with made.folder.tell(made.whereabouts()), pytest.raises(SettingsError, match="run its command yourself"):
        completed(Choice(package=PACKAGE, data=tmp_path / "data", pool="other"), {})
