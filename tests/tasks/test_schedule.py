"""When recurring tasks are begun."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from craton.schedule import schedule

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp()


def test_an_interval_is_counted_in_whole_multiples_so_that_all_processes_find_the_same() -> None:
    following = schedule(900.0)
    assert [following(NOON), following(NOON + 1), following(NOON + 899.9)] == [NOON + 900] * 3


def test_a_cron_text_is_read_in_utc() -> None:
    following = schedule("30 4 * * 1-5")
    assert following(NOON) == datetime(2026, 3, 2, 4, 30, tzinfo=UTC).timestamp()
    assert following(datetime(2026, 3, 6, 4, 30, tzinfo=UTC).timestamp()) == datetime(
        2026, 3, 9, 4, 30, tzinfo=UTC
    ).timestamp()


def test_a_task_that_does_not_recur_has_no_times() -> None:
    assert schedule(None)(NOON) is None


@pytest.mark.parametrize("every", ["", "* * *", "61 * * * *", "every day", "0 0 30 2 *", 0.5])
def test_what_never_comes_or_too_often_is_refused(every: str | float) -> None:
    with pytest.raises(ValueError, match="every="):
        schedule(every)
