"""The OpenAPI 3.1 document of an application: methods as operations, values as schemas, faults as problems."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from hashlib import blake2b
from http import HTTPStatus
from typing import Any

import msgspec

from craton.application import Application
from craton.calls.codec import reveal, to_json
from craton.calls.links.rest.problems import urn
from craton.edge.arguments import Parameter
from craton.edge.headers import LONGEST_KEY
from craton.edge.operation import Operation
from craton.edge.problems import KINDS, MEDIA_TYPE, title
from craton.sagas.sagas import SagaStatus
from craton.values import Fault, Secret, body_of

Json = dict[str, Any]
REFERENCE = "#/components/schemas/{name}"
ANY_PROBLEM: Json = {"$ref": REFERENCE.format(name="Problem")}
PROBLEM: Json = {
    "title": "Problem",
    "description": "Problem details of RFC 9457.",
    "type": "object",
    "properties": {
        "type": {"type": "string", "format": "uri", "description": "Which problem it is; never changes."},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string", "format": "uri", "description": "Which request it was, for support."},
    },
    "required": ["type", "title", "status"],
}
SECURITY: Json = {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}}
KEY: Json = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": True,
    "description": "A new one for each new request; the same for its repetition, which then gets the first answer.",
    "schema": {"type": "string", "minLength": 1, "maxLength": LONGEST_KEY + 2},
}
PREFER: Json = {
    "name": "Prefer",
    "in": "header",
    "required": False,
    "description": "`wait=5`: how many seconds the client waits for the answer (RFC 7240).",
    "schema": {"type": "string"},
}
IF_MATCH: Json = {
    "name": "If-Match",
    "in": "header",
    "required": True,
    "description": "The ETag of what was seen: it is changed only while it is still at that version.",
    "schema": {"type": "string", "pattern": r'^"\d{1,18}"$'},
}
IF_NONE_MATCH: Json = {
    "name": "If-None-Match",
    "in": "header",
    "required": False,
    "description": "The ETag of what is known: the answer is 304 while it is still at that version.",
    "schema": {"type": "string"},
}
LOCATION: Json = {
    "description": "Where the saga can be asked about.",
    "schema": {"type": "string", "format": "uri-reference"},
}
RUNNING: Json = {
    "type": "object",
    "properties": {"id": {"type": "string"}, "state": {"const": "running"}},
    "required": ["id", "state"],
}
HEADERS: Json = {
    "RequestId": {"description": "Names the request: the client's X-Request-ID, if any.", "schema": {"type": "string"}},
    "RateLimit": {"description": "How many requests are left, and until when.", "schema": {"type": "string"}},
    "RetryAfter": {"description": "In how many seconds to ask again.", "schema": {"type": "integer"}},
    "ETag": {"description": "The version of what was answered.", "schema": {"type": "string"}},
    "Link": {"description": 'Where the next page is, if any: `rel="next"`.', "schema": {"type": "string"}},
    "Location": LOCATION,
}
PARAMETERS: Json = {"IdempotencyKey": KEY, "Prefer": PREFER, "IfMatch": IF_MATCH, "IfNoneMatch": IF_NONE_MATCH}
SAGA_PROBLEMS = (401, 403, 404, 429, 503, 504)
AGAIN = (409, 429, 503)
"""The statuses of problems that may say when to ask again."""


class Schemas:
    """The schemas of a document: one component for each value that occurs in it."""

    def __init__(self, kinds: Sequence[Any]) -> None:
        unique = list({repr(kind): kind for kind in kinds}.items())
        found, components = msgspec.json.schema_components(
            [kind for _, kind in unique], schema_hook=schema_of, ref_template=REFERENCE
        )
        self.components: Json = {"Problem": PROBLEM} | components
        self._of = dict(zip((name for name, _ in unique), found, strict=True))

    def of(self, kind: Any) -> Json:
        """The schema of one type, which was among those given."""
        return self._of[repr(kind)]

    def fault(self, application: str, fault: type[Fault]) -> Json:
        """The schema of a fault as a problem, made a component."""
        fields = self.of(body_of(fault))
        name = fields["$ref"].rpartition("/")[2] + "Problem"
        own = {"properties": {"type": {"const": urn(application, fault)}, "status": {"const": fault.status}}}
        self.components[name] = {"title": title(fault), "allOf": [ANY_PROBLEM, fields, own]}
        return {"$ref": REFERENCE.format(name=name)}


def schema_of(kind: type) -> Json:
    """The schema of a type that msgspec does not know: only secrets."""
    if kind is Secret:
        return {"type": "string", "format": "password"}
    raise TypeError(f"{kind.__qualname__} has no schema: use values and plain types.")


def document(application: Application, operations: Sequence[Operation]) -> Json:
    """The document of an application."""
    schemas = Schemas([SagaStatus, *(kind for one in operations for kind in kinds_of(one))])
    paths: dict[str, Json] = {}
    for one in operations:
        paths.setdefault(one.route.path, {})[one.route.verb.lower()] = described(application, one, schemas)
    paths |= own_paths(schemas)
    digest = blake2b(to_json([paths, schemas.components]), digest_size=6).hexdigest()
    return {
        "openapi": "3.1.0",
        "info": {"title": application.name, "version": digest, "description": "The version is a digest."},
        "servers": [{"url": "/"}],
        "tags": [{"name": m.name, "description": inspect.getdoc(m.contract) or m.name} for m in application.modules],
        "paths": paths,
        "components": {
            "schemas": schemas.components, "responses": general_responses(), "parameters": PARAMETERS,
            "headers": HEADERS, "securitySchemes": SECURITY,
        },
    }


def kinds_of(operation: Operation) -> list[Any]:
    """Every type that an operation's description names."""
    reader, method = operation.reader, operation.method
    outside = [p.type for p in (*reader.path, *reader.query)]
    inside = [] if reader.body is None else [reader.body]
    return [*outside, *inside, method.result, *(body_of(fault) for fault in method.raises)]


