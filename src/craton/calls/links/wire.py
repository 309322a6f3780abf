"""The wire link: in-process, through the codec, so that tests see what production will."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import aclosing

from craton.calls.context import CONTEXT, Context
from craton.calls.link import Handler, Replies, Reply, Request
from craton.errors import Failed, NotRun


class WireLink:
    """Hands requests to a handler in the same process. With `repeat`, every call that may be retried is made twice.

    `find` gives the handler at the time of the call, since the service behind it may be stopped and started.
    """

    def __init__(self, find: Callable[[], Handler | None], *, repeat: bool = False) -> None:
        self.find, self.repeat = find, repeat

    async def send(self, request: Request) -> Reply:
        """Ask; twice where a retry is safe, and then the answers must agree (law 5: what is keyed is answered once)."""
        reply = await self.single(request)
        if self.repeat and request.key is not None and reply.status in ("ok", "fault"):
            again = await self.single(request)
            if again != reply:
                raise AssertionError(f"{request.method} answered {reply} and, asked again under its key, {again}")
        elif self.repeat and request.key is None:
            await self.single(request)
        return reply

    async def stream(self, request: Request) -> Replies:
        """Ask what streams; with `repeat`, a first time for its first item alone."""
        for first in [True, False] if self.repeat else [False]:
            answer = await self.once(request)
            if isinstance(answer, Reply):
                yield answer
                return
            async with aclosing(answer):
                if first:
                    await anext(answer, None)
                    continue
                async for reply in answer:
                    yield reply

    async def single(self, request: Request) -> Reply:
        """The answer of what does not stream."""
        answer = await self.once(request)
        if not isinstance(answer, Reply):
            await answer.aclose()
            raise Failed(request.method, "it streams, and was asked as if it did not")
        return answer

    async def once(self, request: Request) -> Reply | Replies:
        """One request, in a context of its own as on the other side of a network."""
        handler = self.find()
        if handler is None:
            raise NotRun(f"{request.method}: its service is not running.")
        token = CONTEXT.set(Context())
        try:
            return await handler(request)
        finally:
            CONTEXT.reset(token)

    async def close(self) -> None:
        """Nothing is held."""
