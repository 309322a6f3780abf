"""The contracts of an application as protobuf, made at run time: one package, file and service for each module."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, cast

import msgspec
from google.protobuf import duration_pb2, empty_pb2, timestamp_pb2
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass

from craton.application import Application
from craton.calls import codec
from craton.calls.links.grpc.describing import Describer, camel
from craton.calls.links.grpc.numbers import Numbers
from craton.calls.links.grpc.shapes import Message, Record, Scalar
from craton.contract import Method, methods_of
from craton.errors import DeclarationError, Failed, InvalidArguments
from craton.module import Module
from craton.values import Fault, body_of

VERSION = "v1"
KNOWN = (timestamp_pb2, duration_pb2, empty_pb2)
"""Protobuf's own messages that contracts need."""
UNFIT = (ValueError, TypeError, OverflowError, DecodeError)
"""What is raised by values that do not fit into messages, and by bytes that are none."""


@dataclass(frozen=True, slots=True)
class Described:
    """One module: its file, the full name of its service, its methods by wire name, its faults by name, and all types
    that have a name in the file, with what they look like."""

    module: Module
    file: FileDescriptorProto
    service: str
    pool: DescriptorPool
    rpcs: dict[str, Rpc] = field(default_factory=dict)
    faults: dict[str, tuple[type[Fault], Record]] = field(default_factory=dict)
    named: dict[str, tuple[Any, Scalar | Message]] = field(default_factory=dict)

    def written(self, shape: Message, value: Any) -> Any:
        """A value as a message."""
        return GetMessageClass(self.pool.FindMessageTypeByName(shape.form))(**shape.to(value))

    def read(self, shape: Message, data: bytes) -> bytes:
        """What a message holds, in the one encoding."""
        kind: Any = GetMessageClass(self.pool.FindMessageTypeByName(shape.form))
        return msgspec.msgpack.encode(shape.back(kind.FromString(data)))


@dataclass(frozen=True, slots=True)
class Rpc:
    """One method as gRPC has it. `path` is where it is asked for: /store.catalog.v1.Catalog/Product."""

    described: Described
    method: Method
    path: str
    request: Message
    response: Message

    @property
    def name(self) -> str:
        """The wire name: `catalog.product`."""
        return f"{self.described.module.name}.{self.method.name}"

    def pack(self, body: bytes) -> bytes:
        """Encoded arguments as a request; InvalidArguments where they have no form in protobuf."""
        try:
            return self.serialized(self.request, codec.decode_arguments(self.method, body))
        except UNFIT as error:
            raise InvalidArguments(f"{self.name}: {error}.") from error

    def unpack(self, data: bytes) -> bytes:
        """A request as encoded arguments; InvalidArguments where it is none."""
        try:
            return self.described.read(self.request, data)
        except UNFIT as error:
            raise InvalidArguments(f"{self.name}: this is no {self.request.form}.") from error

    def pack_result(self, body: bytes) -> bytes:
        """An encoded result as a response; Failed where it has no form in protobuf."""
        try:
            return self.serialized(self.response, codec.decode(self.method.result, body))
        except UNFIT as error:
            raise Failed(self.name, f"its result cannot be sent: {error}") from error

    def unpack_result(self, data: bytes) -> bytes:
        """A response as an encoded result; Failed where it is none."""
        try:
            return self.described.read(self.response, data)
        except UNFIT as error:
            raise Failed(self.name, f"its result is no {self.response.form}") from error

    def serialized(self, shape: Message, value: Any) -> bytes:
        """A value as the bytes of a message."""
        return cast("bytes", self.described.written(shape, value).SerializeToString())


class Schema:
    """The contracts of an application in protobuf. Each module is described when it is first asked for."""

    def __init__(self, application: Application, numbers: Numbers | None = None) -> None:
        self.application, self.numbers = application, numbers or Numbers()
        self.pool = DescriptorPool()
        self.modules: dict[str, Described] = {}
        for known in KNOWN:
            self.pool.AddSerializedFile(known.DESCRIPTOR.serialized_pb)

    def module(self, name: str) -> Described:
        """One module."""
        if name not in self.modules:
            self.modules[name] = self.described(self.application.module(name))
        return self.modules[name]

    def find(self, name: str) -> Rpc | None:
        """A method by its wire name; None for one that is in no contract."""
        return self.module(name.partition(".")[0]).rpcs.get(name)

    def described(self, module: Module) -> Described:
        """Describe a module; DeclarationError where protobuf has no form for it."""
        package, contract = f"{self.application.name}.{module.name}.{VERSION}", module.contract.__name__
        file = FileDescriptorProto(
            name=f"{package.replace('.', '/')}/{module.name}.proto", package=package, syntax="proto3",
            dependency=[known.DESCRIPTOR.name for known in KNOWN],
        )
        made = Described(module, file, f"{package}.{contract}", self.pool)
        service, describer = file.service.add(name=contract), Describer(file, self.numbers, named=made.named)
        for method in callable_by_name(module):
            rpc = self.rpc(made, method, describer)
            made.rpcs[rpc.name] = rpc
            service.method.add(
                name=camel(method.name), input_type=f".{rpc.request.form}", output_type=f".{rpc.response.form}",
                server_streaming=method.streams,
            )
        for fault in {fault: None for method in callable_by_name(module) for fault in method.raises}:
            made.faults[fault.__name__] = fault, describer.record(body_of(fault))
        try:
            self.pool.AddSerializedFile(file.SerializeToString())
        except TypeError as error:
            raise DeclarationError(f"module {module.name} has no form in protobuf: {error}: rename it.") from error
        return made

    def rpc(self, made: Described, method: Method, describer: Describer) -> Rpc:
        """One method."""
        name, path = camel(method.name), f"/{made.service}/{camel(method.name)}"
        request = describer.record(method.arguments, f"{name}Request")
        return Rpc(made, method, path, request, describer.result(method.result, f"{name}Response"))


def callable_by_name(module: Module) -> Iterable[Method]:
    """The methods that others may call: those on events are called by them."""
    return (method for method in methods_of(module.contract).values() if not method.on)
