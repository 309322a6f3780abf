"""Contracts as protobuf: every type there and back, files that compile, and numbers that never change their meaning."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, Protocol
from uuid import UUID

import msgspec
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from grpc_tools import protoc

from apps.store.application import store
from craton import Application, DeclarationError, InvalidArguments, Module, Value, query
from craton.calls import codec
from craton.calls.links.grpc.numbers import LOCK, Numbers
from craton.calls.links.grpc.schema import Rpc, Schema
from craton.cli import main
from craton.export.proto import check, described, lock, text
from tests.calls.gallery.application import gallery
from tests.calls.gallery.contract import Frame, Glass, Painting, Price, Room, Style

PLAIN = Painting(UUID(int=7), "Sea", Price(Decimal("12.50")), Style.OIL, date(2026, 1, 31), None, (3, 4.5))
PAINTINGS = {
    "defaults": PLAIN,
    "everything": Painting(
        UUID(int=2**128 - 1), "Größe", Price(Decimal("-0.10"), "USD"), Style.INK, date(1, 1, 1),
        datetime(2026, 11, 22, 8, 30, 0, 123456, UTC), (-(2**63), -0.0), mount=Glass(2.5), tags=frozenset({"b", "a"}),
        image=b"\x00\xff", rating=float("inf"), sold=True, room=Room(""), dries_in=timedelta(days=-1, microseconds=1),
        shown_from=time(23, 59, 59, 999999), history=(("made", 1900), ("sold", -1)), notes=(None, "", "x"),
        layers=((), (Style.OIL, Style.INK)), remarks=("one",), looked_at=(2, 3), kept_in="cellar-2", rank=2,
        label=(1, 2), copies=(PLAIN,),
    ),
    "empty": msgspec.structs.replace(
        PLAIN, rating=0.0, room=Room(""), dries_in=timedelta(0), looked_at=(), remarks=(), label="", kept_in="-",
    ),
    "another alternative": msgspec.structs.replace(PLAIN, mount=Frame("oak"), label=0),
}


def rpc(name: str) -> Rpc:
    """A method of the gallery."""
    found = Schema(gallery).find(name)
    assert found
    return found


@pytest.mark.parametrize("painting", PAINTINGS.values(), ids=PAINTINGS)
def test_every_type_that_may_cross_arrives_as_it_was(painting: Painting) -> None:
    echo = rpc("paintings.echo")
    arguments = echo.method.arguments(painting=painting)
    request = echo.pack(codec.encode_arguments(echo.method, arguments))
    assert codec.decode_arguments(echo.method, echo.unpack(request)) == arguments
    response = echo.pack_result(codec.encode(painting))
    assert codec.decode(Painting, echo.unpack_result(response)) == painting


@pytest.mark.parametrize(("name", "result"), [
    ("paintings.nothing", None), ("paintings.find", None), ("paintings.find", PLAIN), ("paintings.seen", ()),
    ("paintings.seen", ("a", "")), ("paintings.wait", 0), ("paintings.wait", -(2**63)),
])
def test_every_kind_of_result_arrives_as_it_was(name: str, result: object) -> None:
    found = rpc(name)
    data = found.unpack_result(found.pack_result(codec.encode(result)))
    assert codec.decode(found.method.result, data) == result


def test_what_a_client_leaves_out_has_its_default_and_what_must_be_there_is_missed() -> None:
    page, echo = rpc("paintings.page"), rpc("paintings.echo")
    assert codec.decode_arguments(page.method, page.unpack(b"")).limit == 3
    with pytest.raises(InvalidArguments, match="painting: is required"):
        codec.decode_arguments(echo.method, echo.unpack(b""))


@pytest.mark.parametrize(("painting", "why"), [
    (msgspec.structs.replace(PLAIN, hung=datetime(2026, 1, 1)), "time zone"),
    (msgspec.structs.replace(PLAIN, looked_at=(2**63,)), "range"),
])
def test_what_protobuf_cannot_hold_is_refused_before_it_is_sent(painting: Painting, why: str) -> None:
    echo = rpc("paintings.echo")
    with pytest.raises(InvalidArguments, match=why):
        echo.pack(codec.encode_arguments(echo.method, echo.method.arguments(painting=painting)))


def test_bytes_that_are_no_message_are_refused() -> None:
    with pytest.raises(InvalidArguments, match=r"no gallery\.paintings\.v1\.EchoRequest"):
        rpc("paintings.echo").unpack(b"\xff\xff\xff")


# ---------------------------------------------------------------------- files


def compiled(schema: Schema, module: str, folder: Path) -> FileDescriptorProto:
    """What protoc makes of a module's file."""
    described = schema.module(module)
    file = folder / described.file.name
    file.parent.mkdir(parents=True)
    file.write_text(text(described))
    known = files("grpc_tools") / "_proto"
    assert protoc.main(["", f"-I{folder}", f"-I{known}", f"-o{folder}/set", described.file.name]) == 0
    (found,) = FileDescriptorSet.FromString((folder / "set").read_bytes()).file
    return found


