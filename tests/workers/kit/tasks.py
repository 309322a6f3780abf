"""The tasks that the conformance kit asks for, and what goes in and comes out."""

from __future__ import annotations

from typing import Any

from craton import Fault, Task, Value


class Text(Value):
    text: str


class Piece(Value):
    piece: int


class Gate(Value):
    gate: str
    progress: float | None = None
    checkpoint: Piece | None = None
    file: str | None = None


class File(Value):
    file: str


class Failure(Value):
    message: str
    retryable: bool
    after: float | None = None


class Message(Value):
    message: str


class Size(Value):
    bytes: int


class Answer(Value):
    text: str
    attempt: int
    folder: str
    checkpoint: str = ""


class Refused(Fault, status=409):
    why: str


ALL: tuple[Task[Any, Any], ...] = (
    Task("echo", Text, Answer, queue="kit"), Task("wait", Gate, Answer, queue="kit"),
    Task("child", File, Answer, queue="kit"), Task("stubborn", File, Answer, queue="kit"),
    Task("fail", Failure, Answer, queue="kit", raises=Refused), Task("break", Message, Answer, queue="kit"),
    Task("large", Size, Answer, queue="kit"),
)
