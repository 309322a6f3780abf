"""What all tests share: a PostgreSQL server, started once, where a test asks for one."""

from __future__ import annotations
