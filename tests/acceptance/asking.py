"""python -m tests.acceptance.asking URL EXAMPLES: asks every operation of an API, all that its document allows and much
that it forbids; prints what is wrong, and how often each status was answered. The token is on standard input.

A program of its own, since Hypothesis changes how deep Python may recurse while pytest works in another thread.
"""

from __future__ import annotations

import sys
from collections import Counter
from typing import Any, cast

import httpx
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS, load_all_checks

load_all_checks()
NAMES = (
    "not_a_server_error", "status_code_conformance", "content_type_conformance", "response_headers_conformance",
    "response_schema_conformance",
)
CHECKED = [CHECKS.get_one(name) for name in NAMES]


def ask_everything(url: str, token: str, *, examples: int) -> tuple[list[str], Counter[int]]:
    """What is wrong, and how often each status was answered."""
    wrong, answered = list[str](), Counter[int]()
    schema = schemathesis.openapi.from_dict(httpx.get(f"{url}/openapi.json").json())
    for found in schema.get_all_operations():
        operation: Any = cast("Any", found).ok()
        try:
            asking(operation, url, token, answered, examples=examples)()
        except Exception as error:
            wrong.append(f"{operation.label}: {error}")
    return wrong, answered


def asking(operation: Any, url: str, token: str, answered: Counter[int], *, examples: int) -> Any:
    """What asks one operation; the same each time."""
    allowed, forbidden = (operation.as_strategy(generation_mode=mode) for mode in GenerationMode)

    @settings(
        max_examples=examples, derandomize=True, database=None, deadline=None,
        suppress_health_check=[*HealthCheck.__members__.values()], phases=(Phase.explicit, Phase.generate),
    )
    @given(case=allowed | forbidden)
    def ask(case: Any) -> None:
        answer = case.call(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=60)
        answered[answer.status_code] += 1
        case.validate_response(answer, checks=CHECKED)

    return ask


if __name__ == "__main__":
    wrong, answered = ask_everything(sys.argv[1], sys.stdin.read().strip(), examples=int(sys.argv[2]))
    print("\n\n".join(wrong), dict(sorted(answered.items())), sep="\n")
    sys.exit(bool(wrong) or not {200, 201, 422} <= answered.keys())
