"""What methods do to their databases and to each other is counted for them, on both engines, apart and together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from craton.errors import CratonError
from craton.lab.recording.figures import Figures, Reader, Recording, recorded
from craton.lab.recording.recorder import INTERVAL, Recorder, shape_of
from craton.lab.recording.running import Run
from craton.testing.start import Running, calling, start
from craton.topology import Topology
from tests.lab.kiosk import APART, WHOLE, Books, Desk, kiosk, sqlite, watched
from tests.until import until

BOTH = pytest.mark.parametrize("topology", [WHOLE, APART], ids=lambda topology: topology.name)

WRAPPED = {"read", "unit", "execute", "later", "commit", "rollback", "admit", "admit_read", "take", "enter", "acquire"}


@pytest.fixture(params=["sqlite", "postgresql"])
def base(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """What the URLs of databases begin with."""
    if request.param == "sqlite":
        return sqlite(tmp_path)
    return f"{request.getfixturevalue('postgresql')}/r{uuid4().hex[:8]}"


class Seen:
    """A recording of what is done in a block."""

    def __init__(self, running: Running, file: str) -> None:
        self.running, self.reader, self.found = running, Reader(file), Recording()
        self.books, self.desk = running.get(Books), running.get(Desk)

    def of(self, method: str) -> Figures:
        """What it did."""
        self.found.put(self.reader.more())
        return self.found.methods.get(method, Figures(method, 0, {}))

    async def until(self, method: str, what: str, number: int = 1) -> None:
        """Wait until it has been seen to do something so often."""
        await until(lambda: getattr(self.of(method), what) >= number)

    def texts(self, method: str) -> dict[str, int]:
        """Its statements: how often each, by its first words."""
        found = self.of(method).statements
        return {" ".join(self.found.texts[key].split()[:3]): spent.count for key, spent in found.items()}


@asynccontextmanager
async def seeing(topology: Topology, base: str, folder: Path) -> AsyncIterator[Seen]:
    """The kiosk, recorded."""
    file = str(folder / "recorded.jsonl")
    async with watched(topology, base, Recorder(file)) as running:
        with calling():
            yield Seen(running, file)


@BOTH
async def test_statements_are_counted_for_the_method_that_ran_them_with_their_texts(
    topology: Topology, base: str, tmp_path: Path,
) -> None:
    async with seeing(topology, base, tmp_path) as seen:
        for _ in range(3):
            await seen.books.one(1)
        await seen.until("books.one", "runs", 3)
        [(text, count)] = seen.texts("books.one").items()
        assert (text, count) == ("SELECT books_book.author FROM", 3)
        [spent] = seen.of("books.one").statements.values()
        assert 0 < spent.longest <= spent.seconds < 10
        assert seen.of("books.one").commits == 0


@BOTH
async def test_a_command_s_statements_its_commit_and_its_event_are_its_own(
    topology: Topology, base: str, tmp_path: Path,
) -> None:
    async with seeing(topology, base, tmp_path) as seen:
        with calling(key="k1"):
            await seen.books.add(7)
        await seen.until("books.add", "commits")
        assert seen.of("books.add").commits == 1 and seen.of("books.add").events == {"Added": 1}
        texts = seen.texts("books.add")
        assert texts["INSERT INTO books_book"] == texts["INSERT INTO books_outbox"] == 1
        assert texts["INSERT INTO books_inbox"] == 1  # its key, which the framework writes after the method


@BOTH
async def test_who_hears_of_an_event_commits_for_itself_and_its_delivery_is_remote_where_it_is(
    topology: Topology, base: str, tmp_path: Path,
) -> None:
    async with seeing(topology, base, tmp_path) as seen:
        await seen.books.add(7)
        await seen.until("news.hear", "commits")
        assert seen.of("news.hear").runs == 1
        await seen.until("books", "commits")  # the outbox has been told that it was taken
        sent = {name: one.count for name, one in seen.of("books").remote.items()}
        assert sent == ({"news.$events": 1} if topology is APART else {})


@BOTH
async def test_a_saga_counts_its_own_commits_and_asks_for_those_of_its_steps(
    topology: Topology, base: str, tmp_path: Path,
) -> None:
    async with seeing(topology, base, tmp_path) as seen:
        with calling(key="k1"):
            await seen.desk.order(7)
        await seen.until("desk.order", "commits", 1 if topology is WHOLE else 2)
        assert seen.of("desk.order").calls == {"books.add": 1} and seen.of("books.add").runs == 1
        commits = seen.of("desk.order").commits, seen.of("books.add").commits
        assert commits == ((1, 0) if topology is WHOLE else (2, 1))  # together, it is one transaction


async def test_a_call_that_travels_counts_its_bytes_and_one_that_stays_has_none(base: str, tmp_path: Path) -> None:
    for topology in (WHOLE, APART):
        folder = tmp_path / topology.name
        folder.mkdir()
        async with seeing(topology, f"{base}{topology.name[0]}", folder) as seen:
            await seen.desk.each((1, 2))
            await seen.until("desk.each", "runs")
            found = seen.of("desk.each")
            assert found.calls == {"books.one": 2}
            sizes = {name: (sent.count, sent.size) for name, sent in found.remote.items()}
            assert sizes == ({} if topology is WHOLE else {"books.one": (2, sizes["books.one"][1])})
            assert topology is WHOLE or 4 <= sizes["books.one"][1] <= 40  # two numbers, and two empty strings


@BOTH
async def test_pages_count_what_they_ask_for_and_tell_the_route_where_it_is_much(
    topology: Topology, base: str, tmp_path: Path,
) -> None:
    async with seeing(topology, base, tmp_path) as seen:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(seen.running.edge), base_url="http://k") as client:
            assert (await client.get("/look/5")).text == "5"
        await seen.until("front", "runs")
        assert seen.of("front").calls == {"desk.each": 1}
        await seen.until("desk.each", "runs")
        repeats = {name for name, one in seen.found.methods.items() if one.repeats or one.loops}
        assert repeats == {"desk.each"}  # where the loop stands, not who called it


@BOTH
async def test_the_same_statement_many_times_is_told_of_the_method_in_which_it_loops(
    topology: Topology, base: str, tmp_path: Path,
) -> None:
    async with seeing(topology, base, tmp_path) as seen:
        many = tuple(range(6))
        await seen.books.one_by_one(many)
        await seen.books.through_itself(many)
        await seen.books.at_once(many)
        await seen.desk.all(many)
        await seen.books.one_by_one((1, 2, 3))
        await seen.until("books.one_by_one", "runs", 2)
        await seen.until("desk.all", "runs")
        found = {name: one.repeats for name, one in seen.found.methods.items() if one.repeats}
        assert found.keys() == {"books.one_by_one", "books.through_itself"}
        assert all((one.runs, one.count, one.most) == (1, 6, 6) for each in found.values() for one in each.values())


async def test_what_waits_for_a_connection_is_counted_and_is_no_part_of_the_statement(
    postgresql: str, tmp_path: Path,
) -> None:
    async with seeing(WHOLE, f"{postgresql}/w{uuid4().hex[:8]}", tmp_path) as seen:
        await asyncio.gather(*(seen.books.dreaming(0.1) for _ in range(20)))  # there are ten connections
        await seen.until("books.dreaming", "runs", 20)
        found = seen.of("books.dreaming")
        assert 10 <= found.waits["connection"].count < 20  # the framework itself may have one for a moment
        [spent] = found.statements.values()
        assert spent.count == 20 and found.waits["connection"].seconds > 10 * 0.08


async def test_what_was_counted_is_in_the_file_while_the_application_still_runs(base: str, tmp_path: Path) -> None:
    async with seeing(WHOLE, base, tmp_path) as seen:
        for number in range(1, 4):
            await seen.books.one(number)
            await asyncio.sleep(INTERVAL * 1.5)
            await seen.until("books.one", "runs", number)


async def test_a_store_that_is_no_longer_recorded_is_as_it_was(base: str, tmp_path: Path) -> None:
    recorder = Recorder(str(tmp_path / "recorded.jsonl"))
    async with watched(WHOLE, base, recorder) as running:
        store = running.processes["kiosk"].store
        assert WRAPPED & vars(store).keys() == {"read", "unit", "admit_read"}
        recorder.close()
        parts = [store, *(part for part in vars(store).values() if hasattr(part, "__dict__"))]
        assert all(WRAPPED.isdisjoint(vars(part)) for part in parts)
        with calling():
            await running.get(Books).add(1)


async def test_where_nothing_is_recorded_no_store_and_no_unit_is_wrapped() -> None:
    async with start(kiosk) as running:
        process = running.processes["kiosk"]
        assert WRAPPED.isdisjoint(vars(process.store)) and WRAPPED.isdisjoint(vars(process.store.unit("books")))
        hosted = process.hosted["books"]
        assert "one" not in vars(hosted.instance)
        assert all("Recorder" not in endpoint.ask.__qualname__  # type: ignore[attr-defined]  # it is a method
                   for endpoint in hosted.endpoints.values())


def test_a_reader_takes_only_whole_lines_and_the_last_time_all(tmp_path: Path) -> None:
    file = tmp_path / "recorded.jsonl"
    line = '{"method": "a.b", "runs": 1, "calls": {}}'
    file.write_text(f"{line}\n{line[:20]}")
    reader = Reader(str(file))
    assert reader.more().methods["a.b"].runs == 1 and not reader.more().methods
    with file.open("a") as opened:
        opened.write(f"{line[20:]}\n")
    assert reader.more().methods["a.b"].runs == 1
    assert recorded(str(file)).methods["a.b"].runs == 2
    file.write_text(line[:20])
    with pytest.raises(CratonError, match="is no recorded traffic"):
        recorded(str(file))


def test_a_statement_that_different_methods_run_a_few_times_each_is_no_loop_of_who_called_them() -> None:
    outer = Run("desk.both", None)
    for method, times in (("books.first", 3), ("books.second", 3), ("books.third", 1), ("books.third", 3)):
        inner = Run(method, outer)
        inner.seen["", "s"] = times
        inner.end()
    assert outer.seen == {("books.first ", "s"): 3, ("books.second ", "s"): 3, ("books.third ", "s"): 4}
    above = Run("front", None)
    outer.parent = above
    outer.end()
    assert set(above.seen.values()) == {3}


def test_statements_that_differ_only_in_how_many_values_they_list_are_one() -> None:
    listed = 'SELECT a FROM t WHERE b = $1::VARCHAR AND c IN ($2::VARCHAR COLLATE "C", $3::VARCHAR COLLATE "C")'
    assert shape_of(listed) == "SELECT a FROM t WHERE b = * AND c IN (*)"
    assert shape_of("INSERT INTO t (a, b) VALUES (?, ?), (?, ?)") == "INSERT INTO t (a, b) VALUES (*)"


def test_a_call_that_is_tried_again_counts_its_statements_once() -> None:
    outer, again = Run("books.add", Run("desk.order", None)), ("", "s")
    for _ in range(3):
        attempt = Run("books.add", outer)
        attempt.seen[again] = 2
        attempt.end()
    assert outer.seen == {again: 2}
