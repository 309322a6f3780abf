"""Envoy's configuration, as plain data: from passages, settings and addresses to what Envoy reads as JSON."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from craton.application import Application
from craton.edge.settings import EdgeSettings
from craton.run.gateway import ANY, GatewaySettings, Passage, Target, fronts, passages
from craton.run.gateway_answers import local_replies
from craton.topology import Topology

Json = dict[str, Any]
NOTHING_SENT = "connect-failure,refused-stream,reset-before-request"
"""When a request has not reached a service: then any may be sent again, to another replica."""
AGAIN = {"query": f"{NOTHING_SENT},reset", "stream": NOTHING_SENT, "command": NOTHING_SENT, "page": NOTHING_SENT}
GRACE = 2.0
"""Seconds after its time when a service that has not answered is given up."""
IDLE = 75
UPSTREAM_IDLE = 30
"""Seconds that a connection to a service is kept unused: shorter than services keep theirs."""
SPOOFABLE = "(?i)(forwarded|x-real-ip|x-(forwarded|envoy)-.*|craton-.*)"
"""What only gateways and services may say: these headers are removed from outside requests."""
INTERNAL = "(?i)(/|%2f)+" + "".join(f"({letter}|%{ord(letter):x})" for letter in "craton/") + ".*"
"""Where services answer each other over HTTP, however it is written: nothing for outside."""
WAIT = """
function envoy_on_request(handle)
  local wait = string.match(string.lower(handle:headers():get("prefer") or ""), "wait%s*=%s*\\"?(%d+)")
  if wait then
    local seconds = math.min(math.max(tonumber(wait), 1), LONGEST) + GRACE
    handle:headers():replace("x-envoy-upstream-rq-timeout-ms", string.format("%d", seconds * 1000))
  end
end
"""
"""The time limit of a request whose client says how long it waits (RFC 7240)."""
LOG = {
    "@timestamp": "%START_TIME%", "event.dataset": "gateway.access", "log.level": "info",
    "event.duration": "%COMMON_DURATION(DS_RX_BEG:DS_TX_END:ns)%",
    "http.request.method": "%REQ(:METHOD)%", "url.path": "%PATH(NQ)%", "http.response.status_code": "%RESPONSE_CODE%",
    "http.request.bytes": "%BYTES_RECEIVED%", "http.response.bytes": "%BYTES_SENT%",
    "http.request.id": "%REQ(X-REQUEST-ID)%", "traceparent": "%REQ(TRACEPARENT)%",
    "client.address": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%", "user_agent.original": "%REQ(USER-AGENT)%",
    "service.name": "%UPSTREAM_CLUSTER%", "service.address": "%UPSTREAM_HOST%",
    "envoy.attempts": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%", "envoy.flags": "%RESPONSE_FLAGS%",
    "envoy.details": "%RESPONSE_CODE_DETAILS%",
}
"""A line for each request, in the words of the Elastic Common Schema. No query strings: they may hold secrets."""


@dataclass(frozen=True, kw_only=True)
class Envoy:
    """A gateway: for which topology, where each service answers, and where it listens itself ("host:port")."""

    application: Application
    topology: Topology
    services: Mapping[str, tuple[str, ...]]
    listen: str
    settings: GatewaySettings
    edge: EdgeSettings

    def static(self) -> Json:
        """All in one file, for services whose names do not change."""
        listener = self.listener({"route_config": self.routes()})
        return self.bootstrap | {"static_resources": {"listeners": [listener], "clusters": self.clusters()}}

    def moving(self, folder: Path) -> dict[str, Json]:
        """Several files, by name: what is replaced among them while Envoy runs, it takes up at once."""
        routes = {"rds": {"route_config_name": "routes", "config_source": watched(folder / "routes.json")}}
        found = {
            "envoy.json": self.bootstrap | {
                "static_resources": {"listeners": [self.listener(routes)]},
                "dynamic_resources": {"cds_config": watched(folder / "clusters.json")},
            },
            "routes.json": resources("envoy.config.route.v3.RouteConfiguration", [self.routes()]),
            "clusters.json": resources("envoy.config.cluster.v3.Cluster", self.clusters(folder)),
        }
        for name, addresses in self.addresses.items():
            if all(map(is_fixed, addresses)):
                kind = "envoy.config.endpoint.v3.ClusterLoadAssignment"
                found[f"{name}.endpoints.json"] = resources(kind, [endpoints(name, addresses)])
        return found

    @cached_property
    def addresses(self) -> dict[str, tuple[str, ...]]:
        """Where each service answers; and any one of them."""
        found = {name: self.services[name] for name in fronts(self.topology)}
        return {**found, ANY: tuple(address for addresses in found.values() for address in addresses)}

    @property
    def bootstrap(self) -> Json:
        """What is the same in both forms."""
        paths = ["/ready", "/stats", "/clusters", "/server_info", "/drain_listeners", "/healthcheck/fail"]
        limit = {"name": "envoy.resource_monitors.global_downstream_max_connections", "typed_config": typed(
            "resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig",
            max_active_downstream_connections=self.edge.connections,
        )}
        return {
            "overload_manager": {"resource_monitors": [limit]},
            "node": {"id": "gateway", "cluster": self.application.name},
            "admin": {
                "address": address_of(f"127.0.0.1:{self.settings.admin}"),
                "allow_paths": [{"prefix": path} for path in paths],
            },
        }

    # ------------------------------------------------------------------ requests come in

    def listener(self, routes: Json) -> Json:
        """Where requests come in, over HTTP/1.1 or HTTP/2."""
        chain: Json = {"filters": [{
            "name": "http", "typed_config": typed(
                "filters.network.http_connection_manager.v3.HttpConnectionManager", **self.connections, **routes,
            ),
        }]}
        if self.edge.certificate:
            chain["transport_socket"] = tls(self.edge)
        buffer = {"per_connection_buffer_limit_bytes": max(1 << 20, self.edge.body)}
        return {"name": "http", "address": address_of(self.listen), "filter_chains": [chain]} | buffer

    @property
    def connections(self) -> Json:
        """How each request is read before anybody sees it: what is ambiguous, spoofed or endless is taken away."""
        log = [{"name": "log", "typed_config": typed(
            "access_loggers.stream.v3.StdoutAccessLog", log_format={"json_format": LOG},
        )}]
        return {
            "stat_prefix": "http", "server_header_transformation": "PASS_THROUGH",
            "always_set_request_id_in_response": True, **self.origin,
            "early_header_mutation_extensions": [{"name": "spoofable", "typed_config": typed(
                "http.early_header_mutation.header_mutation.v3.HeaderMutation", mutations=self.spoofable,
            )}],
            "normalize_path": True, "merge_slashes": True, "max_request_headers_kb": max(1, self.edge.head >> 10),
            "common_http_protocol_options": {
                "idle_timeout": f"{IDLE}s", "max_headers_count": 100, "headers_with_underscores_action": "DROP_HEADER",
            },
            "http2_protocol_options": {
                "max_concurrent_streams": 100, "initial_stream_window_size": 65536,
                "initial_connection_window_size": 1 << 20,
            },
            "request_headers_timeout": f"{self.edge.patience}s", "request_timeout": f"{self.edge.longest}s",
            "stream_idle_timeout": f"{IDLE}s", "drain_timeout": "1s",
            "upgrade_configs": [{"upgrade_type": "websocket", "enabled": False}],
            "access_log": log if self.settings.log else [],
            "local_reply_config": local_replies(), "http_filters": list(self.filters()),
        }

    @property
    def origin(self) -> Json:
        """Where a request comes from: the address that sent it, or what a trusted proxy says."""
        if not (proxies := self.edge.proxies()):
            return {"use_remote_address": True}
        cidrs = [{"address_prefix": str(net.network_address), "prefix_len": net.prefixlen} for net in proxies]
        return {"original_ip_detection_extensions": [{"name": "xff", "typed_config": typed(
            "http.original_ip_detection.xff.v3.XffConfig", xff_trusted_cidrs={"cidrs": cidrs}, skip_xff_append=False,
        )}]}

    @property
    def spoofable(self) -> list[Json]:
        """What is removed from requests; what trusted proxies say is left."""
        pattern = "(?i)craton-.*" if self.edge.trusted_proxies else SPOOFABLE
        return [{"remove_on_match": {"key_matcher": {"safe_regex": {"regex": pattern}}}}]

    def filters(self) -> Iterator[Json]:
        """What a request passes through, in this order."""
        ready = {"name": ":path", "string_match": {"safe_regex": {"regex": r"/health/ready(\?.*)?"}}}
        yield http_filter("health_check.v3.HealthCheck", pass_through_mode=False, headers=[ready])
        if self.settings.rate:
            yield http_filter("local_ratelimit.v3.LocalRateLimit", **rate_limit(self.settings))
        yield http_filter("buffer.v3.Buffer", max_request_bytes=self.edge.body)
        wait = WAIT.replace("LONGEST", f"{self.edge.longest:g}").replace("GRACE", f"{GRACE:g}")
        yield http_filter("lua.v3.Lua", default_source_code={"inline_string": wait})
        yield http_filter("router.v3.Router", suppress_envoy_headers=True)

    # ------------------------------------------------------------------ and go on to services

    def routes(self) -> Json:
        """Where requests go, by path and verb; the first that fits counts."""
        found = [{"match": {"safe_regex": {"regex": INTERNAL}}, "direct_response": {"status": 404}}, LIVE]
        for passage in passages(self.application, self.topology):
            found += routes_of(passage, timeout=self.edge.timeout + GRACE)
        found.append({"match": {"prefix": "/"}, "direct_response": {"status": 404}})
        return {"name": "routes", "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": found}]}

    def clusters(self, folder: Path | None = None) -> list[Json]:
        """The services, as Envoy balances over their replicas; with a folder, their addresses stand there."""
        return [self.cluster(name, addresses, folder) for name, addresses in self.addresses.items()]

    def cluster(self, name: str, addresses: Sequence[str], folder: Path | None) -> Json:
        """One service."""
        found: Json = {
            "name": name, "connect_timeout": "1s", "lb_policy": "LEAST_REQUEST",
            "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": typed(
                "upstreams.http.v3.HttpProtocolOptions", explicit_http_config={"http_protocol_options": {}},
                common_http_protocol_options={"idle_timeout": f"{UPSTREAM_IDLE}s"},
            )},
            # with every replica down, all are tried: a service that has just come back need not wait for its check
            "common_lb_config": {"healthy_panic_threshold": {"value": 1}},
            "circuit_breakers": {"thresholds": [{
                "max_connections": 1024, "max_pending_requests": 1024, "max_requests": 4096,
                "retry_budget": {"budget_percent": {"value": 20}, "min_retry_concurrency": 3},
            }]},
            "outlier_detection": OUTLIER, "ignore_health_on_host_removal": True,
        }
        if name != ANY:
            found["health_checks"] = [HEALTH_CHECK]
        fixed = all(map(is_fixed, addresses))
        if folder and fixed:
            return found | {"type": "EDS", "eds_cluster_config": {
                "eds_config": watched(folder / f"{name}.endpoints.json"), "service_name": name,
            }}
        return found | {"type": "STATIC" if fixed else "STRICT_DNS", "load_assignment": endpoints(name, addresses)}


LIVE: Json = {
    "match": {"path": "/health/live"},
    "direct_response": {"status": 200, "body": {"inline_string": '{"status":"live"}'}},
    "response_headers_to_add": [{"header": {"key": "content-type", "value": "application/json"}}],
}
HEALTH_CHECK: Json = {
    "timeout": "2s", "interval": "1s", "no_traffic_interval": "1s", "unhealthy_threshold": 2, "healthy_threshold": 1,
    "http_health_check": {"path": "/health/ready"},
}
OUTLIER: Json = {  # what a service answers is no evidence against it; that its connections break, is
    "interval": "1s", "base_ejection_time": "1s", "max_ejection_time": "5s", "max_ejection_percent": 50,
    "split_external_local_origin_errors": True, "consecutive_local_origin_failure": 3,
    "enforcing_consecutive_5xx": 0, "enforcing_consecutive_gateway_failure": 0, "enforcing_success_rate": 0,
    "enforcing_local_origin_success_rate": 0,
}


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
        yield {
            "match": match(passage), "direct_response": {"status": 405}, "response_headers_to_add": [allow],
        }


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
            "retry_on": AGAIN[target.what], "num_retries": 2, "host_selection_retry_max_attempts": 3,
            "retry_host_predicate": [{"name": "previous", "typed_config": typed(
                "retry.host.previous_hosts.v3.PreviousHostsPredicate",
            )}],
        },
    }
    without = {"lua": typed("filters.http.lua.v3.LuaPerRoute", disabled=True)} if endless else {}
    if target.what == "page":  # an application of its own has limits of its own
        route["upgrade_configs"] = [{"upgrade_type": "websocket", "enabled": True}]
        without["buffer"] = typed("filters.http.buffer.v3.BufferPerRoute", disabled=True)
    return {"route": route} | ({"typed_per_filter_config": without} if without else {})


def rate_limit(settings: GatewaySettings) -> Json:
    """So many requests from each client address."""
    always = {"default_value": {"numerator": 100, "denominator": "HUNDRED"}}
    bucket = {
        "max_tokens": settings.burst or settings.rate, "tokens_per_fill": settings.rate, "fill_interval": "1s",
    }
    return {
        "stat_prefix": "rate", "filter_enabled": always, "filter_enforced": always,
        "token_bucket": {"max_tokens": 1 << 30, "tokens_per_fill": 1 << 30, "fill_interval": "1s"},
        "rate_limits": [{"actions": [{"remote_address": {}}]}],
        "descriptors": [{"entries": [{"key": "remote_address"}], "token_bucket": bucket}],
        "max_dynamic_descriptors": 10_000,
    }


def tls(settings: EdgeSettings) -> Json:
    """TLS towards clients; certificates that are replaced are taken up."""
    folder = {"path": str(Path(settings.certificate).absolute().parent)}
    certificate = {
        "certificate_chain": {"filename": str(Path(settings.certificate).absolute())},
        "private_key": {"filename": str(Path(settings.key).absolute())}, "watched_directory": folder,
    }
    context = {
        "alpn_protocols": ["h2", "http/1.1"], "tls_certificates": [certificate],
        "tls_params": {"tls_minimum_protocol_version": "TLSv1_2"},
    }
    return {"name": "tls", "typed_config": typed(
        "transport_sockets.tls.v3.DownstreamTlsContext", common_tls_context=context,
    )}


def endpoints(name: str, addresses: Iterable[str]) -> Json:
    """Where the replicas of a service answer."""
    found = [{"endpoint": {"address": address_of(address)}} for address in addresses]
    return {"cluster_name": name, "endpoints": [{"lb_endpoints": found}]}


def address_of(text: str) -> Json:
    """unix:/path, host:port or http://host:port in Envoy's words."""
    text = text.removeprefix("http://")
    if text.startswith("unix:"):
        return {"pipe": {"path": text.removeprefix("unix:")}}
    host, _, port = text.rpartition(":")
    return {"socket_address": {"address": host.strip("[]"), "port_value": int(port)}}


def is_fixed(address: str) -> bool:
    """Whether it is no name that DNS would have to find."""
    try:
        place = address.removeprefix("http://")
        return place.startswith("unix:") or bool(ip_address(place.rpartition(":")[0].strip("[]")))
    except ValueError:
        return False


def watched(file: Path) -> Json:
    """What stands in a file, which may be replaced by another."""
    source = {"path": str(file), "watched_directory": {"path": str(file.parent)}}
    return {"resource_api_version": "V3", "path_config_source": source}


def resources(kind: str, found: Iterable[Json]) -> Json:
    """What such a file holds."""
    return {"resources": [{"@type": f"type.googleapis.com/{kind}", **one} for one in found]}


def typed(kind: str, **fields: Any) -> Json:
    """An extension's configuration."""
    return {"@type": f"type.googleapis.com/envoy.extensions.{kind}", **fields}


def http_filter(kind: str, **fields: Any) -> Json:
    """A filter; routes refer to it by its name."""
    return {"name": kind.partition(".")[0], "typed_config": typed(f"filters.http.{kind}", **fields)}
