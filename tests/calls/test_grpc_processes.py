"""gRPC between real processes, and for clients outside in front of them: also one written in JavaScript."""

from __future__ import annotations

import asyncio
import json
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from craton import CallError, NotRun, OutcomeUnknown
from craton.contract import methods_of
from craton.edge.authentication import Tokens
from craton.export.proto import write
from craton.run.linking import schema_of
from craton.testing.processes import Processes, start_processes
from craton.testing.start import calling, user
from tests.calls.gallery.application import gallery
from tests.calls.gallery.contract import Paintings, Taken, Visitors

NODE = Path(__file__).parents[1] / "node"
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def processes() -> AsyncIterator[Processes]:
    """The gallery as two services and a gateway, all of whose links are gRPC."""
    async with start_processes("tests.calls.gallery", topology="apart", grpc=0) as found:
        yield found


async def eventually(true: Callable[[], Awaitable[bool]]) -> None:
    """Return as soon as it is true."""
    async with asyncio.timeout(60):
        while not await true():  # noqa: ASYNC110  # what is waited for happens in other processes
            await asyncio.sleep(0.05)


async def test_services_ask_each_other_by_grpc(processes: Processes) -> None:
    visitors = processes.get(Visitors)
    with calling():
        assert await visitors.look("Sea") == ("Sea",)
        assert await visitors.total(5) == 10
        with pytest.raises(Taken):
            await visitors.total(5, broken_at=3)


async def test_events_travel_by_the_link_of_their_modules(processes: Processes) -> None:
    with calling(caller=user("ann"), key="once"):
        await processes.get(Paintings).buy("Sunflowers")

    async def heard() -> bool:
        with calling():
            return "Sunflowers" in await processes.get(Visitors).heard()

    await eventually(heard)


async def test_a_service_that_dies_leaves_its_callers_in_doubt_and_is_asked_again_when_it_is_back(
    processes: Processes,
) -> None:
    wait = processes.door.remote("paintings.wait", methods_of(Paintings)["wait"])
    with calling():
        call = asyncio.create_task(wait.ask(wait.method.arguments()))
    with calling():
        await processes.get(Paintings).seen("over the same connection, so the other request has come before")
    assert processes.kill("paintings")
    with pytest.raises(OutcomeUnknown):
        await call
    with calling(timeout=1), pytest.raises((NotRun, OutcomeUnknown)):  # it is down, or it waits again
        await wait.ask(wait.method.arguments())

    async def back() -> bool:
        try:
            with calling(timeout=5):
                return await processes.get(Visitors).look("Land") == ("Land",)
        except CallError:
            return False

    await eventually(back)


async def test_a_client_in_javascript_needs_nothing_but_the_proto_file(processes: Processes, tmp_path: Path) -> None:
    list(write(schema_of(gallery), ["paintings"], tmp_path))
    token = Tokens(processes.plan.folder.secret(), "gallery").issue(user("ann"), lifetime=timedelta(minutes=5))
    node = await asyncio.create_subprocess_exec(
        "node", NODE / "gallery.mjs", f"127.0.0.1:{processes.plan.grpc}", tmp_path, token, stdout=PIPE,
    )
    printed, _ = await node.communicate()
    told = json.loads(printed)
    assert [price["amount"] for price in told["page"]["answer"]["items"]] == ["0", "1"]
    assert len(told["everything"]["answer"]["items"]) == 3
    echo = told["echo"]["answer"]
    assert (echo["price"]["amount"], echo["price"]["currency"]) == ("12.50", "CURRENCY_EUR")
    assert (echo["hung"]["seconds"], echo["mount"]["glass"]["thickness"]) == (1795000000, 2.5)
    assert (echo["style"], echo["kept_in"], echo["tags"]) == ("STYLE_INK", "KEPT_IN_CELLAR_2", ["old"])
    assert told["me"]["answer"]["result"].startswith("user:ann ['user']")
    assert (told["nobody"]["code"], told["keyless"]["code"]) == ("UNAUTHENTICATED", "INVALID_ARGUMENT")
    assert told["bought"] == told["again"] and "answer" in told["bought"]
    assert told["taken"] == {"code": "FAILED_PRECONDITION", "details": "Taken: painting sold, buyer Ann"}
    assert told["late"]["code"] == "DEADLINE_EXCEEDED"
    assert told["stream"] == ["0", "1", "2"]
