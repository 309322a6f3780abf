"""Fingerprints of contracts: what two services compare when they connect, and how two contracts differ in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from hashlib import blake2b
from typing import Any, Literal

import msgspec
from msgspec import inspect

from craton.contract import Method, methods_of
from craton.crossing import shown
from craton.values import body_of


class Shape(msgspec.Struct, frozen=True, array_like=True):
    """A type as it crosses. `name` is "int", "tuple", "union", "one of" (of `choices`) or that of a value."""

    name: str
    parts: tuple[Shape, ...] = ()
    choices: tuple[str, ...] = ()


class Part(msgspec.Struct, frozen=True, array_like=True):
    """An argument or a field; one that is not `required` has a default."""

    shape: Shape
    required: bool


Parts = dict[str, Part]


class ValueShape(msgspec.Struct, frozen=True, array_like=True):
    """A value: its fields, and what else is special about how it is encoded, such as a tag."""

    encoding: str
    fields: Parts


class MethodShape(msgspec.Struct, frozen=True, array_like=True):
    """A method, and the fields of its faults by their names."""

    kind: str
    arguments: Parts
    result: Shape
    faults: dict[str, Parts]


class ContractShape(msgspec.Struct, frozen=True, array_like=True):
    """All that matters of a contract between two processes."""

    methods: dict[str, MethodShape]
    values: dict[str, ValueShape]


class Fingerprint(msgspec.Struct, frozen=True):
    """A contract's description, encoded, and its digest: the same in every process and version of Python."""

    digest: bytes
    description: bytes


@cache
def fingerprint(contract: type) -> Fingerprint:
    """The fingerprint of a contract."""
    values: dict[str, ValueShape] = {}
    asked = {name: method for name, method in methods_of(contract).items() if not method.on}  # of handlers nobody asks
    methods = {name: method_shape(method, values) for name, method in asked.items()}
    text = msgspec.msgpack.encode(ContractShape(methods, values), order="deterministic")
    return Fingerprint(blake2b(text, digest_size=16).digest(), text)


def method_shape(method: Method, values: dict[str, ValueShape]) -> MethodShape:
    """One method; the values that it mentions are added to `values`."""
    kind = f"{method.kind} that streams" if method.streams else method.kind
    faults = {fault.__name__: struct_parts(body_of(fault), values) for fault in method.raises}
    result = shape_of(inspect.type_info(method.result), values)
    return MethodShape(kind, struct_parts(method.arguments, values), result, faults)


def struct_parts(struct: Any, values: dict[str, ValueShape]) -> Parts:
    """The fields of a struct."""
    info = inspect.type_info(struct)
    assert isinstance(info, inspect.StructType)
    return {f.encode_name: Part(shape_of(f.type, values), f.required) for f in info.fields}


def shape_of(info: inspect.Type, values: dict[str, ValueShape]) -> Shape:
    """A type, in a form that does not depend on where or when it was read."""
    if isinstance(info, inspect.StructType):
        return Shape(value_named(info, values))
    if isinstance(info, inspect.UnionType):
        parts = [shape_of(kind, values) for kind in info.types]
        return Shape("union", tuple(sorted(parts, key=msgspec.msgpack.encode)))
    if isinstance(info, inspect.EnumType | inspect.LiteralType):
        choices = info.values if isinstance(info, inspect.LiteralType) else [one.value for one in info.cls]
        return Shape("one of", choices=tuple(sorted(map(repr, choices))))
    if isinstance(info, inspect.CustomType):
        return Shape(shown(info.cls))
    inner = [getattr(info, name) for name in ("item_type", "key_type", "value_type") if hasattr(info, name)]
    parts = [shape_of(kind, values) for kind in (*inner, *getattr(info, "item_types", ()))]
    return Shape(NAMES.get(type(info)) or type(info).__name__.removesuffix("Type").lower(), tuple(parts))


NAMES = {inspect.VarTupleType: "tuple of any length", inspect.NoneType: "None"}


def value_named(info: inspect.StructType, values: dict[str, ValueShape]) -> str:
    """The name of a value, described in `values`; it may hold values of its own kind."""
    name = f"{info.cls.__module__}:{shown(info.cls)}"
    if name not in values:
        special = {info.tag_field: info.tag, "as": "array" if info.array_like else None}
        encoding = ", ".join(f"{key} {said}" for key, said in special.items() if said is not None)
        values[name] = ValueShape(encoding, {})
        values[name].fields.update({f.encode_name: Part(shape_of(f.type, values), f.required) for f in info.fields})
    return name


# ------------------------------------------------------------------ comparing


