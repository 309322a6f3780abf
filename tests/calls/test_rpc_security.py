"""rpc under attack: certificates, contracts that do not fit, peers that want too much, and what was overheard."""

from __future__ import annotations

import ast
import asyncio
import ssl
import stat
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import pytest

from craton.application import find_application, implementations, needs_of
from craton.calls.assertion import Signer, derive
from craton.calls.context import Caller
from craton.calls.link import Reply, Request
from craton.calls.links.rpc import RpcLink, RpcServer
from craton.calls.links.rpc.frames import Frame, FrameReader, Hello, Kind, encode, frame, read
from craton.calls.links.rpc.handshake import ClientGreeting, ServerGreeting, Terms
from craton.calls.links.rpc.tls import Files, Tls, tls_of
from craton.contract import query
from craton.errors import NotRun, SettingsError
from craton.run.certs import certs
from craton.run.grants import grants_of, needs_in, needs_in_source
from craton.run.loading import load_application
from tests.until import until

SECRET = b"known to both sides of each test"
NEEDS = frozenset({"shop"})
NOW = datetime.now(UTC)


async def echo(request: Request) -> Reply:
    """A handler."""
    return Reply("ok", request.body)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Certificates of two services."""
    certs(tmp_path / "tls", ["shop", "web"])
    return tmp_path / "tls"


def tls(folder: Path, service: str) -> Tls:
    """What a service shows."""
    return Tls(Files.of(str(folder), service))


@asynccontextmanager
async def shop(folder: Path | None, **options: Any) -> AsyncIterator[RpcServer]:
    """The service `shop`, on TCP."""
    protection = tls(folder, "shop") if folder else None
    async with RpcServer(echo, "tcp:127.0.0.1:0", secret=SECRET, service="shop", tls=protection, **options) as server:
        yield server


def web(server: RpcServer, folder: Path | None, *, certificate: str = "web", **options: Any) -> RpcLink:
    """The service `web`, with a certificate, as it asks `shop`."""
    known: dict[str, Any] = {"service": "web", "needs": NEEDS, "peer": "shop"} | options
    return RpcLink([server.address], secret=SECRET, tls=tls(folder, certificate) if folder else None, **known)


async def asked(link: RpcLink) -> str:
    """What comes of a call: its answer, or why there is none."""
    try:
        return (await link.send(Request("shop.echo", b"hello", timeout=10))).body.decode()
    except NotRun as error:
        return str(error)
    finally:
        await link.close()


# ------------------------------------------------------------------ certificates


async def test_services_with_certificates_of_one_authority_talk(folder: Path) -> None:
    async with shop(folder) as server:
        assert await asked(web(server, folder)) == "hello"


async def test_a_name_with_an_underscore_is_a_name_like_others(folder: Path) -> None:
    certs(folder, ["order_desk", "gateway", "operator"])
    server = RpcServer(echo, "tcp:127.0.0.1:0", secret=SECRET, service="order_desk", tls=tls(folder, "order_desk"))
    async with server:
        assert await asked(web(server, folder, peer="order_desk")) == "hello"


async def test_a_connection_speaks_nothing_older_than_tls_1_3(
    folder: Path, caplog: pytest.LogCaptureFixture,
) -> None:
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode, old.maximum_version = False, ssl.CERT_NONE, ssl.TLSVersion.TLSv1_2
    async with shop(folder) as server:
        with pytest.raises((ssl.SSLError, ConnectionResetError)):
            await asyncio.open_connection(server.where.host, server.where.port, ssl=old)
    assert "rpc: connection with a peer closed: it does not speak TLS 1.3" in caplog.messages


async def test_a_certificate_of_another_authority_is_refused_on_both_sides(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture,
) -> None:
    certs(tmp_path / "other", ["shop", "web"])
    async with shop(folder) as server:
        assert "its certificate is refused: self-signed certificate in" in await asked(web(server, tmp_path / "other"))
        (tmp_path / "other" / "ca.crt").write_bytes((folder / "ca.crt").read_bytes())  # it believes the server now
        assert "its log says whether it accepts this cert" in await asked(web(server, tmp_path / "other"))
        assert await asked(web(server, folder)) == "hello"
    assert any("closed: its certificate is refused: unable to get local" in m for m in caplog.messages)


async def test_an_expired_certificate_is_refused_on_both_sides(
    tmp_path: Path, caplog: pytest.LogCaptureFixture,
) -> None:
    long_ago = NOW - timedelta(days=91)
    certs(tmp_path / "old", ["shop", "web"], now=long_ago)
    certs(tmp_path / "old", ["shop"])
    async with shop(tmp_path / "old") as server:
        assert "its log says whether it accepts this certificate" in await asked(web(server, tmp_path / "old"))
    assert "rpc: connection with a peer closed: its certificate is refused: certificate has expired" in caplog.messages
    certs(tmp_path / "new", ["shop", "web"], now=long_ago)
    certs(tmp_path / "new", ["web"])
    async with shop(tmp_path / "new") as server:
        assert "its certificate is refused: certificate has expired" in await asked(web(server, tmp_path / "new"))


async def test_a_service_is_believed_no_other_name_than_its_certificates(folder: Path) -> None:
    async with shop(folder) as server:
        said = await asked(web(server, folder, certificate="shop"))
        assert "it refused this service: its certificate is not of web, but of shop" in said
        assert "certificate is not valid for 'vault'" in await asked(web(server, folder, peer="vault"))


async def test_a_plain_client_at_a_protected_port_is_told_and_hurts_nobody(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("craton.calls.links.rpc.link.CONNECT_SECONDS", 0.3)
    async with shop(folder) as server:
        assert "it does not answer; does it demand CRATON_TLS?" in await asked(web(server, None))
        _, writer = await asyncio.open_connection(server.where.host, server.where.port)
        writer.write(frame(Kind.HELLO, 0, b"garbage"))
        await until(lambda: "rpc: connection with a peer closed: it does not speak TLS: give it CRATON_TLS, too"
                    in caplog.messages)
        writer.close()
        assert await asked(web(server, folder)) == "hello"
    assert "Traceback" not in caplog.text


async def test_a_protected_client_at_a_plain_port_is_told(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with shop(None) as server:
        said = await asked(web(server, folder))
        assert "it does not speak TLS: give it CRATON_TLS, too" in said or "its log says whether it accepts" in said
    assert any("it speaks TLS, and this side does not: set CRATON_TLS" in m for m in caplog.messages)


async def test_a_client_without_a_certificate_is_not_let_in(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    context = ssl.create_default_context(cafile=folder / "ca.crt")
    async with shop(folder) as server:
        where = server.where.host, server.where.port
        reader, writer = await asyncio.open_connection(*where, ssl=context, server_hostname="shop")
        with suppress(ssl.SSLError, ConnectionResetError):
            assert await reader.read() == b""
        await until(lambda: "rpc: connection with a peer closed: it showed no certificate" in caplog.messages)
        writer.close()


async def test_of_too_many_that_show_no_certificate_those_that_came_first_make_room(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("craton.calls.links.rpc.tls.MOST_STRANGERS", 5)
    async with shop(folder) as server:
        silent = [await asyncio.open_connection(server.where.host, server.where.port) for _ in range(15)]
        assert await asked(web(server, folder)) == "hello"
        for reader, _ in silent[:10]:
            with suppress(ConnectionError):
                assert await reader.read() == b""
        for _, writer in silent:
            writer.close()
    assert "rpc: connection with a peer closed: too many others show no certificate, either" in caplog.messages


async def test_certificates_that_are_replaced_count_for_new_connections(folder: Path, tmp_path: Path) -> None:
    certs(tmp_path / "other", ["shop", "web"])
    async with shop(folder) as server:
        early, later = web(server, folder), web(server, folder)
        assert (await early.send(Request("shop.echo", b""))).status == "ok"
        for file in (tmp_path / "other").iterdir():
            file.replace(folder / file.name)
        assert (await early.send(Request("shop.echo", b""))).status == "ok"  # what is open stays open
        assert await asked(later) == "hello"
        await early.close()


async def test_files_that_are_half_replaced_leave_the_old_ones_in_use(
    folder: Path, caplog: pytest.LogCaptureFixture,
) -> None:
    async with shop(folder) as server:
        link = web(server, folder)
        (folder / "shop.crt").write_text("-----BEGIN CERTIFICATE-----\n")
        assert await asked(link) == "hello"
    assert any("the certificate was not read again" in message for message in caplog.messages)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "orders.example"])
async def test_a_port_that_other_machines_reach_is_refused_without_protection(host: str) -> None:
    address = f"tcp:[{host}]:0" if ":" in host else f"tcp:{host}:0"
    with pytest.raises(SettingsError, match="can be reached from other machines, and nothing protects it: make cert"):
        async with RpcServer(echo, address, secret=SECRET):
            pass


async def test_who_trusts_the_network_may_say_so() -> None:
    async with RpcServer(echo, "tcp:0.0.0.0:0", secret=SECRET, tls=tls_of("off", "shop")) as server:
        assert server.where.port


def test_certificates_are_made_once_and_renewed_in_time(tmp_path: Path) -> None:
    folder = tmp_path / "tls"
    assert certs(folder, ["shop"]) == ["made ca.crt, valid for 3650 days", "made shop.crt, valid for 90 days"]
    authority = (folder / "ca.key").read_bytes()
    assert certs(folder, ["shop"]) == []
    assert certs(folder, ["shop", "web"]) == ["made web.crt, valid for 90 days"]
    later = datetime.now(UTC) + timedelta(days=61)
    assert certs(folder, ["shop"], now=later) == ["renewed shop.crt, valid for 90 days"]
    assert certs(folder, ["shop"], hosts=["10.0.0.5", "a.example"]) == ["renewed shop.crt, valid for 90 days"]
    much_later = datetime.now(UTC) + timedelta(days=3000)
    assert certs(folder, [], now=much_later) == ["renewed ca.crt, valid for 3650 days"]
    assert (folder / "ca.key").read_bytes() == authority
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o600}


def test_the_key_of_an_authority_is_never_replaced_by_itself(tmp_path: Path) -> None:
    certs(tmp_path / "one", ["shop"])
    certs(tmp_path / "two", ["shop"])
    key = tmp_path / "one" / "ca.key"
    key.write_bytes((tmp_path / "two" / "ca.key").read_bytes())
    with pytest.raises(SettingsError, match=r"ca\.key is not the key of ca\.crt"):
        certs(tmp_path / "one", ["shop"])
    key.write_text("not a key")
    with pytest.raises(SettingsError, match=r"ca\.key holds no key that can be used"):
        certs(tmp_path / "one", ["shop"])
    key.unlink()
    with pytest.raises(SettingsError, match=r"ca\.crt is there, and ca\.key is not"):
        certs(tmp_path / "one", ["shop"])


def test_wrong_settings_are_told_with_what_to_do(tmp_path: Path) -> None:
    certs(tmp_path, ["shop"])
    with pytest.raises(SettingsError, match=r"there is no file .*web\.crt: write the folder that `craton certs` made"):
        tls_of(str(tmp_path), "web")
    with pytest.raises(SettingsError, match="are 2 files"):
        tls_of("a.crt,b.key", "web")
    with pytest.raises(SettingsError, match="--hosts has the service shop"):
        certs(tmp_path, ["shop"], hosts=["shop"])
    (tmp_path / "shop.crt").write_text("nothing")
    with pytest.raises(SettingsError, match="cannot be used"):
        tls_of(str(tmp_path), "shop")


# ------------------------------------------------------------------ contracts, names, and what a peer may ask


class Shop(Protocol):
    @query
    async def echo(self, text: str) -> str: ...
    @query
    async def price(self, sku: str) -> int: ...


class Newer(Protocol):
    """What may have become of it without breaking callers."""

    @query
    async def echo(self, text: str, loud: bool = False) -> str: ...
    @query
    async def price(self, sku: str) -> int: ...
    @query
    async def sold(self) -> int: ...


class Broken(Protocol):
    """What may not."""

    @query
    async def echo(self, text: int) -> str: ...


async def test_a_contract_to_which_something_was_added_still_serves_those_who_do_not_know_it() -> None:
    async with shop(None, contracts={"shop": Newer}) as server:
        assert await asked(web(server, None, contracts={"shop": Shop})) == "hello"
        assert await asked(web(server, None, contracts={"shop": Newer})) == "hello"


async def test_contracts_that_would_break_calls_refuse_the_link_with_each_difference(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with shop(None, contracts={"shop": Broken}) as server:
        said = await asked(web(server, None, contracts={"shop": Shop}))
        why = (
            "its contracts do not fit those of shop: shop.echo: argument text is int, and the caller sends str; "
            "shop.price does not exist: deploy both anew"
        )
        assert said.startswith("shop.echo was not called: ") and f"it refused this service: {why}" in said
        assert f"rpc: web refused: {why}" in caplog.messages
        assert await asked(web(server, None, contracts={"vault": Shop})) == "hello"  # of modules that are not here


async def test_many_differences_are_counted_rather_than_told() -> None:
    space: dict[str, Any] = {"query": query}
    methods = "\n".join(f"    @query\n    async def m{n}(self) -> int: ..." for n in range(30))
    exec(f"from typing import Protocol\nclass Large(Protocol):\n{methods}", space)
    async with shop(None, contracts={"shop": Shop}) as server:
        assert "; and 22 more: deploy both anew" in await asked(web(server, None, contracts={"shop": space["Large"]}))


async def test_the_description_of_a_contract_crosses_only_where_it_differs() -> None:
    terms = Terms(secret=derive(SECRET, "rpc"), service="web", contracts={"shop": Shop, "vault": Shop})
    for there, crossing in (Shop, []), (Newer, ["shop"]):
        challenge = ServerGreeting(Terms(secret=terms.secret, service="shop", contracts={"shop": there})).challenge
        greeting = ClientGreeting(terms, needs=NEEDS, peer="shop")
        said = greeting.hear(Frame(Kind.CHALLENGE, 0, encode(challenge)))
        assert said and list(read(said, Hello).contracts) == crossing


def granting(service: str) -> frozenset[str] | None:
    """What a topology of three services gives each of them."""
    return {"web": frozenset({"shop.echo", "vault"}), "mail": frozenset[str]()}.get(service)


async def test_a_peer_gets_no_more_than_the_topology_gives_it(caplog: pytest.LogCaptureFixture) -> None:
    async with shop(None, grants=granting) as server:
        for service, allowed in ("web", {"shop.echo"}), ("mail", set[str]()):
            link = web(server, None, service=service, needs=frozenset({"shop", "cellar"}))
            for method in "shop.echo", "shop.price", "vault.open", "cellar.open":
                answer = await link.send(Request(method, b"", timeout=5))
                assert answer.status == ("ok" if method in allowed else "not-run"), (service, method)
            await link.close()
        said = await asked(web(server, None, service="evil"))
        assert "it refused this service: the topology has no service evil" in said


def test_what_the_source_says_of_needs_is_what_the_implementations_ask_for() -> None:
    application = find_application("apps.store")
    found = implementations(application, [module.name for module in application.modules])
    contracts = {module.contract: module.name for module in application.modules}
    for module in application.modules:
        needs = {contracts[need] for need in needs_of(found[module.name]).values() if need in contracts}
        assert needs_in_source(application, module) == frozenset(needs), module.name


def test_a_peer_whose_init_is_written_by_a_decorator_is_believed() -> None:
    application = find_application("apps.store")
    made = "class Shop(Orders):\n    payments: Payments\n"
    assert needs_in(ast.parse(made), "Shop", application) == frozenset()
    assert needs_in(ast.parse(f"@dataclass\n{made}"), "Shop", application) is None


def test_the_gateway_may_ask_what_has_a_route_and_nothing_else() -> None:
    application, topology = load_application("apps.store", "microservices")
    granted = grants_of(application, topology)
    gateway = granted("gateway")
    assert gateway and "orders.checkout" in gateway and not {"payments.capture", "payments"} & gateway
    assert granted("evil") is None


async def test_a_server_that_is_another_service_is_not_asked() -> None:
    async with shop(None) as server:
        assert "it is shop and not vault: correct CRATON_PEERS" in await asked(web(server, None, peer="vault"))


# ------------------------------------------------------------------ what was overheard


@dataclass
class Tap:
    """A wire to a server, what was said on it by either side, and how somebody in the middle changes it."""

    server: RpcServer
    change: Callable[[bytes], bytes] = bytes
    sent: bytearray = field(default_factory=bytearray)
    answered: bytearray = field(default_factory=bytearray)
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[str]:
        """Listen."""
        listener = await asyncio.start_server(self.pass_on, "127.0.0.1", 0)
        yield f"tcp:127.0.0.1:{listener.sockets[0].getsockname()[1]}"
        listener.close()
        await self.ended.wait()

    async def pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass on what both say."""
        there, to = await asyncio.open_connection(self.server.where.host, self.server.where.port)
        await asyncio.gather(self.copy(reader, to, self.sent), self.copy(there, writer, self.answered))
        self.ended.set()

    async def copy(self, source: asyncio.StreamReader, to: asyncio.StreamWriter, kept: bytearray) -> None:
        """Pass on what one side says."""
        with suppress(ConnectionError):
            while data := await source.read(65_536):
                kept += data
                to.write(self.change(data))
        to.close()


