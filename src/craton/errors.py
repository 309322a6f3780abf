"""Every error Craton raises.

CratonError
├── DeclarationError         the application is written wrongly; nothing has started
├── SettingsError            a setting or an option is missing or wrong; nothing has started
├── Misuse                   application code breaks a law while it runs; always a bug in that code
│   ├── CallInsideTransaction    a command asked another module after its own first write
│   ├── CommandInsideCommand     a command called another module's command
│   ├── QueryWrote               a query tried to change something
│   ├── ForeignTable             a statement named another module's table
│   ├── StatementRefused         a statement that no application may run: it ends transactions, or changes tables
│   ├── OutsideStep              a saga called something without saga.step
│   ├── UnknownEvent             a stream holds an event that its code cannot read
│   └── ReplayDiffers            a saga took another path than its journal
└── CallError                a call between modules did not complete
    ├── NotRun               it did not happen: nobody took the call
    │   ├── InvalidArguments     its arguments do not fit the contract
    │   ├── NotAuthenticated     it needs a caller, and has none
    │   ├── NotAllowed           its caller may not do this
    │   ├── KeyReused            its idempotency key was used for another request
    │   └── Withdrawn            its key was undone before it ran
    ├── OutcomeUnknown       it may have happened: deadline passed, connection lost after sending
    │   └── StillRunning         it goes on in the background, and can be asked about
    └── Failed               it ran and broke
"""

from __future__ import annotations


class CratonError(Exception):
    """The root of all errors that Craton raises itself."""


class DeclarationError(CratonError):
    """The application is written wrongly. The message says what, where, and what to do."""


class SettingsError(CratonError):
    """A setting or an option is missing or wrong. The message says which, and what to do."""


class Misuse(CratonError):
    """Application code breaks a law while it runs."""


class CallInsideTransaction(Misuse):
    """A command asked another module after its own first write."""

    def __init__(self, asking: str, asked: str) -> None:
        self.asking, self.asked = asking, asked
        super().__init__(
            f"a command of {asking} asked {asked} after its first write: "
            "ask first, then write, so that the command means the same when the modules are split."
        )


class CommandInsideCommand(Misuse):
    """A command, or a query, called another module's command."""

    def __init__(self, asking: str, asked: str) -> None:
        self.asking, self.asked = asking, asked
        super().__init__(
            f"{asking} called {asked}, which changes another module: "
            "a command changes one module; use a saga to change several."
        )


class QueryWrote(Misuse):
    """A query tried to change something."""

    def __init__(self, module: str, statement: str) -> None:
        self.module, self.statement = module, statement
        super().__init__(
            f"a query of {module} tried to write ({statement}): mark the method @command, or write in a command."
        )


class ForeignTable(Misuse):
    """A statement named a table of another module."""

    def __init__(self, module: str, table: str) -> None:
        self.module, self.table = module, table
        super().__init__(
            f"{module} used the table {table}, which is not its own: a module's tables are named {module}_...; "
            "ask the other module by its contract."
        )


class StatementRefused(Misuse):
    """A statement that no application may run."""

    def __init__(self, module: str, statement: str) -> None:
        self.module, self.statement = module, statement
        super().__init__(
            f"{module} may not run {statement!r}: only SELECT, INSERT, UPDATE, DELETE and their like; transactions "
            "belong to commands and sagas, tables to migrations."
        )


class OutsideStep(Misuse):
    """A saga called something without saga.step."""

    def __init__(self, called: str) -> None:
        self.called = called
        super().__init__(
            f"a saga called {called} directly: use `await self.saga.step(...)`, so that it is known after a crash."
        )


class UnknownEvent(Misuse):
    """A stream holds an event that its code cannot read."""

    def __init__(self, stream: str, place: int, event: str, reader: str) -> None:
        self.stream, self.place, self.event = stream, place, event
        super().__init__(
            f"{stream} holds {event} at place {place}, which {reader} cannot read: run the code that stored it, or add "
            "the event to what is read, with an upcast() where its fields have changed."
        )


class ReplayDiffers(Misuse):
    """A saga took another path than its journal."""

    def __init__(self, saga: str, step: int, journal: str, now: str) -> None:
        self.saga, self.step = saga, step
        super().__init__(
            f"saga {saga}: step {step} was {journal} and is now {now}: a saga must take the same path when it is "
            "replayed; take ids from saga.id(), time from saga.now(), and ask other modules by saga.step. Where the "
            "code was changed meanwhile, raise the saga's version, and let old ones go on as before: see saga.version."
        )


class CallError(CratonError):
    """A call between modules did not complete."""


class NotRun(CallError):
    """The call did not happen, and changed nothing."""


class InvalidArguments(NotRun):
    """The arguments do not fit the contract."""


class NotAuthenticated(NotRun):
    """The method needs a caller; sign in, or open a guest session."""


class NotAllowed(NotRun):
    """The caller may not call this method."""


class KeyReused(NotRun):
    """The idempotency key was used before, for another request."""

    def __init__(self, method: str) -> None:
        self.method = method
        super().__init__(f"{method}: this idempotency key was used for another request; a new request needs a new key.")


class Withdrawn(NotRun):
    """The call's key was undone before the call ran, so it will never run."""

    def __init__(self, method: str) -> None:
        self.method = method
        super().__init__(f"{method}: undone before it ran; it will not run under this key.")


class OutcomeUnknown(CallError):
    """The call may have happened: ask again under the same key to know."""


class StillRunning(OutcomeUnknown):
    """The call goes on in the background."""

    def __init__(self, method: str, saga: str | None = None) -> None:
        self.method, self.saga = method, saga
        what = f"{method} is still running" + (f" as saga {saga}" if saga else "")
        super().__init__(f"{what}: ask again under the same key.")


class Failed(CallError):
    """The call ran and broke. `cause` names the error on the other side."""

    def __init__(self, method: str, cause: str) -> None:
        self.method, self.cause = method, cause
        super().__init__(f"{method} failed: {cause}")
