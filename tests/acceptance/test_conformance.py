"""Whatever the OpenAPI document allows, and much that it forbids, is asked of the store in real processes: no server
error, and no answer but those that the document tells of (schemathesis, with a seed that does not change)."""

from __future__ import annotations

import asyncio
import os
import sys
from datetime import timedelta

import pytest

from craton import Caller, Tokens
from craton.testing.processes import start_processes

EXAMPLES = os.environ.get("CRATON_TEST_EXAMPLES", "4")
"""Of each operation, in each structure; more find more: 100 take ten minutes."""


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("topology", ["monolith", "microservices"])
async def test_every_answer_is_one_that_the_document_tells_of(topology: str) -> None:
    async with start_processes("apps.store", topology=topology) as running:
        tokens = Tokens(running.plan.folder.secret(), "store")
        token = tokens.issue(Caller("user:admin", frozenset({"user", "admin"})), lifetime=timedelta(hours=1))
        asking = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.acceptance.asking", running.url, EXAMPLES,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await asking.communicate(token.encode())
    print(said.decode())
    assert asking.returncode == 0, said.decode()
