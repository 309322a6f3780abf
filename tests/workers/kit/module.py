"""The module itself."""

from __future__ import annotations

from sqlalchemy import MetaData

from tests.workers.kit.contract import Kit

metadata = MetaData()


class Desk(Kit):
    """Has tasks."""

    async def nothing(self) -> None:
        return None
