"""Routes: passages in Envoy's words, with how long each request may take and when it is sent again."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from craton.application import Application
from craton.run.gateway.passages import Passage, Target, passages
from craton.run.gateway.words import Json, named, typed
from craton.topology import Topology

NOTHING_SENT = "connect-failure,refused-stream,reset-before-request"
"""When a request has not reached a service: then any may be sent again, to another replica."""
AGAIN = {"query": f"{NOTHING_SENT},reset", "stream": NOTHING_SENT, "command": NOTHING_SENT, "page": NOTHING_SENT}
INTERNAL = "(?i)(/|%2f)+" + "".join(f"({letter}|%{ord(letter):x})" for letter in "craton/") + ".*"
"""Where services answer each other over HTTP, however it is written: nothing for outside."""
LIVE: Json = {
    "match": {"path": "/health/live"},
    "direct_response": {"status": 200, "body": {"inline_string": '{"status":"live"}'}},
    "response_headers_to_add": [{"header": {"key": "content-type", "value": "application/json"}}],
}


def route_table(application: Application, topology: Topology, *, timeout: float) -> Json:
    """Where requests go, by path and verb; the first that fits counts. `timeout`: seconds for those who do not say."""
    found = [{"match": {"safe_regex": {"regex": INTERNAL}}, "direct_response": {"status": 404}}, LIVE]
    for passage in passages(application, topology):
        found += routes_of(passage, timeout=timeout)
    found.append({"match": {"prefix": "/"}, "direct_response": {"status": 404}})
    return {"name": "routes", "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": found}]}


def routes_of(passage: Passage, *, timeout: float) -> Iterator[Json]:
    """Envoy's routes for one passage."""
    for target in dict.fromkeys(passage.verbs.values()):
        verbs = [verb for verb, to in passage.verbs.items() if to == target]
        if target != passage.others:
            yield {"match": match(passage, verbs), **forward(target, timeout)}
    if passage.others:
        yield {"match": match(passage), **forward(passage.others, timeout)}
    else:
        allow = {"header": {"key": "allow", "value": ", ".join(sorted(passage.allowed))}}
        yield {"match": match(passage), "direct_response": {"status": 405}, "response_headers_to_add": [allow]}


def match(passage: Passage, verbs: Iterable[str] = ()) -> Json:
    """The requests of a passage, by some verbs or by any."""
    found: Json = {"safe_regex": {"regex": re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(passage.path))}}
    if passage.under:
        found = {"prefix": "/"} if passage.path == "/" else {"path_separated_prefix": passage.path}
    elif "{" not in passage.path:
        found = {"path": passage.path}
    if verbs := [*verbs, *(["HEAD"] if "GET" in verbs else [])]:
        found["headers"] = [{"name": ":method", "string_match": {"safe_regex": {"regex": "|".join(verbs)}}}]
    return found


def forward(target: Target, timeout: float) -> Json:
    """On to a service: for how long, and when again."""
    endless = target.what in ("stream", "page")
    route: Json = {
        "cluster": target.service, "timeout": "0s" if endless else f"{timeout}s",
        "retry_policy": {
            "retry_on": AGAIN[target.what], "num_retries": 2, "host_selection_retry_max_attempts": 10,
            "retry_host_predicate": [named("previous", "retry.host.previous_hosts.v3.PreviousHostsPredicate")],
        },
    }
    without = {"lua": typed("filters.http.lua.v3.LuaPerRoute", disabled=True)} if endless else {}
    if target.what == "page":  # an application of its own has limits of its own
        route["upgrade_configs"] = [{"upgrade_type": "websocket", "enabled": True}]
        without["buffer"] = typed("filters.http.buffer.v3.BufferPerRoute", disabled=True)
    return {"route": route} | ({"typed_per_filter_config": without} if without else {})
