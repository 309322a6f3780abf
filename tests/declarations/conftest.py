"""Small programs, each written to a file, imported, and built."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable
from importlib import import_module, invalidate_caches
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from craton.application import Application, implementations
from craton.errors import DeclarationError
from craton.module import Module

WORDS = '''"""What the programs import."""

import random
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Generic, Literal, NamedTuple, NewType, Optional, Protocol, TypedDict, TypeVar
from uuid import UUID

import msgspec
from sqlalchemy import Column, MetaData, String, Table

from craton import (
    Application, Clock, Event, Fault, Ids, Module, Secret, Settings, Value, command, effect, on, query, saga,
)

T = TypeVar("T")
'''
HEAD = "from __future__ import annotations\nfrom words import *\n"
NUMBERS = count(1)


@pytest.fixture
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Application]:
    """Build a program: its `app`, or else one module `shop` with the contract `Shop`, implemented by `Desk`.

    Implementations are loaded where the program has any.
    """
    (tmp_path / "words.py").write_text(WORDS)
    monkeypatch.syspath_prepend(tmp_path)

    def built(source: str) -> Application:
        name = f"program_{next(NUMBERS)}"
        (tmp_path / f"{name}.py").write_text(HEAD + textwrap.dedent(source).removeprefix("\n"))
        invalidate_caches()
        program: Any = import_module(name)
        if not hasattr(program, "app"):
            program.app = Application("app", [Module("shop", program.Shop, f"{name}:Desk")])
        if hasattr(program, "Desk"):
            implementations(program.app, [module.name for module in program.app.modules])
        return program.app  # type: ignore[no-any-return]

    return built


@pytest.fixture
def refused(build: Callable[[str], Application]) -> Callable[[str], str]:
    """Why a program is refused; its own name, which differs from run to run, is written PROGRAM."""

    def why(source: str) -> str:
        with pytest.raises(DeclarationError) as caught:
            build(source)
        return re.sub(r"program_\d+", "PROGRAM", str(caught.value))

    return why
