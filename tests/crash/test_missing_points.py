"""That the check of crash points can fail: one file is left without them. (Here no other test may put them in.)"""

from __future__ import annotations

from craton.sagas import steps as steps_file
from tests.crash.points import bare_awaits, coroutines_run, crash_points
from tests.crash.shop import CASES, run
from tests.crash.stage import Stage, instrumented


def test_an_await_without_points_is_noticed(shop_without_points: Stage) -> None:
    others = [file for file in instrumented("tests.sagas.shop.") if file is not steps_file]
    with crash_points(others), coroutines_run(lambda file: file == steps_file.__file__) as codes:
        run(shop_without_points, "monolith", CASES["ok"])
    assert {code.co_qualname for code in codes if bare_awaits(code)} >= {
        "Steps.perform", "Steps.inside", "Steps.outside",
    }
