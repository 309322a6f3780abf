"""The listener: how Envoy reads requests before anybody sees them, what it passes them through, and what it logs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from craton.edge.settings import EdgeSettings
from craton.run.gateway.answers import local_replies
from craton.run.gateway.settings import GatewaySettings
from craton.run.gateway.words import Json, address_of, named

GRACE = 2.0
"""Seconds after its time when a service that has not answered is given up."""
IDLE = 75
SPOOFABLE = "(?i)(forwarded|x-real-ip|x-(forwarded|envoy)-.*|craton-.*)"
"""What only gateways and services may say: these headers are removed from outside requests."""
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


def listener(address: str, routes: Json, *, settings: GatewaySettings, edge: EdgeSettings) -> Json:
    """Where requests come in, over HTTP/1.1 or HTTP/2."""
    kind, found = "filters.network.http_connection_manager.v3.HttpConnectionManager", connections(settings, edge)
    chain: Json = {"filters": [named("http", kind, **found, **routes)]}
    if edge.certificate:
        chain["transport_socket"] = tls(edge)
    buffer = {"per_connection_buffer_limit_bytes": max(1 << 20, edge.body)}
    return {"name": "http", "address": address_of(address), "filter_chains": [chain]} | buffer


def connections(settings: GatewaySettings, edge: EdgeSettings) -> Json:
    """How each request is read: what is ambiguous, spoofed or endless is taken away."""
    log = named("log", "access_loggers.stream.v3.StdoutAccessLog", log_format={"json_format": LOG})
    return {
        "stat_prefix": "http", "server_header_transformation": "PASS_THROUGH",
        "always_set_request_id_in_response": True, **origin(edge),
        "normalize_path": True, "merge_slashes": True, "max_request_headers_kb": max(1, edge.head >> 10),
        "common_http_protocol_options": {
            "idle_timeout": f"{IDLE}s", "max_headers_count": 100, "headers_with_underscores_action": "DROP_HEADER",
        },
        "http2_protocol_options": {
            "max_concurrent_streams": 100, "initial_stream_window_size": 1 << 16,
            "initial_connection_window_size": 1 << 20,
        },
        "request_headers_timeout": f"{edge.patience}s", "request_timeout": f"{edge.longest}s",
        "stream_idle_timeout": f"{max(IDLE, edge.longest + 2 * GRACE)}s", "drain_timeout": "1s",
        "upgrade_configs": [{"upgrade_type": "websocket", "enabled": False}],
        "access_log": [log] if settings.log else [],
        "local_reply_config": local_replies(), "http_filters": list(filters(settings, edge)),
    }


def origin(edge: EdgeSettings) -> Json:
    """Where a request comes from: the address that sent it, or what a trusted proxy says. What only gateways and
    services may say is removed."""
    remove = {"key_matcher": {"safe_regex": {"regex": "(?i)craton-.*" if edge.trusted_proxies else SPOOFABLE}}}
    kind = "http.early_header_mutation.header_mutation.v3.HeaderMutation"
    removing = named("spoofable", kind, mutations=[{"remove_on_match": remove}])
    found: Json = {"early_header_mutation_extensions": [removing]}
    if not (proxies := edge.proxies()):
        return found | {"use_remote_address": True}
    trusted = {"cidrs": [{"address_prefix": str(p.network_address), "prefix_len": p.prefixlen} for p in proxies]}
    kind, how = "http.original_ip_detection.xff.v3.XffConfig", {"xff_trusted_cidrs": trusted, "skip_xff_append": False}
    return found | {"original_ip_detection_extensions": [named("xff", kind, **how)]}


def filters(settings: GatewaySettings, edge: EdgeSettings) -> Iterator[Json]:
    """What a request passes through, in this order."""
    ready = {"name": ":path", "string_match": {"safe_regex": {"regex": r"/health/ready(\?.*)?"}}}
    yield named("ready", "filters.http.health_check.v3.HealthCheck", pass_through_mode=False, headers=[ready])
    if settings.rate:
        yield named("rate", "filters.http.local_ratelimit.v3.LocalRateLimit", **rate_limit(settings))
    yield named("buffer", "filters.http.buffer.v3.Buffer", max_request_bytes=edge.body)
    wait = WAIT.replace("LONGEST", f"{edge.longest:g}").replace("GRACE", f"{GRACE:g}")
    yield named("lua", "filters.http.lua.v3.Lua", default_source_code={"inline_string": wait})
    yield named("router", "filters.http.router.v3.Router", suppress_envoy_headers=True)


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


def tls(edge: EdgeSettings) -> Json:
    """TLS towards clients; certificates that are replaced are taken up."""
    file, key = Path(edge.certificate).absolute(), Path(edge.key).absolute()
    certificate = {
        "certificate_chain": {"filename": str(file)}, "private_key": {"filename": str(key)},
        "watched_directory": {"path": str(file.parent)},
    }
    context = {
        "alpn_protocols": ["h2", "http/1.1"], "tls_certificates": [certificate],
        "tls_params": {"tls_minimum_protocol_version": "TLSv1_2"},
    }
    return named("tls", "transport_sockets.tls.v3.DownstreamTlsContext", common_tls_context=context)
