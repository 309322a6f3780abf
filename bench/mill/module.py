"""How it is done on Craton."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, MetaData, Table, insert

from bench.mill.contract import Mill
from bench.mill.tasks import Grain, Weighed, grind, weigh
from craton import Database, Tasks

metadata = MetaData()
weighed = Table(
    "mill_weighed", metadata, Column("id", Integer, primary_key=True), Column("at", BigInteger, nullable=False)
)


class Miller(Mill):
    """Submits, and writes down what was weighed, as often as that is."""

    def __init__(self, tasks: Tasks, db: Database) -> None:
        self.tasks, self.db = tasks, db

    async def submit(self, at: int) -> None:
        """One job."""
        await self.tasks.submit(grind, Grain(at))

    async def submit_to_weigh(self, at: int) -> None:
        """One job whose effect is written down."""
        await self.tasks.submit(weigh, Grain(at))

    async def on_weighed(self, event: Weighed) -> None:
        """One effect."""
        await self.db.execute(insert(weighed).values(at=event.at))
