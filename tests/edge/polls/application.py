"""Polls and their pages, for `craton run`."""

from __future__ import annotations

from tests.edge.sites import application

poll = application()
