"""The OpenAPI document is valid, complete, and true: what the edge answers is what it says."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # has no types
from openapi_spec_validator import OpenAPIV31SpecValidator, validate

from craton.application import Application
from craton.calls.codec import to_json
from craton.edge.openapi import document
from craton.edge.operation import operations
from tests.edge.desk import CLERK, Service, client


@cache
def documented() -> dict[str, Any]:
    application = Service().application
    found: dict[str, Any] = json.loads(to_json(document(application, operations(application))))
    return found


async def test_the_document_is_valid_openapi() -> None:
    async with client(Service()) as http:
        served = (await http.get("/openapi.json")).json()
    validate(served, cls=OpenAPIV31SpecValidator)
    assert served["openapi"] == "3.1.0"


def test_every_method_with_a_route_is_an_operation_and_no_other() -> None:
    found = {op["operationId"]: op for path in documented()["paths"].values() for op in path.values()}
    assert set(found) == {
        "stock.available", "stock.low", "stock.find", "stock.lines", "stock.wait", "stock.ask", "stock.reserve",
        "stock.correct", "stock.remove", "orders.place", "orders.card", "orders.checkout", "orders.broken",
        "saga.status", "health.live", "health.ready",
    }
    assert found["stock.find"]["tags"] == ["stock"]
    assert found["stock.find"]["summary"] == "Find products."
    assert documented()["tags"][0] == {"name": "stock", "description": "Stock on hand."}


def test_parameters_say_where_they_stand_and_what_they_may_be() -> None:
    found = {p["name"]: p for p in documented()["paths"]["/find"]["get"]["parameters"] if "name" in p}
    limit = {"type": "integer", "default": 10}
    assert found["limit"] == {"name": "limit", "in": "query", "required": False, "schema": limit}
    assert found["ids"]["schema"] == {"type": "array", "items": {"type": "string", "format": "uuid"}, "default": []}
    sku = documented()["paths"]["/stock/{sku}"]["get"]["parameters"][0]
    assert sku == {"name": "sku", "in": "path", "required": True, "schema": {"type": "string"}}


def test_bodies_hold_what_does_not_stand_in_the_path() -> None:
    body = documented()["paths"]["/stock/{sku}"]["put"]["requestBody"]
    schema = body["content"]["application/json"]["schema"]
    assert body["required"]
    assert resolved(schema)["properties"] == {"quantity": {"type": "integer"}}
    assert not documented()["paths"]["/stock/{sku}"]["patch"]["requestBody"]["required"]
    assert "requestBody" not in documented()["paths"]["/stock/{sku}"]["delete"]
    card = documented()["paths"]["/card"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert resolved(card)["properties"]["number"] == {"type": "string", "format": "password"}


def test_what_changes_something_names_the_key() -> None:
    key = {"$ref": "#/components/parameters/IdempotencyKey"}
    assert key in documented()["paths"]["/orders"]["post"]["parameters"]
    assert key in documented()["paths"]["/stock/{sku}"]["delete"]["parameters"]
    assert key not in documented()["paths"]["/stock/{sku}"]["get"]["parameters"]
    assert key not in documented()["paths"]["/ask"]["post"]["parameters"]


def test_security_names_who_may_call() -> None:
    paths = documented()["paths"]
    assert paths["/find"]["get"]["security"] == [{}, {"bearer": []}]
    assert paths["/checkout"]["post"]["security"] == [{"bearer": []}]
    assert paths["/stock/{sku}"]["put"]["security"] == [{"bearer": ["clerk"]}]


def test_faults_are_problems_under_their_status() -> None:
    answers = documented()["paths"]["/stock/{sku}"]["put"]["responses"]
    known = {"204", "400", "401", "403", "404", "409", "413", "415", "422", "429", "500", "503", "504", "default"}
    assert set(answers) == known
    schemas = {status: answers[status]["content"]["application/problem+json"]["schema"] for status in ("404", "409")}
    assert schemas["404"] == {"$ref": "#/components/schemas/NoSuchProductProblem"}
    assert {"$ref": "#/components/schemas/OutOfStockProblem"} in schemas["409"]["anyOf"]
    problem = documented()["components"]["schemas"]["OutOfStockProblem"]
    assert problem["allOf"][2]["properties"]["type"] == {"const": "urn:craton:store:out-of-stock"}


def test_a_saga_names_the_answer_while_it_goes_on() -> None:
    answers = documented()["paths"]["/checkout"]["post"]["responses"]
    assert {"201", "202"} <= set(answers) and "Location" in answers["202"]["headers"]
    assert "202" not in documented()["paths"]["/orders"]["post"]["responses"]


def test_the_version_changes_with_the_contracts() -> None:
    whole = Service().application
    less = Application("store", whole.modules[:1])
    assert document(less, operations(less))["info"]["version"] != documented()["info"]["version"]


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    """The component that a schema points at."""
    name = schema["$ref"].rpartition("/")[2]
    found: dict[str, Any] = documented()["components"]["schemas"][name]
    return found


CALLS = [
    ("GET", "/stock/{sku}", "/stock/none", None), ("GET", "/stock/{sku}", "/stock/a", None),
    ("GET", "/find", "/find?limit=x", None), ("GET", "/find", "/find?text=a", None),
    ("GET", "/stock/low", "/stock/low", None),
    ("PUT", "/stock/{sku}", "/stock/a", {"quantity": 9}), ("PUT", "/stock/{sku}", "/stock/a", {}),
    ("POST", "/checkout", "/checkout", {"cart": "slow"}), ("POST", "/checkout", "/checkout", {"cart": "c"}),
    ("POST", "/orders", "/orders", {"lines": [{"sku": "a"}]}),
    ("GET", "/sagas/{module}/{id}", "/sagas/orders/none", None),
]


@pytest.mark.parametrize(("verb", "template", "path", "body"), CALLS)
async def test_answers_are_as_the_document_says(verb: str, template: str, path: str, body: Any) -> None:
    async with client(Service(), CLERK) as http:
        answer = await http.request(verb, path, json=body, headers={"Idempotency-Key": "k"})
    described = documented()["paths"][template][verb.lower()]["responses"][str(answer.status_code)]
    if "$ref" in described:
        described = documented()["components"]["responses"][described["$ref"].rpartition("/")[2]]
    schema = described["content"][answer.headers["content-type"]]["schema"]
    Draft202012Validator(schema | {"components": documented()["components"]}).validate(answer.json())


PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
NAMES = st.sampled_from(["lines", "sku", "quantity", "price", "note", "number", "wait", "cart"]) | st.text()
JSON = st.recursive(
    PLAIN | st.sampled_from(["small", "NaN", "1.5", "PT1S"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=200)
@given(st.sampled_from(["/orders", "/ask", "/card", "/checkout"]), JSON)
async def test_a_body_that_its_schema_refuses_is_refused_and_no_body_breaks_the_edge(path: str, body: Any) -> None:
    headers = {"Idempotency-Key": "k", "Content-Type": "application/json"}
    async with client(Service(), CLERK) as http:
        answer = await http.post(path, content=json.dumps(body), headers=headers)
    schema = documented()["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
    fits = Draft202012Validator(schema | {"components": documented()["components"]}).is_valid(body)
    assert answer.status_code in ((200, 201, 204, 422) if fits else (422,)), answer.text
