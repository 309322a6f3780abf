"""Sides for these tests to bring up: the application that `craton new` writes, in real processes."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import psutil
import pytest

from craton.lab.compare.bringing import until_answered
from craton.lab.compare.stand import Setup, Stand
from craton.lab.compare.stand_craton import craton_stand
from craton.run.template import write

SHOP = Setup(package="shop")


@contextmanager
def new_shop(folder: Path, patch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of a new application `shop`, which is the current one and on the path."""
    write("shop", folder)
    patch.chdir(folder / "shop")
    patch.syspath_prepend(folder / "shop")
    yield folder / "shop"
    for name in [name for name in sys.modules if name.partition(".")[0] == "shop"]:
        del sys.modules[name]


@asynccontextmanager
async def shop_stand(setup: Setup, topology: str) -> AsyncIterator[Stand]:
    """A topology of the shop, all of which is reached: Envoy takes who was slow to answer at first for away."""
    async with craton_stand(setup, topology) as stand:
        await until_answered(f"{stand.url}/stock/apple")
        yield stand


async def ask(url: str, body: dict[str, Any] | None = None, *, key: str = "") -> Any:
    """What a request answers: the JSON, or the status where it is an error."""
    request = Request(url, None if body is None else json.dumps(body).encode())
    request.add_header("Content-Type", "application/json")
    request.add_header("Idempotency-Key", key)

    def send() -> Any:
        try:
            with urlopen(request, timeout=30) as response:
                return json.load(response)
        except HTTPError as error:
            error.close()
            return error.code

    return await asyncio.to_thread(send)


async def timed(url: str) -> tuple[Any, float]:
    """What a request answers, and after how many seconds."""
    began = time.monotonic()
    return await ask(url), time.monotonic() - began


def remove_server(pid: int) -> None:
    """Remove the folder of a PostgreSQL server by its first process, where whoever started it is not to live so long.
    """
    command = psutil.Process(pid).cmdline()
    shutil.rmtree(Path(command[command.index("-D") + 1]).parent)
