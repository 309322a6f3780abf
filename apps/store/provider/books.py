"""The books: what the provider knows, in SQLite, durable before anybody hears of it."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SCHEMA = """
CREATE TABLE IF NOT EXISTS things (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, owner TEXT, body TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS things_owner ON things (kind, owner);
CREATE TABLE IF NOT EXISTS answers (
    key TEXT PRIMARY KEY, request TEXT NOT NULL, status INTEGER NOT NULL, body TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS ledger (
    seq INTEGER PRIMARY KEY, at REAL NOT NULL, entry TEXT NOT NULL, intent TEXT NOT NULL, amount INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS deliveries (
    seq INTEGER PRIMARY KEY, event TEXT NOT NULL, endpoint TEXT NOT NULL, due REAL NOT NULL, attempts INTEGER NOT NULL
);
"""
Thing = dict[str, Any]
"""One of Stripe's objects, as JSON."""


class Books:
    """Things by kind (payment_method, payment_intent, refund, event...), answers by key, and a ledger."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.db = sqlite3.connect(path, isolation_level=None)
        self.db.execute("PRAGMA journal_mode = WAL")
        self.db.execute("PRAGMA synchronous = FULL")
        self.db.executescript(SCHEMA)

    def close(self) -> None:
        """Close the file."""
        self.db.close()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """One transaction, durable when the block ends; an exception undoes it."""
        self.db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self.db.execute("ROLLBACK")
            raise
        self.db.execute("COMMIT")

    def put(self, thing: Thing, *, owner: str | None = None) -> Thing:
        """A new thing, or another state of one. `owner` is what it is found by, besides its id."""
        row = (thing["id"], thing["object"], owner, json.dumps(thing))
        self.db.execute(
            "INSERT INTO things (id, kind, owner, body) VALUES (?, ?, ?, ?) "
            "ON CONFLICT (id) DO UPDATE SET body = excluded.body", row,
        )
        return thing

    def get(self, kind: str, id: str) -> Thing | None:
        """A thing by its id."""
        found = self.db.execute("SELECT body FROM things WHERE kind = ? AND id = ?", (kind, id)).fetchone()
        return json.loads(found[0]) if found else None

    def all(self, kind: str, *, owner: str | None = None) -> list[Thing]:
        """All things of a kind, the newest first."""
        owned = "AND owner = :owner" if owner is not None else ""
        query = f"SELECT body FROM things WHERE kind = :kind {owned} ORDER BY seq DESC"
        return [json.loads(body) for (body,) in self.db.execute(query, {"kind": kind, "owner": owner})]

    def enter(self, entry: str, intent: str, amount: int) -> None:
        """Write into the ledger that money was authorized, captured, canceled or refunded."""
        row = (time.time(), entry, intent, amount)
        self.db.execute("INSERT INTO ledger (at, entry, intent, amount) VALUES (?, ?, ?, ?)", row)

    def ledger(self) -> list[Thing]:
        """The ledger, the oldest entry first."""
        rows = self.db.execute("SELECT seq, at, entry, intent, amount FROM ledger ORDER BY seq")
        return [dict(zip(("seq", "at", "entry", "intent", "amount"), row, strict=True)) for row in rows]

    def answered(self, key: str) -> tuple[str, int, str] | None:
        """The request, status and body that stand under an idempotency key."""
        found = self.db.execute("SELECT request, status, body FROM answers WHERE key = ?", (key,)).fetchone()
        return (str(found[0]), int(found[1]), str(found[2])) if found else None

    def answer(self, key: str, request: str, status: int, body: str) -> None:
        """Keep an answer under its key."""
        row = (key, request, status, body)
        self.db.execute("INSERT INTO answers (key, request, status, body) VALUES (?, ?, ?, ?)", row)

    def deliver(self, event: str, endpoint: str, *, due: float) -> None:
        """Have an event sent to an endpoint."""
        row = (event, endpoint, due)
        self.db.execute("INSERT INTO deliveries (event, endpoint, due, attempts) VALUES (?, ?, ?, 0)", row)

    def due(self, now: float) -> list[tuple[int, str, str, int]]:
        """What is to be sent now: number, event, endpoint, and how often that was tried."""
        query = "SELECT seq, event, endpoint, attempts FROM deliveries WHERE due <= ? ORDER BY due, seq LIMIT 50"
        return [(int(a), str(b), str(c), int(d)) for a, b, c, d in self.db.execute(query, (now,))]

    def delivered(self, seq: int) -> None:
        """It has been sent."""
        self.db.execute("DELETE FROM deliveries WHERE seq = ?", (seq,))

    def postpone(self, seq: int, *, due: float) -> None:
        """It will be tried again."""
        self.db.execute("UPDATE deliveries SET due = ?, attempts = attempts + 1 WHERE seq = ?", (due, seq))

    def waiting(self) -> int:
        """How many deliveries have not succeeded yet."""
        return int(self.db.execute("SELECT count(*) FROM deliveries").fetchone()[0])
