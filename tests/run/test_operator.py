"""What operators may ask of running services, and nobody else; and the commands that ask it."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from craton import Caller, KeyReused, NotAllowed, StillRunning
from craton.calls.context import context
from craton.cli import main
from craton.run.folder import Folder
from craton.run.operator import DISCARD_LETTER, OPERATOR, REBUILD, RETRY_LETTER, RETRY_SAGA, SAGAS
from craton.sagas import asking
from craton.testing.start import calling, start, user
from tests.run.running import craton
from tests.sagas.conftest import begin, status
from tests.sagas.parcels import OUTSIDE, Dispatch, post

CONTRACT = '''
from typing import Protocol
from craton import Event, command, effect, on, saga

class Closed(Event, key="job"):
    job: str

class Work(Protocol):
    @saga(post="/jobs/{job}", allow="anyone")
    async def do(self, job: str) -> str: ...

    @effect
    async def stamp(self, job: str) -> str: ...

class Mail(Protocol):
    @on(Closed)
    @command
    async def tell(self, event: Closed) -> None: ...
'''
MODULES = '''
from pathlib import Path
from craton import Events, Saga, command
from works.contract import Closed, Mail, Work

class Worker(Work):
    def __init__(self, saga: Saga, events: Events) -> None:
        self.saga, self.events = saga, events

    async def do(self, job: str) -> str:
        stamped = await self.saga.step(self.stamp, job)
        await self.saga.step(self.close, job)
        return stamped

    async def stamp(self, job: str) -> str:
        return f"stamped {job}"

    @command
    async def close(self, job: str) -> None:
        if Path("broken").exists():
            raise RuntimeError("the stamp is dry")
        await self.events.publish(Closed(job))

class Mailer(Mail):
    async def tell(self, event: Closed) -> None:
        if Path("no-mail").exists():
            raise RuntimeError("the postman is ill")
'''
APPLICATION = '''
from craton import Application, Module
from works.contract import Mail, Work

works = Application("works", [
    Module("work", Work, "works.modules:Worker"), Module("mail", Mail, "works.modules:Mailer"),
])
'''


@pytest.fixture
def works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An application whose work can break, in the current folder."""
    (tmp_path / "works").mkdir()
    for name, text in {"__init__": "", "contract": CONTRACT, "modules": MODULES, "application": APPLICATION}.items():
        (tmp_path / "works" / f"{name}.py").write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name in [name for name in sys.modules if name.partition(".")[0] == "works"]:
        del sys.modules[name]


async def told(*arguments: str, environ: dict[str, str] | None = None) -> str:
    """What a command prints that succeeds."""
    async with craton(*arguments, environ=environ) as command:
        assert await command.ended() == 0, command.text
        return command.text


async def listed(*arguments: str) -> list[dict[str, str]]:
    """The same, for programs."""
    found: list[dict[str, str]] = json.loads(await told(*arguments, "--json"))
    return found


async def until_listed(kind: str, *, some: bool) -> list[dict[str, str]]:
    """The list of sagas or letters, once there are some, or none."""
    while bool(found := await listed(kind, "list", "works")) != some:  # noqa: ASYNC110  # they are other processes
        await asyncio.sleep(0.05)
    return found


@pytest.mark.parametrize("caller", [Caller(""), user("ann", "admin", "operator"), Caller("operator")])
@pytest.mark.parametrize("topology", ["monolith", "microservices"])
async def test_who_is_no_operator_is_refused(topology: str, caller: Caller) -> None:
    async with start(post, topology=topology) as running:
        for method, arguments in ((SAGAS, {"state": ""}), (RETRY_SAGA, {"id": "saga-1"})):
            asked = running.door.remote(f"dispatch.{method.name}", method)
            with context(caller=caller), pytest.raises(NotAllowed, match="answers operators alone"):
                await asked.ask(method.arguments(**arguments))
            with context(caller=OPERATOR):
                assert not await asked.ask(method.arguments(**arguments))


