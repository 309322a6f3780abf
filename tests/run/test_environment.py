"""The environment of a service: what is written is what is read, and what is wrong is named."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from craton.errors import SettingsError
from craton.run.environment import Environment

SECRET = "a secret of at least thirty-two letters"
GOOD = {"CRATON_TOPOLOGY": "hybrid", "CRATON_SERVICE": "orders", "CRATON_SECRET": SECRET}

NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,10}", fullmatch=True)
PLACES = st.sampled_from(["unix:/run/a.rest", "127.0.0.1:80", "http://h:1/under", "https://orders.example.com"])
ADDRESSES = st.sampled_from(["unix:/run/a.sock", "tcp:127.0.0.1:80", "tcp:[::1]:9000", "tcp:orders:1"])


@given(
    topology=NAMES, service=NAMES, database=st.sampled_from([None, "sqlite:////d/a.db", "postgresql://u:p@h:1/d"]),
    listen=st.none() | ADDRESSES, http=st.sampled_from([None, "127.0.0.1:8000", "[::]:80", "unix:/run/a"]),
    broker=st.sampled_from([None, "amqp://u:p@h:5672/"]),
    grpc=st.sampled_from([None, "127.0.0.1:8000", "unix:/run/a.grpc"]),
    peers=st.dictionaries(NAMES, st.lists(ADDRESSES, min_size=1, max_size=3).map(tuple), max_size=3),
    rest_peers=st.dictionaries(NAMES, st.lists(PLACES, min_size=1, max_size=3).map(tuple), max_size=3),
)
def test_a_process_reads_what_the_supervisor_wrote(
    topology: str, service: str, database: str | None, listen: str | None, http: str | None,
    broker: str | None, grpc: str | None, peers: dict[str, tuple[str, ...]], rest_peers: dict[str, tuple[str, ...]],
) -> None:
    told = Environment(
        topology=topology, service=service, secret=SECRET.encode(), database=database, listen=listen, http=http,
        broker=broker, peers=peers, grpc=grpc, rest_peers=rest_peers,
    )
    assert Environment.parse(told.variables()) == told


@pytest.mark.parametrize(("changes", "message"), [
    ({"CRATON_SERVICE": ""}, "CRATON_SERVICE is missing: set it to the name of a service of the topology."),
    ({"CRATON_SECRET": "short"}, "CRATON_SECRET: has 5 characters"),
    ({"CRATON_DATABASE": "mysql://h/d"}, "CRATON_DATABASE: write sqlite:////folder/file.db or postgresql://"),
    ({"CRATON_BROKER": "http://h"}, "CRATON_BROKER: write amqp://user:password@host:5672/"),
    ({"CRATON_LISTEN": "8000"}, "CRATON_LISTEN: '8000' is not an address: write unix:/path or tcp:host:port."),
    ({"CRATON_HTTP": "8000"}, "CRATON_HTTP: '8000' is no place for HTTP: write host:port"),
    ({"CRATON_PEERS": "orders"}, "CRATON_PEERS: 'orders' is no peer: write service=address"),
    ({"CRATON_PEERS": "orders=tcp:h"}, "CRATON_PEERS: 'tcp:h' is not an address"),
    ({"CRATON_REST_PEERS": "orders=ftp://h"}, "CRATON_REST_PEERS: 'ftp://h' is no place for HTTP"),
    ({"CRATON_GRPC_PEERS": "orders=h"}, "CRATON_GRPC_PEERS: 'h' is no place for HTTP"),
])
def test_what_is_wrong_is_named_with_what_to_write(changes: dict[str, str], message: str) -> None:
    with pytest.raises(SettingsError) as found:
        Environment.parse(GOOD | changes)
    assert message in str(found.value)


def test_everything_that_is_wrong_is_named_at_once() -> None:
    with pytest.raises(SettingsError) as found:
        Environment.parse({"CRATON_HTTP": "?"})
    for variable in ("CRATON_TOPOLOGY", "CRATON_SERVICE", "CRATON_SECRET", "CRATON_HTTP"):
        assert variable in str(found.value)


def test_neither_the_secret_nor_a_password_shows_when_the_environment_is_printed() -> None:
    told = Environment.parse(GOOD | {"CRATON_DATABASE": "postgresql://u:password@h/d"})
    assert SECRET not in repr(told) and "password" not in repr(told)
