"""What every store must do; a store's own test file adds its URL, and what is its alone."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from craton.data.migrations import migrate
from craton.data.store import Store, open_store
from tests.data.bank import Bank
from tests.data.books.tables import MODULES, NAMES
from tests.data.isolation import Isolation
from tests.data.statement_rules import Statements


class StoreConformance(Isolation, Statements):
    """Subclasses provide the fixture `url`: of a database that is there for one test."""

    @pytest.fixture
    async def store(self, url: str) -> AsyncIterator[Store]:
        await migrate(url, MODULES)
        async with open_store(url, NAMES) as store:
            yield store

    @pytest.fixture
    def bank(self, store: Store) -> Bank:
        return Bank(store)
