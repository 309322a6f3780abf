"""A gallery, and those who visit it."""

from __future__ import annotations

from craton import Application, Module
from tests.calls.gallery.contract import Paintings, Visitors

gallery = Application("gallery", [
    Module("paintings", Paintings, "tests.calls.gallery.module:Walls"),
    Module("visitors", Visitors, "tests.calls.gallery.module:Crowd"),
])
