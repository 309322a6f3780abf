"""The page of a comparison: whole whatever was found, harmless whatever it is called, readable on any screen."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from math import inf, nan
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page

from craton.lab.compare.report import figures
from craton.lab.compare.report.drawing import apart
from craton.lab.compare.report.page import page
from craton.lab.compare.report.scales import Linear, Logarithmic, Percentiles, linear, logarithmic
from craton.lab.compare.results import Estimate
from tests.browser import ALL, LOOKS, OF_LOOKS, SHOTS, Colour, faults, is_too_wide, look_at
from tests.lab.compare.sample import VARIANTS, whole

SCREENS: dict[str, tuple[int, Colour]] = {**LOOKS, "middle-light": (800, "light")}
OUTSIDE = """() => [...document.querySelectorAll("svg text")].filter(one => {
    const text = one.getBoundingClientRect(), svg = one.ownerSVGElement.getBoundingClientRect();
    return text.width && (text.left < svg.left - 1 || text.right > svg.right + 1 || text.top < svg.top - 1 ||
        text.bottom > svg.bottom + 1);
}).map(one => one.textContent)"""
"""Words in a drawing that are cut off."""


class Reader(HTMLParser):
    """What a page consists of."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags, self.addresses, self.ids = list[str](), list[str](), list[str]()
        self.words, self.attributes = "", list[str]()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [name for name, _ in attrs]
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "data", "action")]
        self.ids += [value or "" for name, value in attrs if name == "id"]

    def handle_data(self, data: str) -> None:
        self.words += data


async def shown(browser: Browser, tmp_path: Path, name: str) -> tuple[Page, list[str]]:
    """A page, and what it asked for or complained about."""
    file = tmp_path / "page.html"
    file.write_text(page(VARIANTS[name]()))
    context = await browser.new_context(reduced_motion="reduce")
    opened, said = await context.new_page(), list[str]()
    opened.on("request", lambda request: said.append(request.url))
    opened.on("pageerror", lambda error: said.append(str(error)))
    opened.on("dialog", lambda dialog: said.append(dialog.message))
    await opened.goto(file.as_uri())
    assert said.pop(0) == file.as_uri()
    return opened, said


@pytest.mark.parametrize("name", VARIANTS)
def test_a_page_is_whole_whatever_was_found(name: str) -> None:
    read = Reader(page(VARIANTS[name]()))
    assert len(read.ids) == len(set(read.ids))
    assert {address.removeprefix("#") for address in read.addresses} <= set(read.ids)
    assert {"h1", "main", "table"} <= set(read.tags) and "How it was measured" in read.words
    assert not re.search(r"\b(None|nan|inf|Undefined)\b|\[\]|\{\}", read.words)


@pytest.mark.parametrize("name", VARIANTS)
def test_a_page_is_one_file_that_runs_nothing(name: str) -> None:
    read = Reader(page(VARIANTS[name]()))
    assert not {"script", "img", "link", "iframe", "object", "form"} & set(read.tags)
    assert not [attribute for attribute in read.attributes if attribute.startswith("on")]
    assert all(address.startswith("#") for address in read.addresses)
    assert not re.search(r"url\((?!#)|@import", page(VARIANTS[name]()))


def test_what_was_not_measured_has_no_section() -> None:
    assert set(Reader(page(VARIANTS["bare"]())).ids) == {"glance", "method"}
    assert {"isolation", "overload", "throughput"} <= set(Reader(page(whole())).ids)
    assert not {"isolation", "overload", "throughput"} & set(Reader(page(VARIANTS["steady only"]())).ids)


def test_the_verdict_and_what_speaks_against_it_come_before_any_figure() -> None:
    found = whole()
    text = Reader(page(found)).words
    order = [text.index(words) for words in (*found.verdict.reasons, *found.verdict.against, "At a glance")]
    assert order == sorted(order)
    assert text.index("fastapi-monolith: the memory is 0.8") < text.index("At a glance")  # a losing case


def test_fewer_rounds_than_five_are_called_a_look() -> None:
    assert "A look, not a measurement" in page(VARIANTS["alone"]())
    assert "A look, not a measurement" not in page(whole())


def test_every_mean_in_the_first_table_has_its_interval() -> None:
    found = whole()
    text = Reader(page(found)).words
    for side in found.sides:
        assert side.steady
        assert figures.written(side.steady.cpu.mean, figures.SECONDS) in text
        assert figures.interval(side.steady.cpu, figures.SECONDS) in text


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize(("look", "only"), [("wide-light", ALL), ("narrow-dark", OF_LOOKS)])
@pytest.mark.parametrize("name", ["whole", "bare", "alone"])
async def test_a_page_is_accessible(
    browser: Browser, tmp_path: Path, name: str, look: str, only: tuple[str, ...],
) -> None:
    opened, _ = await shown(browser, tmp_path, name)
    await see(opened, look)
    wrong = await faults(opened, only)
    assert not wrong, "\n".join(wrong)
    await opened.context.close()


