"""Services as Envoy sees them: where their replicas are, which of them are well, and who gets the next request."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from craton.run.gateway.passages import ANY
from craton.run.gateway.words import Json, address_of, is_fixed, typed, watched

IDLE = 30
"""Seconds that a connection to a service is kept unused: shorter than services keep theirs."""
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


def cluster(name: str, addresses: Sequence[str], *, folder: Path | None) -> Json:
    """One service. With a folder, its addresses stand in a file there, where they need no DNS."""
    found: Json = {
        "name": name, "connect_timeout": "1s", "lb_policy": "LEAST_REQUEST",
        "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": typed(
            "upstreams.http.v3.HttpProtocolOptions", explicit_http_config={"http_protocol_options": {}},
            common_http_protocol_options={"idle_timeout": f"{IDLE}s"},
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


def endpoints(name: str, addresses: Iterable[str]) -> Json:
    """Where the replicas of a service answer."""
    found = [{"endpoint": {"address": address_of(address)}} for address in addresses]
    return {"cluster_name": name, "endpoints": [{"lb_endpoints": found}]}
