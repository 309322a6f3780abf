"""`craton doctor`: what it says of databases and brokers, and when something is wrong."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from pathlib import Path

import aiormq
import pytest
from yarl import URL

from craton.cli import main
from craton.data.migrations import migrate
from craton.messages.brokers.rabbitmq_server import server_of
from craton.run.doctor import examine, pools, redrive, text
from craton.run.doctors.finding import Finding
from craton.run.doctors.rabbitmq import about
from craton.tasks.doorbell import doorbell_at
from craton.tasks.doorbells.sqs import SQS
from craton.topology import Topology
from tests.rabbitmq import Server
from tests.sqs import Server as SQSServer
from tests.tasks.conformance.doorbells import event
from tests.tasks.conformance.queues import TOPOLOGY, eventually
from tests.tasks.conformance.yard import yard

NAMES = ("yard.jobs.yard", "yard.jobs.pit", "yard.dead.jobs", "yard.dead")


async def found(folder: Path, *, database: str | None = None, broker: str | None = None) -> dict[str, Finding]:
    """What is found of the yard, by what it is about."""
    findings = await examine(yard, TOPOLOGY, folder=folder, database=database, broker=broker)
    return {finding.what: finding for finding in findings}


def wrong(findings: dict[str, Finding]) -> set[str]:
    """What is wrong."""
    return {what for what, finding in findings.items() if finding.wrong}


@pytest.fixture
async def channel(rabbitmq: Server) -> AsyncIterator[aiormq.abc.AbstractChannel]:
    """The server, with nothing left of earlier tests."""
    connection = await aiormq.connect(rabbitmq.url)
    channel = await connection.channel()
    for name in NAMES:
        await channel.queue_delete(name)
    yield channel
    await connection.close()


async def test_a_new_installation_without_a_broker_needs_nothing(tmp_path: Path) -> None:
    findings = await found(tmp_path)
    assert not wrong(findings)
    assert "not there yet" in findings["file"].found and findings["engine"].found.startswith("SQLite 3.")
    assert "workers ask the controllers" in findings["none"].why
    assert findings["queue yard"].found == "6 slots of carts, barrows" and findings["queue pit"].found.startswith("2 ")
    assert os.listdir(tmp_path) == []


async def test_a_database_is_looked_at_and_not_changed(tmp_path: Path) -> None:
    file = tmp_path / "all.db"
    await migrate(f"sqlite:///{file}", [yard.module("yard")])
    before = file.read_bytes()
    findings = await found(tmp_path)
    assert "journal wal" in findings["durability"].found and findings["migrations"].found == "all are applied"
    assert file.read_bytes() == before


async def test_a_file_that_is_no_database_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "all.db").write_text("no database at all, however long it may be" * 100)
    assert wrong(await found(tmp_path)) == {"file"}


async def test_a_server_that_loses_what_it_answered_is_wrong(postgresql: str, tmp_path: Path) -> None:
    await migrate(f"{postgresql}/doctored", [yard.module("yard")])
    findings = await found(tmp_path, database=f"{postgresql}/doctored")
    assert findings["engine"].found.startswith("PostgreSQL 1")
    assert wrong(findings) == {"durability"} and "fsync off" in findings["durability"].found  # as tests run it


async def test_a_database_that_does_not_answer_is_wrong(tmp_path: Path) -> None:
    findings = await found(tmp_path, database="postgresql://nobody:secret@127.0.0.1:1/none")
    assert wrong(findings) == {"engine"} and "secret" not in str(findings)


async def test_queues_of_rabbitmq_are_looked_at_and_not_made(
    rabbitmq: Server, channel: aiormq.abc.AbstractChannel, tmp_path: Path
) -> None:
    findings = await found(tmp_path, broker=rabbitmq.url)
    assert not wrong(findings) and findings["RabbitMQ"].found.startswith("3.10")
    assert findings["queue yard.jobs.yard"].found == "not there yet"
    with pytest.raises(aiormq.exceptions.ChannelNotFoundEntity):
        await channel.queue_declare("yard.jobs.yard", passive=True)


async def test_dead_letters_are_wrong_until_they_are_redriven(
    rabbitmq: Server, channel: aiormq.abc.AbstractChannel, tmp_path: Path
) -> None:
    async with doorbell_at(rabbitmq.url, application="yard") as bell:
        await bell.ring("yard", [event(1, queue="yard")])
        await (await anext(bell.listen(["yard"], 1))).bury()

    async def is_wrong() -> bool:
        return wrong(await found(tmp_path, broker=rabbitmq.url)) == {"queue yard.dead.jobs"}

    async def rings_again() -> bool:
        findings = await found(tmp_path, broker=rabbitmq.url)
        return not wrong(findings) and findings["queue yard.jobs.yard"].found.startswith("1 waiting")

    await eventually(is_wrong)
    findings = await found(tmp_path, broker=rabbitmq.url)
    assert "craton doctor ... --redrive" in findings["queue yard.dead.jobs"].why
    assert await redrive(yard, rabbitmq.url) == "1 dead letters ring again"
    await eventually(rings_again)


async def test_a_queue_that_was_made_in_another_way_is_wrong(
    rabbitmq: Server, channel: aiormq.abc.AbstractChannel, tmp_path: Path
) -> None:
    await channel.queue_declare("yard.jobs.yard", durable=True)
    findings = await found(tmp_path, broker=rabbitmq.url)
    assert wrong(findings) == {"queue yard.jobs.yard"} and "delete it" in findings["queue yard.jobs.yard"].why


@pytest.mark.parametrize(("version", "limit", "timeout"), [
    ("3.10.8", "goes behind all others", "for the whole server"), ("3.13.0", "goes behind", "for each queue"),
    ("4.1.0", "after 20 deliveries", "for each queue"), ("4.3.1", "after 20 failed deliveries", "cancels the consumer"),
])
def test_why_things_are_set_follows_from_the_version(version: str, limit: str, timeout: str) -> None:
    told = {one.what: one for one in about(server_of({"version": version}), URL("amqp://user:secret@rabbit:5672/"))}
    assert limit in told["delivery limit"].why and timeout in told["consumer timeout"].found
    assert ("untested" in told["RabbitMQ"].why) == version.startswith("4") and "secret" not in str(told)


@pytest.fixture
def aws(sqs: SQSServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The way to moto's server."""
    for name, value in sqs.environ.items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("aws")