async def overheard() -> tuple[Tap, list[Request]]:
    """A call, as somebody in the middle recorded it, and what its server ran."""
    ran = list[Request]()
    async with counting(ran) as server, (tap := Tap(server)).open() as address:
        link = RpcLink([address], secret=SECRET, service="web", needs=NEEDS, peer="shop")
        caller = Signer(SECRET).sign(Caller("user:ann"), now=NOW.timestamp())
        assert (await link.send(Request("shop.pay", b"", caller=caller, timeout=5))).status == "ok"
        await link.close()
    assert len(ran) == 1
    return tap, ran


@asynccontextmanager
async def counting(ran: list[Request]) -> AsyncIterator[RpcServer]:
    """A server that remembers what it ran."""

    async def run(request: Request) -> Reply:
        ran.append(request)
        return Reply("ok")

    async with RpcServer(run, "tcp:127.0.0.1:0", secret=SECRET, service="shop") as server:
        yield server


async def test_a_hello_and_a_request_that_were_overheard_are_worth_nothing_on_another_connection(
    caplog: pytest.LogCaptureFixture,
) -> None:
    tap, _ = await overheard()
    hello, request = list(FrameReader().feed(bytes(tap.sent)))[:2]
    assert (hello.kind, request.kind) == (Kind.HELLO, Kind.REQUEST)
    ran = list[Request]()
    async with counting(ran) as server:
        for replayed in bytes(tap.sent), frame(*request), frame(*hello) * 2 + frame(*request):
            reader, writer = await asyncio.open_connection(server.where.host, server.where.port)
            writer.write(replayed)
            with suppress(ConnectionError):
                async with asyncio.timeout(5):
                    await reader.read()  # until the server closes it
            writer.close()
    assert not ran
    assert "rpc: web refused: its CRATON_SECRET is another one" in caplog.messages


async def test_a_welcome_that_was_overheard_makes_nobody_a_server() -> None:
    tap, _ = await overheard()

    async def replay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(bytes(tap.answered))
        await reader.read()
        writer.close()

    impostor = await asyncio.start_server(replay, "127.0.0.1", 0)
    port = impostor.sockets[0].getsockname()[1]
    link = RpcLink([f"tcp:127.0.0.1:{port}"], secret=SECRET, service="web", needs=NEEDS, peer="shop")
    assert "could not show that it has this CRATON_SECRET" in await asked(link)
    impostor.close()


@pytest.mark.parametrize("mine", [b"cafe", b"root"])
async def test_nobody_in_the_middle_changes_who_greets_or_what_it_needs(mine: bytes) -> None:
    ran = list[Request]()
    async with counting(ran) as server:
        async with (tap := Tap(server, lambda data: data.replace(b"barn", mine))).open() as address:
            link = RpcLink([address], secret=SECRET, service="barn", needs=frozenset({"barn"}))
            assert "its CRATON_SECRET is another one" in await asked(link)
    assert tap.sent and not ran
