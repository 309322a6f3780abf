"""What the crash tests share: the shop, made once."""

from __future__ import annotations

import gc
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash import mutants
from tests.crash.points import crash_points
from tests.crash.shop import make_shop
from tests.crash.stage import Stage, instrumented


@pytest.fixture(scope="session")
def shop_without_points(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    """The shop with its stock, in each structure."""
    return make_shop(tmp_path_factory.mktemp("shop"))


@pytest.fixture(scope="module")
def shop(shop_without_points: Stage) -> Iterator[Stage]:
    """The same, with crash points around all its awaits."""
    with crash_points([*instrumented("tests.sagas.shop."), mutants]):
        gc.freeze()  # what is loaded by now is not looked through again and again while runs come and go
        yield shop_without_points
        gc.unfreeze()


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Thousands of crashes would leave thousands of warnings in the log, which nobody reads."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A dead service's coroutine that awaits while it is unwound stays behind: what it then meets is no error."""
    left = "ignore:Exception ignored in. <coroutine object:pytest.PytestUnraisableExceptionWarning"
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.filterwarnings(left))
