"""`craton crashtest`: an application in real processes, struck at one failpoint after the other, each time audited.

The application declares in `<package>.crashtest`: `async def scenario(scene)`, which uses the application, and notes in
`scene.history` what it was answered; and `async def invariants(scene)`, which lists what is wrong when all is quiet.
That each event was applied by all who hear of it is seen to besides.
The processes keep running between trials, so that both must get on with what earlier trials have left.
"""

from __future__ import annotations

import asyncio
import random
import secrets
import tempfile
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from craton.errors import CallError, DeclarationError
from craton.lab.crashtest_armed import CONTROL
from craton.lab.crashtest_control import Blow, Control, Place
from craton.lab.crashtest_setting import Setting, declaration
from craton.lab.records import Records
from craton.run.child import Program, Say, answers
from craton.run.folder import Folder
from craton.run.operating import Operator
from craton.run.plan import Plan
from craton.run.supervisor import Options, first_of, plan_of
from craton.testing.processes import Processes, begin, drop_line
from craton.topology import Service

LONGEST = 60.0
"""Seconds after which a trial must have come to rest."""
UNLIMITED = {"CRATON_EDGE_RATE": "0", "CRATON_EDGE_SIGN_INS": "0"}
"""All customers of a trial come from one address."""
LOOK = 0.1
"""Seconds between two looks whether all is quiet."""
Verdict = Literal["ok", "failed", "not reached"]


@dataclass
class Scene:
    """What an application's scenario and its invariants are given. `history` holds what scenarios noted, in all trials
    of one structure; `chance` is seeded for each trial.
    """

    processes: Processes
    records: Records
    history: list[Any] = field(default_factory=list)
    chance: random.Random = field(default_factory=random.Random)
    trial: int = 0

    @property
    def url(self) -> str:
        """Where the application's edge is."""
        return self.processes.url

    @property
    def operator(self) -> Operator:
        """What an operator asks the services."""
        return Operator(self.processes.door)


Scenario = Callable[[Scene], Awaitable[None]]
Invariants = Callable[[Scene], Awaitable[list[str]]]


@dataclass(frozen=True)
class Result:
    """One trial."""

    blow: Blow
    verdict: Verdict
    findings: Sequence[str]
    seconds: float


@dataclass(frozen=True)
class ArmedPlan(Plan):
    """A plan whose services ask at each failpoint. `control` is the socket where they do."""

    control: Path = Path()

    def program(self, service: Service, replica: int) -> Program:
        """One process of a service."""
        plain = super().program(service, replica)
        command = [*plain.command[:2], "craton.lab.crashtest_armed", self.package]
        return replace(plain, command=command, environ=dict(plain.environ) | UNLIMITED | {CONTROL: str(self.control)})

    @classmethod
    def of(cls, plan: Plan, control: Path) -> ArmedPlan:
        """The same plan, armed."""
        return cls(**{part.name: getattr(plan, part.name) for part in fields(plan)}, control=control)


@asynccontextmanager
async def started(setting: Setting, say: Say) -> AsyncIterator[tuple[Processes, Control]]:
    """An application's armed processes, and what strikes them."""
    options = Options(
        package=setting.package, topology=setting.topology, port=0, database=setting.database, broker=setting.broker,
    )
    try:
        async with AsyncExitStack() as stack:
            place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="craton-")))
            folder = stack.enter_context(Folder(place / "data"))
            control = stack.enter_context(Control(place / "control"))
            plan = ArmedPlan.of(plan_of(options, folder, sockets=place), control.path)
            yield await begin(plan, stack, say), control
    except BaseExceptionGroup as errors:  # of the tasks that keep the processes running: the test's own error is in it
        raise first_of(errors) from None