def described(application: Application, operation: Operation, schemas: Schemas) -> Json:
    """One operation."""
    reader, method = operation.reader, operation.method
    places = {"path": reader.path, "query": reader.query}
    parameters = [parameter(p, place, schemas) for place, found in places.items() for p in found]
    text = inspect.getdoc(getattr(operation.module.contract, method.name)) or operation.name
    description: Json = {
        "operationId": operation.name,
        "tags": [operation.module.name],
        "summary": text.partition("\n")[0],
        "description": text,
        "security": security(method.allow),
        "parameters": parameters + header_parameters(operation),
        "responses": responses(application, operation, schemas),
    }
    if reader.body is not None and reader.body.__struct_fields__:
        required = any(field.required for field in msgspec.structs.fields(reader.body))
        description["requestBody"] = {"required": required} | content("application/json", schemas.of(reader.body))
    return description


def header_parameters(operation: Operation) -> list[Json]:
    """What an operation reads from headers."""
    seen, method = operation.reader.version, operation.method
    found = {
        "IdempotencyKey": method.kind != "query" and method.keyed, "Prefer": True,
        "IfNoneMatch": bool(operation.version),
        "IfMatch": seen is not None and seen.default is msgspec.NODEFAULT,
    }
    references = [{"$ref": f"#/components/parameters/{name}"} for name, read in found.items() if read]
    optional = [] if seen is None or found["IfMatch"] else [IF_MATCH | {"required": False}]
    return references + optional


def headers(*names: str) -> Json:
    """Headers of a response, besides those of every one."""
    known = {"X-Request-ID": "RequestId", "RateLimit": "RateLimit", "Retry-After": "RetryAfter"}
    return {n: {"$ref": f"#/components/headers/{known.get(n, n)}"} for n in ("X-Request-ID", "RateLimit", *names)}


def content(media: str, schema: Json) -> Json:
    """What a body holds."""
    return {"content": {media: {"schema": schema}}}


def parameter(p: Parameter, place: str, schemas: Schemas) -> Json:
    """One parameter in a path or a query string."""
    schema = schemas.of(p.type)
    if p.default is not msgspec.NODEFAULT:
        schema = schema | {"default": msgspec.to_builtins(p.default, enc_hook=reveal)}
    return {"name": p.name, "in": place, "required": p.default is msgspec.NODEFAULT, "schema": schema}


