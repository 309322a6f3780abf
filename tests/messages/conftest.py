"""What the tests of this folder may ask for."""

from __future__ import annotations

from tests.messages.post_office import running

__all__ = ["running"]