class Crashtest:
    """The trials of one structure, one after the other."""

    def __init__(self, setting: Setting, scene: Scene, control: Control) -> None:
        self.setting, self.scene, self.control = setting, scene, control
        declared = declaration(setting.package)
        self.scenario: Scenario = declared.scenario
        self.invariants: Invariants = declared.invariants
        self.known: set[str] = set()

    async def run(self) -> AsyncIterator[Result]:
        """First without a blow: that tells where blows can be struck."""
        findings = await self.act(None)
        if findings:
            raise DeclarationError(f"{self.setting}: wrong even when nothing befalls it: {'; '.join(findings)}")
        for blow in self.blows():
            yield await self.strike(blow)

    def blows(self) -> Sequence[Blow]:
        """One of each kind at each failpoint that was reached, in one of the services, at one of the times."""
        chance = random.Random(self.setting.seed)
        services = dict[str, list[Place]]()
        for place in sorted(self.control.seen, key=lambda p: (p.point, p.service)):
            services.setdefault(place.point, []).append(place)
        made = []
        for kind in self.setting.kinds:
            for places in services.values():
                place = chance.choice(places)
                made.append(Blow(place, chance.randint(1, self.control.seen[place]), kind))
        wanted = self.setting.sample
        return made if wanted is None or wanted >= len(made) else chance.sample(made, wanted)

    async def strike(self, blow: Blow) -> Result:
        """One trial; again, at the first time, where the scenario took another way and did not come by so often."""
        began = time.monotonic()
        findings = await self.act(blow)
        if not self.control.struck.is_set() and not findings and blow.nth > 1:
            blow = replace(blow, nth=1)
            findings = await self.act(blow)
        verdict: Verdict = "failed" if findings else "ok" if self.control.struck.is_set() else "not reached"
        return Result(blow, verdict, findings, time.monotonic() - began)

    async def act(self, blow: Blow | None) -> list[str]:
        """The scenario, with one blow at most, until all is quiet; what is wrong then and was not before."""
        self.scene.trial += 1
        self.scene.chance = random.Random(f"{self.setting.seed}/{self.scene.trial}")
        findings = []
        with self.control.armed(blow):
            try:
                async with asyncio.timeout(LONGEST):
                    await self.scenario(self.scene)
                    await self.calm()
            except TimeoutError:
                findings = ["it did not come to rest", *await self.scene.records.unrest()]
            except Exception as error:  # such as an answer that the scenario did not expect
                findings = [f"{type(error).__name__}: {error}"]
        findings += [finding for finding in await self.audit() if finding not in self.known]
        self.known.update(findings)
        return findings

    async def audit(self) -> list[str]:
        """What is wrong now, whether or not it was before."""
        try:
            records = self.scene.records
            return [*await records.letters(), *await records.unapplied(), *await self.invariants(self.scene)]
        except Exception as error:  # such as no answer at all
            return [f"the audit broke off: {type(error).__name__}: {error}"]

    async def calm(self) -> None:
        """Return when nothing goes on any more, at two looks."""
        quiet = 0
        while quiet < 2:
            await asyncio.sleep(LOOK)
            quiet = 0 if await self.restless() else quiet + 1

    async def restless(self) -> bool:
        """Whether a process is stopped or away, or something goes on."""
        places = [child.program.answers_at for child in self.scene.processes.children.values()]
        if self.control.resting or not all(await asyncio.gather(*map(answers, places))):
            return True
        if await self.scene.records.unrest() or await self.scene.records.unapplied():
            return True
        try:
            models = await self.scene.operator.projections()
        except CallError:
            return True
        return any(model.behind or model.rebuilding for model in models)


async def crashtest(setting: Setting, say: Say = drop_line) -> AsyncGenerator[Result, None]:
    """All trials of one structure. `say` is given every line of every process."""
    async with opened(setting, say) as test:
        async for result in test.run():
            yield result


@asynccontextmanager
async def opened(setting: Setting, say: Say = drop_line) -> AsyncIterator[Crashtest]:
    """One structure, running."""
    async with own_database(setting) as alone, started(alone, say) as (processes, control):
        async with Records(processes) as records:
            yield Crashtest(alone, Scene(processes, records), control)


@asynccontextmanager
async def own_database(setting: Setting) -> AsyncIterator[Setting]:
    """The same, with databases that nobody else has; they are removed at the end."""
    if setting.database is None:
        yield setting
        return
    base = f"{setting.database}_{secrets.token_hex(2)}"
    try:
        yield replace(setting, database=base)
    finally:
        await remove(urlsplit(base).path.strip("/"), server=urlsplit(base)._replace(path="/postgres").geturl())


async def remove(base: str, *, server: str) -> None:
    """Remove the databases and roles whose names begin so."""
    import asyncpg

    connection = await asyncpg.connect(server)
    try:
        for kind, listed in (("DATABASE", "SELECT datname FROM pg_database"), ("ROLE", "SELECT rolname FROM pg_roles")):
            names = [name for (name,) in await connection.fetch(listed) if name == base or name.startswith(f"{base}_")]
            for name in names:
                await connection.execute(f'DROP {kind} "{name}"' + " WITH (FORCE)" * (kind == "DATABASE"))
    finally:
        await connection.close()


async def run_all(setting: Setting, tell: Callable[[Result], None], say: Say = drop_line) -> list[Result]:
    """The results of one structure; `tell` is given each as it comes."""
    results = []
    async with aclosing(crashtest(setting, say)) as trials:
        async for result in trials:
            tell(result)
            results.append(result)
    return results