def bared(file: FileDescriptorProto) -> FileDescriptorProto:
    """A description without what protoc fills in by itself, and what it leaves out when nothing uses it."""
    found = FileDescriptorProto()
    found.CopyFrom(file)
    del found.dependency[:]

    def bare(messages: Any) -> None:
        for message in messages:
            for field in message.field:
                field.ClearField("json_name")
            bare(message.nested_type)

    bare(found.message_type)
    for method in found.service[0].method:
        method.server_streaming = method.server_streaming
    return found


@pytest.mark.parametrize(("application", "module"), [
    (gallery, "paintings"), *((store, module.name) for module in store.modules if not module.asgi),
])
def test_the_file_that_is_exported_compiles_to_what_is_served(
    application: Application, module: str, tmp_path: Path
) -> None:
    schema = Schema(application)
    assert bared(compiled(schema, module, tmp_path)) == bared(schema.module(module).file)


def test_the_file_tells_people_what_a_method_is_and_who_may_call_it(capsys: pytest.CaptureFixture[str]) -> None:
    main(["proto", "tests.calls.gallery"])
    found = " ".join(capsys.readouterr().out.replace("//", "").split())
    assert 'syntax = "proto3"; package gallery.paintings.v1;' in found
    assert "service Paintings {" in found
    assert "How many were bought by now" in found
    assert "Send idempotency-key metadata. Open to whoever has a token. Faults: Taken (FAILED_PRECONDITION)." in found
    assert "done once under its key. Send idempotency-key metadata. For services of this application. rpc Move" in found
    assert "rpc Prices(PricesRequest) returns (stream Price);" in found
    assert "Somebody else has bought it. message Taken { string painting = 1; optional string buyer = 2; }" in found


# ---------------------------------------------------------------------- numbers


def application(**fields: Any) -> Application:
    """An application of one method, whose value has these fields."""
    kind = type("Thing", (Value,), {"__annotations__": fields, "__module__": __name__})

    class Things(Protocol):
        @query
        async def thing(self, thing: kind) -> None: ...  # type: ignore[valid-type]

    Things.thing.__annotations__ = {"thing": kind, "return": None}
    return Application("shop", [Module("things", Things, "nowhere:Nothing")])


def given(numbers: Numbers, **fields: Any) -> dict[str, int]:
    """The numbers that the fields of a message get."""
    file = Schema(application(**fields), numbers).module("things").file
    thing = next(message for message in file.message_type if message.name == "Thing")
    return {field.name: field.number for field in thing.field}


def locked(folder: Path, **fields: Any) -> Numbers:
    """What was written down for these fields."""
    schema = Schema(application(**fields))
    schema.module("things")
    (folder / LOCK).write_text(lock(schema.numbers))
    return Numbers.read(folder / LOCK)


def test_fields_are_numbered_in_the_order_in_which_they_are_declared() -> None:
    assert given(Numbers(), a=int, b=str) == {"a": 1, "b": 2}


