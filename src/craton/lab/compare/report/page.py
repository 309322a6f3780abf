"""The report: one HTML file that needs nothing else, for those who were not there when it was measured."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from craton.errors import SettingsError
from craton.lab.compare.results import Comparison

if TYPE_CHECKING:
    from jinja2 import Environment

HERE = Path(__file__).parent


def page(comparison: Comparison) -> str:
    """The whole page."""
    return environment().get_template("page.html").render(found=comparison, **content(comparison))


@cache
def environment() -> Environment:
    """How the template is read: whatever comes from elsewhere is escaped, and a name that is not there is an error."""
    try:
        from jinja2 import Environment, FileSystemLoader, StrictUndefined
    except ImportError as error:
        raise SettingsError(f"craton compare needs jinja2 ({error}): pip install 'craton[compare]'.") from error
    made = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
    )
    from craton.lab.compare.report import figures, tables

    made.globals.update(tables=tables, figures=figures)
    for written in (figures.seconds, figures.size, figures.rate, figures.times, figures.plain, figures.share):
        made.filters[written.__name__] = written
    return made


def content(found: Comparison) -> Mapping[str, object]:
    """What is drawn, and the style."""
    from markupsafe import Markup

    from craton.lab.compare.report import bars, course, lines, ring, strip
    from craton.lab.compare.report.looks import looks

    return {
        "style": Markup((HERE / "page.css").read_text()), "looks": looks(found), "ratios": bars.ratios(found),
        "cost": bars.cost(found), "legend": bars.legend(found), "memory": bars.memory(found),
        "distribution": lines.distribution(found), "throughput": lines.throughput(found), "strip": strip.strip(found),
        "maps": ring.maps(found), "courses": course.courses(found), "risings": course.risings(found),
        "scaling": bars.scaling(found),
    }
