"""The store as it is; the topology beside it runs each of its services twice."""

from __future__ import annotations

from apps.store.application import store

__all__ = ["store"]
