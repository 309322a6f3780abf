"""Whatever the OpenAPI document allows, and much that it forbids, is asked of the store in real processes: no server
error, and no answer but those that the document tells of (schemathesis, with a seed that does not change)."""

from __future__ import annotations

import asyncio
import os
from datetime import timedelta
from typing import Any, cast

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS, load_all_checks

from craton import Caller, Tokens
from craton.testing.processes import start_processes

load_all_checks()
NAMES = (
    "not_a_server_error", "status_code_conformance", "content_type_conformance", "response_headers_conformance",
    "response_schema_conformance",
)
EXAMPLES = int(os.environ.get("CRATON_TEST_EXAMPLES", "4"))
"""Of each operation, in each structure; more find more: 200 take ten minutes."""
PATIENT = settings(
    max_examples=EXAMPLES, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck),
    phases=(Phase.explicit, Phase.generate),
)


def ask_everything(url: str, token: str) -> list[str]:
    """Ask every operation of a running application; what is wrong."""
    wrong, described = list[str](), httpx.get(f"{url}/openapi.json").json()
    schema = schemathesis.openapi.from_dict(described)
    checks = [CHECKS.get_one(name) for name in NAMES]
    for found in schema.get_all_operations():
        operation: Any = cast("Any", found).ok()

        allowed, forbidden = (operation.as_strategy(generation_mode=mode) for mode in GenerationMode)

        @PATIENT
        @given(case=allowed | forbidden)
        def ask(case: Any) -> None:
            answer = case.call(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=30)
            case.validate_response(answer, checks=checks)

        try:
            ask()
        except Exception as error:
            wrong.append(f"{operation.label}: {error}")
    return wrong


@pytest.mark.timeout(300)
@pytest.mark.parametrize("topology", ["monolith", "microservices"])
async def test_every_answer_is_one_that_the_document_tells_of(topology: str) -> None:
    async with start_processes("apps.store", topology=topology) as running:
        tokens = Tokens(running.plan.folder.secret(), "store")
        token = tokens.issue(Caller("user:admin", frozenset({"user", "admin"})), lifetime=timedelta(hours=1))
        wrong = await asyncio.to_thread(ask_everything, running.url, token)
    assert not wrong, "\n\n".join(wrong)