async def test_queues_of_sqs_are_looked_at_and_not_made(tmp_path: Path) -> None:
    url = "sqs://eu-central-1/doctored"
    findings = await found(tmp_path, broker=url)
    assert not wrong(findings) and findings["queue doctored-yard"].found == "not there yet"
    async with SQS(url, "yard") as sqs:
        assert await sqs.find("doctored-yard") == ""
        await sqs.ring("yard", [event(1, queue="yard")])
        await sqs.bury(event(2, queue="yard").decode())
        await sqs.client.create_queue(QueueName="doctored-pit")
        findings = await found(tmp_path, broker=url)
        assert findings["queue doctored-yard"].found.startswith("1 waiting")
        assert wrong(findings) == {"queue doctored-dead", "queue doctored-pit"}
        assert "redrive policy" in findings["queue doctored-pit"].why
    assert await redrive(yard, url) == "1 dead letters ring again"


@pytest.mark.usefixtures("aws")
async def test_a_service_that_does_not_answer_is_wrong(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", "http://127.0.0.1:1")
    findings = await found(tmp_path, broker="sqs://eu-central-1/away")
    assert wrong(findings) == {"SQS at http://127.0.0.1:1"} and "AWS_ACCESS_KEY_ID" in text(list(findings.values()))


def test_a_queue_that_no_pool_serves_is_told() -> None:
    told = {one.what: one.why for one in pools(yard, Topology("bare", TOPOLOGY.services), {})}
    assert "wait for workers from elsewhere" in told["queue pit"]


def test_the_command_fails_where_something_is_wrong(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    main(["doctor", "apps.store", "--data", str(tmp_path)])
    assert "nothing to install" in capsys.readouterr().out
    with pytest.raises(SystemExit) as exit:
        main(["doctor", "apps.store", "--data", str(tmp_path), "--broker", "amqp://guest:secret@127.0.0.1:1", "--json"])
    said = capsys.readouterr()
    assert exit.value.code == 1 and "secret" not in said.out + said.err
    assert [one["what"] for one in json.loads(said.out) if one["wrong"]] == ["RabbitMQ at 127.0.0.1:1"]


def test_mistakes_are_told_in_one_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for arguments, said in (
        (["--broker", "redis://localhost"], "sqs://REGION/PREFIX"), (["--redrive"], "give --broker"),
        (["--broker", "sqs://"], "sqs://REGION/PREFIX"),
    ):
        with pytest.raises(SystemExit) as exit:
            main(["doctor", "apps.store", "--data", str(tmp_path), *arguments])
        err = capsys.readouterr().err
        assert exit.value.code == 2 and said in err and len(err.splitlines()) == 1
