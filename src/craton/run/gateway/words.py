"""Envoy's words for what is said often: extensions, addresses, and files that it looks at."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address
from pathlib import Path
from typing import Any

Json = dict[str, Any]


def typed(kind: str, **fields: Any) -> Json:
    """An extension's configuration."""
    return {"@type": f"type.googleapis.com/envoy.extensions.{kind}", **fields}


def named(name: str, kind: str, **fields: Any) -> Json:
    """An extension by its name; routes refer to filters by it."""
    return {"name": name, "typed_config": typed(kind, **fields)}


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
