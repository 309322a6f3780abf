"""Whether all sides do the same: one visitor with the same choices goes through the scenario on each, and what he is
answered is compared before anything is measured."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping, Sequence

from craton.errors import CratonError
from craton.lab.compare.stand import Stand
from craton.lab.load.site import Answer, Site
from craton.lab.load.visitor import Guest
from craton.lab.scenario import Action, Scenario

TIMES = 3
"""How often each action is done."""
SEED = 20_260
LAPS, SETTLES = 3, 2.0
"""How often the visitor goes at most, and seconds in between: events take their time, and with them pages that count
what was bought."""
AROUND = 60
"""Letters that are told before and after a difference."""
HIDDEN = re.compile(r"<(script|style|head)\b.*?</\1>|<[^>]*>", re.DOTALL | re.IGNORECASE)
OWN = re.compile(r"\S*\d\S*")
"""What may differ for each customer and each day: ids, numbers of orders, dates, sums."""
CURE = "Figures of sides that do not do the same cannot be compared: make them equal, or say --different."
Heard = tuple[str, int, str]
"""What was asked, the status, and what a reader sees of the answer."""


class Different(CratonError):
    """Two sides do not answer the same; the message says where."""


class Unable(CratonError):
    """A visitor cannot do on a side what the scenario says; the message says what, and why."""


class Listener(Guest):
    """A visitor who remembers what he was answered."""

    def __init__(self, site: Site, seed: int) -> None:
        super().__init__(site, seed)
        self.heard: list[Heard] = []

    async def ask(
        self, method: str, path: str, body: bytes, expect: tuple[int, ...], headers: Mapping[str, str]
    ) -> Answer:
        """One request."""
        answer = await super().ask(method, path, body, expect, headers)
        asked = f"{method} {OWN.sub('*', path)}"
        if self.heard and self.heard[-1][0] == asked:
            self.heard.pop()  # who waits for something asks the same again, here more often than there
        self.heard.append((asked, answer.status, seen(answer)))
        return answer


def seen(answer: Answer) -> str:
    """What a person, or a program, reads of an answer, without what is different for each."""
    kind = answer.headers.get("content-type", "")
    if kind.startswith("text/"):
        return " ".join(OWN.sub("*", HIDDEN.sub(" ", answer.text)).split())
    return json.dumps(without_own(answer.json())) if "json" in kind and answer.body else ""


def without_own(found: object) -> object:
    """The same JSON without numbers, and without texts that have digits."""
    if isinstance(found, dict):
        return {key: without_own(value) for key, value in sorted(found.items())}
    if isinstance(found, list):
        return [without_own(value) for value in found]
    return "*" if isinstance(found, int | float) or (isinstance(found, str) and OWN.search(found)) else found


async def heard(stand: Stand, scenario: Scenario, *, authority: str | None = None) -> Sequence[tuple[str, list[Heard]]]:
    """What a visitor is answered on one side, for each action that he does."""
    guest = Listener(Site(stand.url, limit=10.0, authority=authority), SEED)
    found = []
    try:
        if scenario.arrive is not None:
            await tried(scenario.arrive, guest, stand)
        for action in scenario.mix:
            for _ in range(TIMES):
                guest.heard = []
                await tried(action, guest, stand)
                found.append((action.__name__, guest.heard))
    finally:
        guest.leave()
    return found


async def tried(action: Action, guest: Guest, stand: Stand) -> None:
    """Do an action. Unable, where it cannot be done."""
    try:
        await action(guest)
    except Exception as error:
        why = f"{type(error).__name__}: {error}"
        raise Unable(f"{action.__name__} fails on {stand.name}: {why}. Mend it, or the scenario.") from error


async def compare_answers(stands: Sequence[Stand], scenario: Scenario, *, authority: str | None = None) -> None:
    """Different, where two sides are not the same, even when what was done before has reached all of each side. Unable,
    where one cannot do what the scenario says."""
    for last in (*[False] * (LAPS - 1), True):
        found = [(stand.name, await heard(stand, scenario, authority=authority)) for stand in stands]
        if not (what := difference(found)):
            return
        if last:
            raise Different(f"{what}\n{CURE}")
        await asyncio.sleep(SETTLES)


def difference(found: Sequence[tuple[str, Sequence[tuple[str, list[Heard]]]]]) -> str:
    """Where sides differ from the first one, in words; "" where they do not."""
    (first, ours), *others = found
    for name, theirs in others:
        for (action, one), (_, other) in zip(ours, theirs, strict=True):
            for mine, its in zip(one, other, strict=False):  # who need not wait for something does not ask for it
                if mine != its:
                    both = f"{told(first, mine, its)}\n  {told(name, its, mine)}"
                    return f"{action} is not answered the same:\n  {both}"
    return ""


def told(name: str, one: Heard, other: Heard) -> str:
    """One side's answer, where it begins to differ."""
    pairs = enumerate(zip(one[2], other[2], strict=False))
    at = next((place for place, (mine, its) in pairs if mine != its), min(len(one[2]), len(other[2])))
    return f"{name}: {one[0]} answers {one[1]}: ...{one[2][max(0, at - AROUND):at + AROUND]}..."
