"""What a load found can be asked, kept and added up, without loss."""

from __future__ import annotations

import random

import msgspec
import pytest

from craton.lab.load import latencies
from craton.lab.load.figures import Deed, Load, Second


def found(seconds: dict[str, list[float]], *, failed: int = 0, course: tuple[Second, ...] = ()) -> Load:
    """A load whose actions took so long."""
    return Load(
        seconds=2.0, due=sum(map(len, seconds.values())) + failed * len(seconds), finished=8, requests=12, sent=120,
        received=1200, lags=latencies.encoded([0.001, 0.002]), cpu=0.5, visitors=3, course=course,
        actions={
            name: Deed(done=len(some), failed=failed, latencies=latencies.encoded(some),
                       errors={"503 at /cart": failed} if failed else {})
            for name, some in seconds.items()
        },
    )


def test_a_quantile_is_right_to_three_digits() -> None:
    dice = random.Random(1)
    some = [dice.lognormvariate(-5, 1.5) for _ in range(20_000)]
    ordered, load = sorted(some), found({"look": some[:9000], "buy": some[9000:]})
    for name, place in (("p50", 500), ("p90", 900), ("p95", 950), ("p99", 990), ("p99.9", 999), ("max", 1000)):
        assert load.quantiles()[name] == pytest.approx(ordered[place * 20 - 1], rel=0.001)


def test_where_nothing_was_done_there_are_no_latencies() -> None:
    load = found({"look": []})
    assert set(load.quantiles().values()) == {0.0}
    assert load.curve() == ()
    assert (load.done("fly"), load.failed("fly"), load.share_failed("fly"), load.within(1.0, "fly")) == (0, 0, 0.0, 1.0)


def test_what_takes_longer_than_a_minute_is_counted_as_a_minute() -> None:
    assert latencies.quantiles([latencies.encoded([100.0])])["max"] == pytest.approx(60, rel=0.001)
    assert latencies.quantiles([latencies.encoded([0.0])])["max"] == pytest.approx(1e-6)


def test_a_curve_rises_from_the_fastest_to_the_slowest() -> None:
    curve = found({"look": [n / 1000 for n in range(1, 1001)]}).curve()
    assert curve == tuple(sorted(curve))
    assert curve[-1][0] == 1.0
    assert all(latency == pytest.approx(share, abs=0.002) for share, latency in curve)


def test_what_failed_was_not_done_in_time() -> None:
    load = found({"look": [0.1, 0.2, 0.3], "buy": [0.1]}, failed=1)
    assert load.within(0.25, "look") == 0.5
    assert load.within(9.0) == 4 / 6
    assert (load.share_failed("buy"), load.errors()) == (0.5, {"503 at /cart": 2})


def test_rounds_that_are_merged_are_as_one_round() -> None:
    dice = random.Random(2)
    first, second = ([dice.expovariate(20) for _ in range(500)] for _ in range(2))
    one, other = found({"look": first}, failed=2), found({"look": second, "buy": first})
    merged, whole = one.merge(other), found({"look": first + second, "buy": first}, failed=2)
    assert merged.quantiles("look") == whole.quantiles("look")
    assert merged.curve() == whole.curve()
    assert (merged.done("look"), merged.failed(), merged.due) == (1000, 2, one.due + other.due)
    assert (merged.seconds, merged.finished, merged.requests, merged.sent, merged.received) == (4.0, 16, 24, 240, 2400)
    assert (merged.throughput, merged.cpu, merged.visitors, merged.errors("buy")) == (4.0, 1.0, 3, {})
    assert latencies.whole([merged.lags]).get_total_count() == 4


def test_the_course_of_a_round_follows_that_of_the_one_before() -> None:
    course = tuple(Second(time=float(n), due=n, started=n, done=n, failed=0, p95=0.1) for n in range(3))
    merged = found({}, course=course).merge(found({}, course=course))
    assert [second.time for second in merged.course] == [0, 1, 2, 3, 4, 5]
    assert [second.due for second in merged.course] == [0, 1, 2, 0, 1, 2]


def test_a_load_comes_back_from_json_as_it_was() -> None:
    load = found({"look": [0.1, 0.2]}, failed=3)
    assert msgspec.json.decode(msgspec.json.encode(load), type=Load) == load
