"""Work that is begun at once: what ends without waiting for anything needs no time limit, and nobody who watches it."""

from __future__ import annotations

from collections.abc import Coroutine, Generator
from typing import Any, Generic, TypeVar, cast

T = TypeVar("T")


class Ahead(Generic[T]):
    """A coroutine, run in the present task up to where it first has to wait. `done`: it never had to, and `result` is
    there. Otherwise await it, once: a time limit costs more than most queries."""

    __slots__ = ("done", "result", "step", "work")

    def __init__(self, work: Coroutine[Any, Any, T]) -> None:
        self.work, self.done = work, False
        try:
            self.step = work.send(None)
        except StopIteration as end:
            self.done, self.result = True, cast("T", end.value)

    def __await__(self) -> Generator[Any, Any, T]:
        if self.done:
            return self.result
        try:
            while True:
                try:
                    given = yield self.step
                except GeneratorExit:
                    self.work.close()
                    raise
                except BaseException as error:
                    self.step = self.work.throw(error)
                else:
                    self.step = self.work.send(given)
        except StopIteration as end:
            return cast("T", end.value)
