"""A controller for tests, over HTTP: keeps jobs in memory, checks all that a worker sends, and misbehaves when told."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

from aiohttp import web

from workers.conformance.events import TYPES, canonical, requested, trouble_in_report, trouble_in_take

TOKEN = "a-token-for-workers"
PATIENCE = 20.0  # seconds that a check waits for what must come; nothing is asserted about how soon it comes
BATCH = "application/cloudevents-batch+json"
Misbehave = Callable[[web.Request, web.Response], web.StreamResponse]


class Job:
    """One job: what was asked for, who has it, and what was reported of it."""

    def __init__(self, event: dict[str, Any], changed: asyncio.Condition) -> None:
        self.event, self.changed = event, changed
        self.id: str = event["taskid"]
        self.state, self.attempt, self.fence, self.given = "queued", 0, 0, 0
        self.answer = "taken"  # to its heartbeats
        self.reports: list[dict[str, Any]] = []

    def kinds(self) -> list[str]:
        """What has been reported, in order: "heartbeat", "succeeded"..."""
        return [TYPES[report["type"]] for report in self.reports]

    def end(self) -> dict[str, Any] | None:
        """The report that ended it, if there is one."""
        return next((one for one in self.reports if TYPES[one["type"]] != "heartbeat"), None)

    async def until(self, true: Callable[[Job], object]) -> Self:
        """Return when something is true of this job; TimeoutError says what there was instead."""
        try:
            async with asyncio.timeout(PATIENCE), self.changed:
                await self.changed.wait_for(lambda: true(self))
        except TimeoutError:
            what = [canonical(one) for one in self.reports[-5:]]
            raise TimeoutError(f"{self.event['taskname']}: {self.state}, reported {what}") from None
        return self

    async def ended(self, kind: str) -> Any:
        """The data of the report that ended it, which must be of this kind."""
        await self.until(Job.end)
        end = self.end()
        assert end is not None
        assert TYPES[end["type"]] == kind, f"{self.event['taskname']} ended as {canonical(end)}, and not as {kind}"
        return end.get("data")

    def offered(self) -> dict[str, Any]:
        """The answer to who takes it: the event, with the attempt, its fence and its folder."""
        facts = {"taskattempt": self.attempt, "taskfence": self.fence}
        return self.event | facts | {"taskfolder": self.folder()}

    def folder(self) -> str:
        """Where this attempt may write."""
        return f"kit/{self.id}/{self.attempt}-{self.fence}"


class Controller:
    """Use it as `async with`; then `url` is its address. `troubles` is all that a worker did against the protocol."""

    def __init__(self) -> None:
        self.port = 0
        self.jobs: dict[str, Job] = {}
        self.troubles: list[str] = []
        self.seen: dict[str, tuple[str, str]] = {}  # id of a report: its text, and the verdict
        self.repeated: set[str] = set()
        self.misbehave: dict[str, deque[Misbehave]] = {"take": deque(), "end": deque()}
        """What is done instead of the next answers that bring jobs, and to the next reports of an end."""
        self.asked: list[dict[str, Any]] = []
        self.most_at_once = self.fences = 0
        self.changed = asyncio.Condition()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        await self.listen()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.leave()

    async def listen(self) -> None:
        """Be there; on the same port as before."""
        application = web.Application(client_max_size=16 * 2**20)
        application.router.add_post("/jobs/v1/take", self.take)
        application.router.add_post("/jobs/v1/report", self.report)
        self.runner = web.AppRunner(application, shutdown_timeout=0, handler_cancellation=True)
        await self.runner.setup()
        site = web.TCPSite(self.runner, "127.0.0.1", self.port, reuse_address=True)
        await site.start()
        self.port = self.runner.addresses[0][1]

    async def leave(self) -> None:
        """Be away: connections are cut, and further ones refused."""
        for site in list(self.runner.sites):
            await site.stop()
        assert self.runner.server
        for connection in self.runner.server.connections:
            if connection.transport:
                connection.transport.abort()
        await self.runner.cleanup()

    # ------------------------------------------------------------------ what checks do

    async def add(self, task: str, data: Mapping[str, object], **more: object) -> Job:
        """A job that may be taken."""
        job = Job(requested(task, data, **more), self.changed)
        self.jobs[job.id] = job
        await self.tell()
        return job

    async def again(self, job: Job, **more: object) -> None:
        """Put a job back, for another attempt; `more` are attributes that change."""
        job.event |= more
        job.state, job.answer = "queued", "taken"
        job.reports.clear()
        await self.tell()

    def forget(self) -> None:
        """Begin anew, as far as what has been seen is concerned."""
        self.jobs.clear()
        self.asked.clear()
        self.most_at_once = 0

    async def until(self, true: Callable[[], object]) -> None:
        """Return when something is true, which is looked at when anything changes."""
        async with asyncio.timeout(PATIENCE), self.changed:
            await self.changed.wait_for(true)

    async def tell(self) -> None:
        """Let everybody who waits look again."""
        async with self.changed:
            self.changed.notify_all()

    def weights(self) -> int:
        """The weights of what is being worked on, together."""
        return sum(job.event["taskweight"] for job in self.jobs.values() if job.state == "leased")

    # ------------------------------------------------------------------ what workers ask

    async def answer(
        self, request: web.Request, content: Any, kind: str, *, misbehave: deque[Misbehave] | None
    ) -> web.StreamResponse:
        """The answer, unless the next one of its kind is to be wrong."""
        response = web.Response(text=json.dumps(content), content_type=kind)
        wrong = misbehave.popleft() if misbehave else None
        await self.tell()
        return wrong(request, response) if wrong else response

    async def body(self, request: web.Request) -> Any:
        """The JSON of a request of somebody who knows the token."""
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            self.troubles.append(f"{request.path}: came without the token")
            raise web.HTTPUnauthorized
        try:
            return json.loads(await request.read())
        except ValueError:
            self.troubles.append(f"{request.path}: no JSON came")
            raise web.HTTPBadRequest from None

    async def take(self, request: web.Request) -> web.StreamResponse:
        """Answer with jobs, at once or when there are any."""
        body = await self.body(request)
        if trouble := trouble_in_take(body):
            self.troubles.append(trouble)
            raise web.HTTPBadRequest
        self.asked.append(body)
        given = self.give(body)
        if not given and "jobs" not in body:
            given = await self.wait(body)
        return await self.answer(request, given, BATCH, misbehave=self.misbehave["take"] if given else None)

    async def wait(self, body: Mapping[str, Any]) -> list[dict[str, Any]]:
        """What comes while a worker waits."""
        given: list[dict[str, Any]] = []
        try:
            async with asyncio.timeout(min(body.get("wait", 0), 20)), self.changed:
                while not (given := self.give(body)):
                    await self.changed.wait()
        except TimeoutError:
            pass
        return given

    def give(self, body: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Lease what a worker may have."""
        room: int = body["room"]
        given: list[dict[str, Any]] = []
        for job in list(self.jobs.values()):
            weight, alone = job.event["taskweight"], not given and not self.weights()
            wanted = job.id in body.get("jobs", [job.id]) and job.event["taskqueue"] in body["queues"]
            if wanted and job.state == "queued" and len(given) < body["most"] and (weight <= room or alone):
                room -= weight
                given.append(self.lease(job))
        return given

    def lease(self, job: Job) -> dict[str, Any]:
        """Count the attempt before it begins."""
        self.fences += 1
        job.state, job.attempt, job.fence, job.given = "leased", job.attempt + 1, self.fences, job.given + 1
        self.most_at_once = max(self.most_at_once, self.weights())
        return job.offered()

    async def report(self, request: web.Request) -> web.StreamResponse:
        """Take down what happened to jobs."""
        events = await self.body(request)
        if not request.content_type.startswith(BATCH):
            self.troubles.append(f"report: came as {request.content_type}, and not as {BATCH}")
        if not isinstance(events, list) or not events:
            self.troubles.append("report: a list of events must come, and not an empty one")
            raise web.HTTPBadRequest
        verdicts, ends = {"verdicts": self.verdicts(events)}, any(is_end(event) for event in events)
        return await self.answer(
            request, verdicts, "application/json", misbehave=self.misbehave["end"] if ends else None
        )

    def verdicts(self, events: Sequence[Any]) -> list[str]:
        """One for each event."""
        return [self.verdict(event) for event in events]

    def verdict(self, event: Any) -> str:
        """What a worker must do now; a repeated report has the verdict of the first."""
        text = canonical(event)
        if trouble := trouble_in_report(event):
            self.troubles.append(trouble)
            return "refused"
        before = self.seen.get(event["id"])
        if before is not None:
            self.repeated.add(event["id"])
            if before[0] != text:
                self.troubles.append(f"report {event['id']} changed: {before[0]} became {text}")
            return before[1]
        verdict = self.record(event)
        self.seen[event["id"]] = (text, verdict)
        return verdict

    def record(self, event: dict[str, Any]) -> str:
        """Take down a report that has not been here before."""
        job = self.jobs.get(event["taskid"])
        held = job is not None and job.state == "leased"
        if job is None or not held or (event["taskattempt"], event["taskfence"]) != (job.attempt, job.fence):
            return "refused"
        job.reports.append(event)
        if is_end(event):
            job.state = "ended"
            return "taken"
        if job.answer == "refused":
            job.state = "lost"
        return job.answer


def is_end(event: Any) -> bool:
    """Whether a report says that a job has ended."""
    return isinstance(event, dict) and TYPES.get(str(event.get("type"))) not in (None, "heartbeat")


def lose(request: web.Request, response: web.Response) -> web.StreamResponse:
    """Do it, and let nobody know: the connection breaks before the answer."""
    assert request.transport
    request.transport.abort()
    return response


def instead(body: str, status: int = 200) -> Misbehave:
    """Give another answer than the right one."""
    return lambda request, response: web.Response(text=body, status=status, content_type="application/json")