async def test_what_changes_something_is_done_once_under_its_key(monkeypatch: pytest.MonkeyPatch) -> None:
    OUTSIDE.__init__()  # type: ignore[misc]
    monkeypatch.setattr(asking, "BROKEN", 1)
    OUTSIDE.broken = True
    async with start(post, topology="microservices", link="wire") as running:  # which repeats whatever has no key
        saga = await begin(running, "seal", "b", state="parked")
        assert await running.operator.retry_saga(saga)
        assert not any(method.kind == "query" for method in (RETRY_SAGA, RETRY_LETTER, DISCARD_LETTER, REBUILD))
        await status(running, saga, "parked")
        asked = running.door.remote(f"dispatch.{RETRY_SAGA.name}", RETRY_SAGA)
        OUTSIDE.broken = False
        with context(caller=OPERATOR):
            assert not await asked.ask(RETRY_SAGA.arguments(id="saga-of-nobody"), key="once")
            with pytest.raises(KeyReused):
                await asked.ask(RETRY_SAGA.arguments(id=saga), key="once")
        assert (await status(running, saga)).state == "parked"


async def test_operators_see_what_has_not_ended_and_what_each_waits_for() -> None:
    async with start(post, topology="microservices") as running:
        with calling(key="1", timeout=0.5), pytest.raises(StillRunning) as found:
            await running.get(Dispatch).follow("a", 24)
        with calling(key="2"):
            await running.get(Dispatch).remind("b", 0)
        (line,) = await running.operator.sagas()
        assert (line.id, line.method, line.state) == (found.value.saga, "dispatch.follow", "waiting")
        assert line.awaits == "Arrived/a" and line.due is not None and line.error is None
        assert await running.operator.sagas(state="parked") == ()
        await running.close("parcels")
        assert len(await running.operator.sagas()) == 1
        assert await running.operator.saga("saga-of-nobody") is None


async def test_a_parked_saga_and_a_letter_are_found_shown_and_retried(works: Path) -> None:
    (works / "broken").touch()
    (works / "no-mail").touch()
    async with craton("run", "works", "--topology", "microservices", "--port", "0") as running:
        url = (await running.says(r"ready at (\S+)"))[1]
        async with httpx.AsyncClient(base_url=url) as client:
            asked = await client.post("/jobs/one", headers={"Idempotency-Key": "1", "Prefer": "wait=1"})
        assert asked.status_code == 202
        (line,) = await listed("sagas", "list", "works", "--state", "parked")
        shown = await told("sagas", "show", "works", line["id"])
        assert "job='one'" in shown and "RuntimeError: the stamp is dry" in shown and "work.close" in shown
        (works / "broken").unlink()
        assert await told("sagas", "retry", "works", line["id"]) == "done"
        await until_listed("sagas", some=False)
        letters = await until_listed("letters", some=True)
        assert "the postman is ill" in await told("letters", "show", "works", letters[0]["id"])
        assert await told("letters", "retry", "works", letters[0]["id"]) == "done"
        (works / "no-mail").unlink()
        await until_listed("letters", some=False)
        assert await told("lag", "works") == "nothing"
        await by_environment(works)
    async with craton("sagas", "list", "works") as command:
        assert await command.ended() == 2 and "nothing runs on the data in" in command.text


async def by_environment(works: Path) -> None:
    """The same services are found by the variables of `craton serve`, and a saga that is not there is not retried."""
    folder = Folder(works / ".craton" / "works")
    where = folder.whereabouts()
    assert where is not None
    peers = ";".join(f"{name}={','.join(addresses)}" for name, addresses in where.peers.items())
    environ = {"CRATON_PEERS": peers, "CRATON_SECRET": folder.secret().decode()}
    elsewhere = ["works", "--topology", "microservices", "--data", "nowhere"]
    assert await told("sagas", "list", *elsewhere, environ=environ) == "nothing"
    async with craton("sagas", "retry", *elsewhere, "saga-1", environ=environ) as command:
        assert await command.ended() == 1 and "no saga of this id is parked" in command.text


@pytest.mark.usefixtures("works")
def test_a_command_on_one_without_its_id_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    for command in (["sagas", "walk", "works"], ["letters", "list"], ["sagas", "retry", "works"]):
        with pytest.raises(SystemExit) as exit:
            main(command)
        assert exit.value.code == 2 and "usage: craton" in capsys.readouterr().err
