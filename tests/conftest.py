"""What all tests share: a PostgreSQL server, started when the first test asks for it."""

from __future__ import annotations

from tests.postgresql import postgresql

__all__ = ["postgresql"]
