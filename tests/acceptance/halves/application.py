"""The store as it is; the topology beside it has two services, which is enough to lose one."""

from __future__ import annotations

from apps.store.application import store

__all__ = ["store"]
