"""The event-sourced accounts, as an application that processes can load."""

from __future__ import annotations

from tests.messages.accounts import bank

__all__ = ["bank"]