def security(allow: str) -> list[Json]:
    """Who may call it. OpenAPI 3.1 lets the roles stand beside the scheme."""
    if allow == "anyone":
        return [{}, {"bearer": []}]
    return [{"bearer": [] if allow == "caller" else [allow]}]


def responses(application: Application, operation: Operation, schemas: Schemas) -> Json:
    """Every answer an operation may give, by status."""
    told: dict[int, list[type[Fault]]] = {status: [] for status in general(operation)}
    for fault in operation.method.raises:
        told.setdefault(fault.status, []).append(fault)
    found = {str(operation.success): success(operation, schemas)}
    if operation.method.kind == "saga":
        told_headers = headers("Location", "Retry-After")
        found["202"] = {"description": "It goes on.", "headers": told_headers} | content("application/json", RUNNING)
    if operation.version:
        found["304"] = {"description": "It is still at the version that is known.", "headers": headers("ETag")}
    for status, faults in sorted(told.items()):
        if not faults:
            found[str(status)] = general_response(status)
            continue
        options = [ANY_PROBLEM] if status in general(operation) else []
        options += [schemas.fault(application.name, fault) for fault in faults]
        found[str(status)] = problem(status, options, texts=[title(fault) for fault in faults])
    found["default"] = general_response("default")
    return found


def general_response(status: int | str) -> Json:
    """One of those that any operation may give."""
    return {"$ref": f"#/components/responses/{status}"}


def general_responses() -> Json:
    """The problems that any operation may answer with, by status."""
    found = {str(status): problem(status, [ANY_PROBLEM]) for status in sorted({status for status, _ in KINDS.values()})}
    return found | {"default": problem(0, [ANY_PROBLEM], texts=["What HTTP itself forbids"])}


def general(operation: Operation) -> list[int]:
    """The statuses of the problems that are not faults."""
    changes, has_body = operation.method.kind != "query", operation.reader.body is not None
    found = {400: True, 401: True, 403: operation.method.allow not in ("anyone", "caller"), 409: changes, 413: has_body}
    found |= {415: has_body, 422: True, 429: True, 500: True, 503: True, 504: True}
    found |= {412: True, 428: True} if operation.reader.version else {}
    return [status for status, told in found.items() if told]


def success(operation: Operation, schemas: Schemas) -> Json:
    """The answer with a result."""
    if operation.success == 204:
        return {"description": "Done.", "headers": headers()}
    media = "application/x-ndjson" if operation.method.streams else "application/json"
    what = "One result per line." if operation.method.streams else "The result."
    told = headers(*(["ETag"] if operation.version else []), *(["Link"] if operation.paged else []))
    return {"description": what, "headers": told} | content(media, schemas.of(operation.method.result))


def problem(status: int, options: list[Json], *, texts: Sequence[str] = ()) -> Json:
    """An answer with one of several problems."""
    schema = options[0] if len(options) == 1 else {"anyOf": options}
    phrase = HTTPStatus(status).phrase if status in set(HTTPStatus) else "A fault"
    told = headers(*(["Retry-After"] if status in AGAIN else []))
    return {"description": "; ".join(texts) or phrase, "headers": told} | content(MEDIA_TYPE, schema)


def own_paths(schemas: Schemas) -> dict[str, Json]:
    """What the edge serves of its own."""
    status = {"description": "Where it stands."} | content("application/json", schemas.of(SagaStatus))
    names = [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in ("module", "id")]
    saga = {
        "operationId": "saga.status", "summary": "Where a saga stands.",
        "parameters": names, "security": security("anyone"),
        "responses": {"200": status} | {str(code): general_response(code) for code in SAGA_PROBLEMS},
    }
    healthy: Json = {"200": {"description": "Yes."}}
    live = {"operationId": "health.live", "summary": "Whether this process runs.", "security": [], "responses": healthy}
    ready = live | {
        "operationId": "health.ready", "summary": "Whether this process takes calls.",
        "responses": healthy | {"503": problem(503, [ANY_PROBLEM])},
    }
    return {"/sagas/{module}/{id}": {"get": saga}, "/health/live": {"get": live}, "/health/ready": {"get": ready}}
