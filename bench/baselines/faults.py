"""What can be wrong with a request: an exception in a process, a problem in JSON between services."""

from __future__ import annotations

from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse, Response


class Fault(Exception):
    """`code` says what is wrong; `about` what it is about, such as the order that a cart is frozen for."""

    def __init__(self, code: str, status: int = 409, /, **about: Any) -> None:
        self.code, self.status, self.about = code, status, about
        super().__init__(code)


class Unavailable(Exception):
    """A service did not answer, or broke."""


async def told(request: Request, error: Exception) -> Response:
    """A fault as a service tells it."""
    assert isinstance(error, Fault)
    return JSONResponse({"code": error.code, "about": error.about}, error.status)
