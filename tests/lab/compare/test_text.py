"""The tables in the terminal: what was found, and no wider than a terminal."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from craton.lab.compare.results import Comparison
from craton.lab.compare.text import text
from tests.lab.compare.sample import VARIANTS, lacking, whole

WIDE = 100


def test_three_topologies_fit_into_100_columns() -> None:
    found = whole()
    shown = text(replace(found, sides=tuple(side for side in found.sides if side.ours)))
    assert max(map(len, shown.splitlines())) <= WIDE


def test_each_side_has_its_column_and_each_figure_its_interval() -> None:
    found = whole()
    lines = text(found).splitlines()
    [cpu] = [line for line in lines if line.startswith("CPU per request")]
    assert cpu.count("±") == len(found.sides)
    assert all(any(side.name in line for line in lines) for side in found.sides)


def test_what_was_not_measured_has_no_line() -> None:
    assert "highest rate" not in text(lacking("capacity")).partition("\n\n")[2].partition("\n\n")[0]


def test_the_verdict_comes_first_and_what_speaks_against_it_is_told() -> None:
    found, shown = whole(), text(whole())
    assert found.verdict.headline.split(":")[0] in shown.splitlines()[0]
    assert "But: " in shown


def test_advice_that_several_sides_need_is_told_once() -> None:
    found = whole()
    [piece] = {one.text for side in found.sides for one in side.advice[:1]}
    assert sum(bool(side.advice) for side in found.sides) > 1
    shown = " ".join(text(found).split())
    assert shown.count(" ".join(piece.split())) == 1


@pytest.mark.parametrize("sample", VARIANTS.values(), ids=VARIANTS)
def test_whatever_was_found_can_be_shown(sample: Callable[[], Comparison]) -> None:
    assert text(sample())