async def see(opened: Page, look: str) -> None:
    """All of a page, on some screen."""
    await look_at(opened, SCREENS[look])
    await opened.evaluate("() => document.querySelectorAll('details').forEach(one => one.open = true)")


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize("name", VARIANTS)
async def test_a_page_fits_every_screen_and_asks_for_nothing(browser: Browser, tmp_path: Path, name: str) -> None:
    opened, said = await shown(browser, tmp_path, name)
    wrong = []
    for look in SCREENS:
        await see(opened, look)
        wrong += [f"{look}: cut off: {one}" for one in await opened.evaluate(OUTSIDE)]
        if await is_too_wide(opened):
            wrong.append(f"{look}: the page is wider than the screen")
        if SHOTS:
            await opened.screenshot(path=f"{SHOTS}/comparison-{name}-{look}.png", full_page=True)
    assert not wrong, "\n".join(wrong)
    assert not said
    await opened.context.close()


@pytest.mark.asyncio(loop_scope="session")
async def test_a_page_can_be_printed(browser: Browser, tmp_path: Path) -> None:
    opened, _ = await shown(browser, tmp_path, "whole")
    await opened.emulate_media(media="print")
    await opened.set_viewport_size({"width": 703, "height": 1000})  # what A4 leaves within its margins
    assert await opened.evaluate("() => document.documentElement.scrollWidth") <= 703
    assert not await opened.evaluate(OUTSIDE)
    sheet = await opened.pdf(prefer_css_page_size=True, path=f"{SHOTS}/comparison.pdf" if SHOTS else None)
    assert sheet.startswith(b"%PDF") and 3 < sheet.count(b"/Type /Page\n") < 20
    await opened.context.close()


@pytest.mark.parametrize(("value", "units", "text"), [
    (0.00387, figures.SECONDS, "3.87 ms"), (0.0009996, figures.SECONDS, "1.00 ms"), (31.04, figures.SECONDS, "31.0 s"),
    (0.0, figures.SECONDS, "0 µs"), (71_000_000, figures.BYTES, "71.0 MB"), (1234.0, figures.RATE, "1,234 /s"),
    (2.7182, figures.TIMES, "2.72\N{MULTIPLICATION SIGN}"), (0.1234, figures.TIMES, "0.12\N{MULTIPLICATION SIGN}"),
    (nan, figures.SECONDS, figures.NONE),
    (inf, figures.BYTES, figures.NONE), (4.2e30, figures.RATE, "4.2e+30 /s"),
])
def test_figures_have_units_and_three_digits(value: float, units: figures.Units, text: str) -> None:
    assert figures.written(value, units).replace("\N{NO-BREAK SPACE}", " ") == text


def test_an_interval_is_written_in_the_unit_of_its_mean() -> None:
    near = Estimate(mean=0.000996, low=0.000945, high=0.001048, rounds=(0.00098, 0.00099, 0.00102))
    assert figures.interval(near, figures.SECONDS) == "945 to 1,048"
    assert figures.interval(Estimate(mean=1.0, low=1.0, high=1.0, rounds=(1.0,)), figures.SECONDS) == ""


def test_what_was_lost_in_part_never_looks_whole() -> None:
    shares = [figures.share(value).replace("\N{NO-BREAK SPACE}", " ") for value in (1.0, 0.9996, 0.94, 0.001, 0.0)]
    assert shares == ["100 %", "99.9 %", "94 %", "0.1 %", "0 %"]


def test_what_was_set_has_no_digits_that_were_not_measured() -> None:
    assert figures.exactly(60.0) == "60" and figures.plain(2.0) == "2" and figures.plain(0.58) == "0.58"
    assert figures.tick_seconds(0.1).replace("\N{NO-BREAK SPACE}", " ") == "100 ms"


def test_scales_keep_order_and_never_leave_their_ends() -> None:
    for scale in (Linear(10.0, 0.0, 100.0), Logarithmic(0.01, 10.0, 0.0, 100.0), Percentiles(0.999, 0.0, 100.0)):
        places = [scale.place(value) for value in (-1.0, 0.0, 0.02, 0.5, 0.99, 5.0, 1e9, inf)]
        assert places == sorted(places) and places[0] == 0.0 and places[-1] == 100.0
        assert all(0 <= scale.place(tick) <= 100 for tick in scale.ticks()) and len(scale.ticks()) > 1


@pytest.mark.parametrize("values", [[], [0.0], [-1.0], [1e-9], [1e-9, 1e12], [inf, nan], [5.0, 5.0]])
def test_scales_are_made_of_any_values(values: list[float]) -> None:
    for scale in (linear(values, start=0.0, end=1.0), logarithmic(values, start=0.0, end=1.0)):
        assert 1 < len(scale.ticks()) < 40 and all(0 <= scale.place(value) <= 1 for value in values)


def test_labels_are_kept_apart_and_near_to_their_lines() -> None:
    assert apart([50.0, 10.0], gap=19.0, low=0.0, high=100.0) == [50.0, 10.0]
    places = apart([50.0, 50.0, 50.0, 99.0, 99.0], gap=19.0, low=0.0, high=100.0)
    assert all(after - before >= 18.9 for before, after in zip(sorted(places), sorted(places)[1:], strict=False))
