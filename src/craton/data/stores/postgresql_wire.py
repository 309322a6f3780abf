"""Messages to PostgreSQL that go before one of asyncpg's, on the same way: the server answers them all together.

asyncpg sends one statement, and waits for its answer. What is written here is not followed by a Sync, so that the
server answers it with the next statement, which asyncpg sends; asyncpg passes over the answers that it did not ask for.
After an error the server passes over all that is left, so that nothing runs that should have come after it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from struct import Struct
from typing import Any

NUMBER, SHORT, LENGTH = Struct("!i"), Struct("!h"), Struct("!ci")
NOTHING = NUMBER.pack(-1)
SYNC = LENGTH.pack(b"S", 4)
EXECUTE = LENGTH.pack(b"E", 9) + b"\0" + NUMBER.pack(0)
TEXT: dict[type, Callable[[Any], bytes]] = {
    str: lambda value: value.encode(),
    int: lambda value: str(value).encode(),
    float: lambda value: repr(value).encode(),
    bool: lambda value: b"t" if value else b"f",
    bytes: lambda value: b"\\x" + value.hex().encode(),
}
"""How values are written that any column of their kind takes."""


def plain(sql: str) -> bytes:
    """A statement without values."""
    text = b"\0" + sql.encode() + b"\0" + SHORT.pack(0)
    return LENGTH.pack(b"P", 4 + len(text)) + text + bound("", encoded(())) + EXECUTE


def parsing(name: str, sql: str) -> bytes:
    """A statement that the server is to know by a name."""
    text = name.encode() + b"\0" + sql.encode() + b"\0" + SHORT.pack(0)
    return LENGTH.pack(b"P", 4 + len(text)) + text


def closing(name: str) -> bytes:
    """A statement that the server is to forget."""
    text = b"S" + name.encode() + b"\0"
    return LENGTH.pack(b"C", 4 + len(text)) + text


def with_values(name: str, values: Sequence[object]) -> bytes:
    """A prepared statement with its values."""
    return bound(name, encoded(values)) + EXECUTE


def bound(name: str, values: bytes) -> bytes:
    """A prepared statement that is to get encoded values."""
    body = b"\0%b\0%b" % (name.encode(), values)
    return LENGTH.pack(b"B", 4 + len(body)) + body


def encoded(values: Sequence[object]) -> bytes:
    """The values of a statement, as text; so are those of its rows to be."""
    parts = [SHORT.pack(0), SHORT.pack(len(values))]
    for value in values:
        if value is None:
            parts.append(NOTHING)
        else:
            text = TEXT[type(value)](value)
            parts += (NUMBER.pack(len(text)), text)
    parts.append(SHORT.pack(0))
    return b"".join(parts)


def writable(values: Sequence[object]) -> bool:
    """Whether all values can be written as text here."""
    return all(value is None or type(value) in TEXT for value in values)