def differences(module: str, *, ours: bytes, theirs: bytes) -> list[str]:
    """Why a caller whose description is `theirs` must not call this contract; nothing where it may.

    What was only added here passes: a method, a field or argument with a default, a choice that is only sent to us.
    MsgspecError where theirs is no description.
    """
    here, there = (msgspec.msgpack.decode(text, type=ContractShape) for text in (ours, theirs))
    flows = Flow(there.values, here.values, "sends"), Flow(here.values, there.values, "expects")
    return [f"{module}.{said}" for name, wanted in there.methods.items()
            for said in method_differences(name, here.methods.get(name), wanted, *flows)]


def method_differences(
    name: str, ours: MethodShape | None, wanted: MethodShape, arguments: Flow, results: Flow,
) -> Iterator[str]:
    """What stands between a caller and one method."""
    if ours is None:
        yield f"{name} does not exist"
    elif ours.kind != wanted.kind:
        yield f"{name} is marked {ours.kind}, and the caller expects {wanted.kind}"
    else:
        yield from arguments.parts(wanted.arguments, ours.arguments, f"{name}: argument ")
        yield from results.shapes(ours.result, wanted.result, f"{name}: result")
        for fault in sorted(ours.faults.keys() & wanted.faults.keys()):
            yield from results.parts(ours.faults[fault], wanted.faults[fault], f"{name}: {fault}.")


class Flow:
    """Values on their way from a sender to a receiver, each of whom describes them. `verb`: what the caller does."""

    def __init__(
        self, sent: Mapping[str, ValueShape], received: Mapping[str, ValueShape], verb: Literal["sends", "expects"],
    ) -> None:
        self.sent, self.received, self.verb = sent, received, verb
        self.seen: set[tuple[str, str]] = set()

    def parts(self, sent: Parts, received: Parts, where: str) -> Iterator[str]:
        """Fields or arguments: the receiver's required ones must come, and the caller's must be heard."""
        for name in sorted(sent.keys() | received.keys()):
            if name not in sent and received[name].required:
                yield f"{where}{name} is {'required' if self.verb == 'sends' else 'not there'}, and the caller " + (
                    "does not send it" if self.verb == "sends" else "needs it")
            elif name not in received and self.verb == "sends":
                yield f"{where}{name} is not known, and the caller sends it"
            elif name in sent and name in received:
                yield from self.shapes(sent[name].shape, received[name].shape, f"{where}{name}")

    def shapes(self, sent: Shape, received: Shape, where: str) -> Iterator[str]:
        """Types: all that may be sent must be something that can be received."""
        if sent.name == "union" or received.name == "union":
            yield from self.unions(sent, received, where)
        elif sent.name in self.sent and received.name in self.received:
            yield from self.values(sent.name, received.name, where)
        elif (sent.name, len(sent.parts)) != (received.name, len(received.parts)) or (
            set(sent.choices) - set(received.choices)
        ):
            yield self.unlike(sent, received, where)
        else:
            for one, other in zip(sent.parts, received.parts, strict=True):
                yield from self.shapes(one, other, where)

    def unions(self, sent: Shape, received: Shape, where: str) -> Iterator[str]:
        """Alternatives: each that may be sent has its counterpart, which is as good."""
        alternatives = received.parts if received.name == "union" else (received,)
        for one in sent.parts if sent.name == "union" else (sent,):
            other = next((a for a in alternatives if self.alike(one, a)), None)
            if other is None:
                yield self.unlike(sent, received, where)
                return
            yield from self.shapes(one, other, where)

    def alike(self, sent: Shape, received: Shape) -> bool:
        """Whether one is what the other one has become: of values, those with the same tag."""
        if sent.name in self.sent and received.name in self.received:
            return self.sent[sent.name].encoding == self.received[received.name].encoding
        return sent.name == received.name

    def values(self, sent: str, received: str, where: str) -> Iterator[str]:
        """Two values, field by field; those that were compared already, or are being compared, are not again."""
        one, other = self.sent[sent], self.received[received]
        if (sent, received) in self.seen:
            return
        self.seen.add((sent, received))
        if one.encoding != other.encoding:
            yield self.unlike(Shape(sent), Shape(received), where)
        else:
            yield from self.parts(one.fields, other.fields, f"{where}: {received.partition(':')[2]}.")

    def unlike(self, sent: Shape, received: Shape, where: str) -> str:
        """Two types that do not fit."""
        here, there = (received, sent) if self.verb == "sends" else (sent, received)
        return f"{where} is {words(here)}, and the caller {self.verb} {words(there)}"


def words(shape: Shape) -> str:
    """A type for people."""
    if shape.name == "union":
        return " | ".join(words(part) for part in shape.parts)
    name = shape.name.rpartition(":")[2]
    inner = ", ".join([*shape.choices, *(words(part) for part in shape.parts)])
    return f"{name}[{inner}]" if inner else name
