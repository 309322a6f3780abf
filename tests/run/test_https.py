"""`craton run --tls`: HTTPS at the edge, and TLS wherever else a port is open, with what `craton certs` makes."""

from __future__ import annotations

import json
import ssl
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.error import URLError

import grpc
import pytest

from craton.run.certs import certs
from craton.run.folder import free_port
from tests.run.running import craton
from tests.run.test_supervisor import COMPANION

HOSTS = ("localhost", "127.0.0.1")
SETUP = COMPANION.replace(r"print(\"set up\"", r"print(\"believes\", os.environ[\"SSL_CERT_FILE\"]").replace(
    r'os.environ[\"FILES_URL\"]', "1"
)


def ask(url: str, *, ca: Path) -> tuple[Mapping[str, str], Any]:
    """What a client is answered that believes this authority: headers and JSON."""
    context = ssl.create_default_context(cafile=str(ca))
    with urllib.request.urlopen(url, timeout=30, context=context) as response:
        return response.headers, json.load(response)


async def test_the_edge_speaks_https_and_grpc_tls_with_the_certificates_of_craton(shop: Path) -> None:
    (shop / "shop" / "topology.toml").write_text(SETUP)
    certs(shop / "tls", ["stock", "orders", "gateway"], hosts=HOSTS)
    certs(shop / "other", ["gateway"])
    ports = ("--port", f"{free_port()}", "--grpc", f"{free_port()}")
    async with craton("run", "shop", "--topology", "microservices", *ports, "--tls", "tls") as command:
        url = (await command.says(r"shop is ready at (\S+)")).group(1)
        assert url.startswith("https://") and f"believes {shop / 'tls' / 'ca.crt'}" in command.text
        headers, left = ask(f"{url}/stock/apple", ca=shop / "tls" / "ca.crt")
        assert left == 0 and "max-age" in headers["strict-transport-security"]
        with pytest.raises(URLError, match="CERTIFICATE_VERIFY_FAILED"):
            ask(f"{url}/stock/apple", ca=shop / "other" / "ca.crt")
        with pytest.raises((URLError, ConnectionError)):
            ask(url.replace("https:", "http:"), ca=shop / "tls" / "ca.crt")
        believed = grpc.ssl_channel_credentials((shop / "tls" / "ca.crt").read_bytes())
        async with grpc.aio.secure_channel(f"127.0.0.1:{ports[3]}", believed) as channel:
            await channel.channel_ready()


async def test_a_certificate_that_is_missing_is_told_with_the_command_that_makes_it(shop: Path) -> None:
    certs(shop / "tls", ["stock", "gateway"])
    async with craton("run", "shop", "--topology", "microservices", "--tls", "tls") as command:
        assert await command.ended() == 2
    told = f"craton certs {shop / 'tls'} --services stock,orders,gateway --hosts localhost,127.0.0.1"
    assert command.text == f"craton: --tls: {shop / 'tls'} has not all certificates: make them by `{told}`."