def test_a_field_keeps_its_number_whatever_comes_before_it(tmp_path: Path) -> None:
    numbers = locked(tmp_path, a=int, b=str)
    assert given(numbers, new=bytes, b=str, a=int) == {"new": 3, "b": 2, "a": 1}


def test_the_number_of_a_field_that_is_gone_is_never_given_again(tmp_path: Path) -> None:
    numbers = locked(tmp_path, a=int, b=str, kind=Literal["x", "y"])
    schema = Schema(application(a=int, new=str, kind=Literal["z", "y"]), numbers)
    found = compiled(schema, "things", tmp_path / "first")
    thing = next(message for message in found.message_type if message.name == "Thing")
    assert {field.name: field.number for field in thing.field} == {"a": 1, "new": 4, "kind": 3}
    assert (list(thing.reserved_name), thing.reserved_range[0].start) == (["b"], 2)
    assert {value.name: value.number for value in thing.enum_type[0].value} == {
        "KIND_UNSPECIFIED": 0, "KIND_Z": 3, "KIND_Y": 2,
    }
    assert list(thing.enum_type[0].reserved_name) == ["KIND_X"]
    (tmp_path / LOCK).write_text(lock(schema.numbers))
    assert given(Numbers.read(tmp_path / LOCK), a=int, b=str, kind=Literal["x", "y"], new=str)["b"] == 2


def test_a_field_whose_type_changed_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DeclarationError, match=r"Thing\.a was int64 under number 1 and is now string.*new name"):
        given(locked(tmp_path, a=int), a=str)


def test_a_field_may_become_optional(tmp_path: Path) -> None:
    assert given(locked(tmp_path, a=int), a=int | None) == {"a": 1}


def test_two_types_of_one_name_are_refused() -> None:
    other = type("Thing", (Value,), {"__annotations__": {"x": int}, "__module__": "elsewhere"})
    with pytest.raises(DeclarationError, match=r"elsewhere\.Thing .* give one of them another name"):
        Schema(application(other=other)).module("things")


def test_a_lock_that_is_damaged_is_refused(tmp_path: Path) -> None:
    (tmp_path / LOCK).write_text('["m"]\na = "int64 = x"')
    with pytest.raises(DeclarationError, match="cannot be read"):
        Numbers.read(tmp_path / LOCK)


def test_the_command_writes_files_and_the_lock_and_finds_what_the_lock_does_not_know(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    package = tmp_path / "odeon"
    package.mkdir()
    contract = "from typing import Protocol\nfrom craton import query\nclass Seats(Protocol):\n    @query\n"
    (package / "contract.py").write_text(f"{contract}    async def taken(self, show: str) -> int: ...\n")
    (package / "application.py").write_text(
        "from craton import Application, Module\nfrom odeon.contract import Seats\n"
        "odeon = Application('odeon', [Module('seats', Seats, 'nowhere:Nothing')])\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(SystemExit, match="2"):
        main(["proto", "odeon", "--check"])
    assert "does not know odeon.seats.v1.TakenRe" in capsys.readouterr().err
    main(["proto", "odeon", "--to", str(tmp_path / "out")])
    assert (tmp_path / "out/odeon/seats/v1/seats.proto").exists()
    assert 'show = "string = 1"' in (package / LOCK).read_text()
    from craton.run.linking import schema_of

    schema_of.cache_clear()
    main(["proto", "odeon", "--check"])
    assert "knows every field" in capsys.readouterr().out


def test_check_refuses_what_the_lock_does_not_allow() -> None:
    changed = Numbers({"gallery.paintings.v1.Price": {"amount": ("int64", 1)}})
    with pytest.raises(DeclarationError, match=r"Price\.amount was int64 .* and is now string"):
        described(Schema(gallery, changed))
    with pytest.raises(DeclarationError, match=r"proto\.lock does not know gallery.* more"):
        check(described(Schema(gallery)).numbers)


def test_craton_run_takes_one_gateway_for_grpc(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["run", "tests.calls.gallery", "--gateway", "envoy", "--grpc", "0", "--data", str(tmp_path)])
    assert "leave one of --grpc and --gateway out" in capsys.readouterr().err
