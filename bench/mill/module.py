"""How it is done on Craton."""

from __future__ import annotations

from sqlalchemy import MetaData

from bench.mill.contract import Mill
from bench.mill.tasks import Grain, grind
from craton import Tasks

metadata = MetaData()


class Miller(Mill):
    """Submits, and does nothing else."""

    def __init__(self, tasks: Tasks) -> None:
        self.tasks = tasks

    async def submit(self, at: int) -> None:
        """One job."""
        await self.tasks.submit(grind, Grain(at))
