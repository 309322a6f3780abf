"""What `craton crashtest tests.acceptance.replicated` does: the same as with the store."""

from __future__ import annotations

from apps.store.crashtest import invariants, scenario

__all__ = ["invariants", "scenario"]
