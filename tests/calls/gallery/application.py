"""A gallery: one module."""

from __future__ import annotations

from craton import Application, Module
from tests.calls.gallery.contract import Paintings

gallery = Application("gallery", [Module("paintings", Paintings, "tests.calls.gallery.module:Walls")])
