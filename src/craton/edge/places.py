"""Places: what stands at which path; fixed parts come before parameters, so /stock/low is not the stock of "low"."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, TypeVar

P = TypeVar("P")


class Part(Generic[P]):
    """One part of a path: what follows it by name, what follows it as a parameter, and what stands here."""

    __slots__ = ("any", "fixed", "names", "place")

    def __init__(self) -> None:
        self.fixed: dict[str, Part[P]] = {}
        self.any: Part[P] | None = None
        self.place: P | None = None
        self.names: tuple[str, ...] = ()


class Places(Generic[P]):
    """All places by path, such as /stock/{sku}."""

    def __init__(self) -> None:
        self.exact: dict[str, P] = {}
        self.root = Part[P]()
        self.last: dict[str, tuple[P, str]] = {}
        """What stands at a path with one parameter, which is its end, by what comes before it: found at once."""

    def put(self, path: str, place: P) -> None:
        """Put something at a path."""
        part, names = self.root, []
        for text in path.split("/")[1:]:
            if text.startswith("{"):
                names.append(text[1:-1])
                part.any = part.any or Part()
                part = part.any
            else:
                part = part.fixed.setdefault(text, Part())
        part.place, part.names = place, tuple(names)
        before, _, name = path.rpartition("/")
        if not names:
            self.exact[path] = place
        elif "{" not in before:
            self.last[before] = place, name[1:-1]

    def at(self, path: str) -> P | None:
        """What was put at a path."""
        part: Part[P] | None = self.root
        for text in path.split("/")[1:]:
            part = part and (part.any if text.startswith("{") else part.fixed.get(text))
        return part.place if part else None

    def find(self, path: str) -> tuple[P, dict[str, str]] | None:
        """What stands at a path, and the parameters in it."""
        if (place := self.exact.get(path)) is not None:
            return place, {}
        before, _, text = path.rpartition("/")
        if text and (usual := self.last.get(before)) is not None:
            return usual[0], {usual[1]: text}
        found = follow(self.root, path.split("/")[1:], [])
        if found is None or found[0].place is None:
            return None
        return found[0].place, dict(zip(found[0].names, found[1], strict=True))


def follow(part: Part[P], texts: Sequence[str], values: list[str]) -> tuple[Part[P], list[str]] | None:
    """The part where a path ends, and what stood for its parameters."""
    if not texts:
        return None if part.place is None else (part, values)
    first, rest = texts[0], texts[1:]
    if (fixed := part.fixed.get(first)) is not None and (found := follow(fixed, rest, values)):
        return found
    return follow(part.any, rest, [*values, first]) if part.any is not None and first else None
