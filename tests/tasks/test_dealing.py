"""Which job goes to which worker."""

from __future__ import annotations

from craton.tasks.dealing import PATIENCE, Candidate, Hand, deal
from craton.tasks.messages import Take


def hand(*, room: int = 4, most: int = 4, queues: tuple[str, ...] = ("q",), idle: bool = False) -> Hand:
    return Hand(Take(worker="w", queues=queues, room=room, most=most), idle=idle)


def jobs(*weights: int, waited: float = 0.0, queue: str = "q") -> list[Candidate]:
    return [Candidate(f"{queue}{n}", queue, weight, float(n), waited) for n, weight in enumerate(weights)]


def test_jobs_are_spread_over_workers_by_their_room() -> None:
    large, small = hand(room=4), hand(room=1)
    deal(jobs(1, 1, 1, 1, 1, 1, 1), [large, small])
    assert (len(large.jobs), len(small.jobs)) == (4, 1)


def test_no_worker_has_more_than_it_asked_for() -> None:
    only = hand(room=10, most=2)
    deal(jobs(1, 1, 1), [only])
    assert only.jobs == ["q0", "q1"]


def test_weights_fill_the_room() -> None:
    only = hand(room=5, most=9)
    deal(jobs(3, 3, 2, 1), [only])
    assert only.jobs == ["q0", "q2"]


def test_a_worker_has_jobs_of_its_queues_only() -> None:
    first, second = hand(queues=("a",)), hand(queues=("b",))
    deal([*jobs(1, queue="a"), *jobs(1, queue="b")], [first, second])
    assert (first.jobs, second.jobs) == (["a0"], ["b0"])


def test_an_idle_worker_has_even_the_heaviest_but_nothing_beside_it() -> None:
    only = hand(room=2, idle=True)
    deal(jobs(9, 1), [only])
    assert only.jobs == ["q0"]


def test_a_busy_worker_is_kept_free_for_a_heavy_job_that_has_waited_long() -> None:
    soon, late = hand(room=3), hand(room=3)
    deal(jobs(4, 1), [soon])
    deal(jobs(4, 1, waited=PATIENCE + 1), [late])
    assert (soon.jobs, late.jobs) == (["q1"], [])


def test_one_worker_is_kept_free_and_the_others_go_on() -> None:
    kept, other = hand(room=3), hand(room=2)
    deal(jobs(4, 1, 1, waited=PATIENCE + 1), [kept, other])
    assert (kept.jobs, other.jobs) == ([], ["q1", "q2"])
