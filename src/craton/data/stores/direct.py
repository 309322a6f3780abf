"""Statements that come again: SQLAlchemy compiles and runs them the first time, then the driver is given them directly.

Most of what SQLAlchemy costs is the way from a compiled statement to the driver. What it made of a statement the first
time (the text, how values are converted, what the rows mean) holds each time, and its own results are made from that.
This needs parts of SQLAlchemy 2.1 that are not public, so what is not known here goes the whole way, and a test
compares the two.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast
from weakref import ref

from sqlalchemy import CursorResult, Executable
from sqlalchemy.engine.cursor import _DEFAULT_FETCH, _NO_CURSOR_DML
from sqlalchemy.engine.default import DefaultExecutionContext
from sqlalchemy.engine.interfaces import CacheStats
from sqlalchemy.exc import DBAPIError

from craton.data.store import Parameters, Rows

MOST = 2_000
"""Statements to remember; an application that writes values into the text of its statements has more."""
OF_A_RUN = {
    "cursor", "compiled_parameters", "parameters", "root_connection", "_dbapi_connection", "_rowcount", "_soft_closed",
    "invoked_statement", "extracted_parameters", "inserted_primary_key_rows", "returned_default_rows", "cache_hit",
}
"""What belongs to one run in a context of SQLAlchemy; the rest is the statement's."""
MEMOIZED = frozenset({"_row_getter"})
SEVERAL = (list, tuple)
Names = tuple[str | tuple[str, int], ...]
"""The keys that a caller gives; of a key with several values, how many: the text has a place for each."""


class Plan:
    """What SQLAlchemy made of a statement. `parts`: of names that stand for one of several values, whose, and which."""

    def __init__(self, context: DefaultExecutionContext, values: dict[str, Any]) -> None:
        compiled: Any = context.compiled
        self.kind, self.compiled = type(context), compiled
        self.sql: str = str(context.statement)
        self.order: tuple[str, ...] = tuple(compiled.positiontup or ())
        self.convert: Mapping[str, Callable[[Any], Any]] = compiled._bind_processors
        self.parts: Mapping[str, tuple[str, int]] = {}
        if compiled.post_compile_params:
            self.expand(compiled._process_parameters_for_postcompile(values))
        self.keys = {name: bound.key for bound, name in compiled.bind_names.items()}
        self.required = frozenset(name for bound, name in compiled.bind_names.items() if bound.required)
        self.own = {name: value for name, value in vars(context).items() if name not in OF_A_RUN}
        description: Any = context.cursor.description
        self.description = description if description is None else list(description)
        self.whole = bool(compiled.implicit_returning)  # SQLAlchemy reads the rows itself, and keeps them

    def expand(self, state: Any) -> None:
        """Where several values are given for one name, each has a place of its own."""
        self.order, self.convert = tuple(state.positiontup), {**self.convert, **state.processors}
        names = state.parameter_expansion.items()
        self.parts = {part: (name, at) for name, parts in names for at, part in enumerate(parts)}


class Bound:
    """A plan with the values that one statement brings itself: `fill` says which others the caller gives, and where."""

    __slots__ = ("base", "fill", "metadata", "names", "plan", "rows", "spread", "statement", "values")

    def __init__(self, plan: Plan, statement: Executable, names: Names, extracted: Any) -> None:
        self.plan, self.statement = plan, ref(statement)
        self.names = tuple(name if isinstance(name, str) else name[0] for name in names)
        self.metadata: Any = None if plan.description else CursorResult._no_result_metadata
        self.rows: Any = None
        self.base: dict[str, Any] = plan.compiled.construct_params(
            None, extracted_parameters=extracted, escape_names=False, _check=False
        )
        given = {name: key for name in self.base if (key := self.key_of(name)) is not None}
        self.fill = [(i, given[name], plan.convert.get(name)) for i, name in enumerate(plan.order) if name in given]
        places = [(i, name, *plan.parts[name]) for i, name in enumerate(plan.order) if name in plan.parts]
        self.spread = [(i, given[of], at, plan.convert.get(name)) for i, name, of, at in places if of in given]
        self.values = [None if self.of(name) in given else self.converted(name) for name in plan.order]

    def key_of(self, name: str) -> str | None:
        """Under which key the caller gives a parameter's value; None where the statement has it."""
        key = self.plan.keys[name]
        return key if key in self.names else name if name in self.names else None

    def of(self, name: str) -> str:
        """The parameter that a name stands for a part of; itself, where it is a whole one."""
        return self.plan.parts[name][0] if name in self.plan.parts else name

    def converted(self, name: str) -> Any:
        """A value of the statement's own, as the driver takes it."""
        convert, value = self.plan.convert.get(name), self.base[self.of(name)]
        value = value[self.plan.parts[name][1]] if name in self.plan.parts else value
        return value if convert is None else convert(value)

    def complete(self) -> bool:
        """Whether no value is missing: where one is, SQLAlchemy says so."""
        return all(self.key_of(name) is not None for name in self.plan.required)

    def given(self, parameters: Mapping[str, Any]) -> list[Any]:
        """The values for the driver, in the order of the text."""
        values = self.values.copy()
        for place, key, convert in self.fill:
            values[place] = parameters[key] if convert is None else convert(parameters[key])
        for place, key, at, convert in self.spread:
            values[place] = parameters[key][at] if convert is None else convert(parameters[key][at])
        return values

    def run(self, parameters: Mapping[str, Any]) -> Run | None:
        """One run of it; None where a value cannot be converted: SQLAlchemy says how."""
        try:
            return Run(self, parameters, self.given(parameters))
        except Exception:
            return None


class Run:
    """One run of a statement: its text, and its values as the driver takes them."""

    __slots__ = ("bound", "given", "parameters", "sql")

    def __init__(self, bound: Bound, parameters: Mapping[str, Any], given: list[Any]) -> None:
        self.bound, self.parameters, self.given, self.sql = bound, parameters, given, bound.plan.sql

    def result(self, cursor: Any, connection: Any) -> Rows:
        """The result, once the driver's cursor has run it."""
        bound = self.bound
        if bound.metadata is not None and not bound.plan.whole:
            return cast("Rows", DirectResult(self, cursor, connection))
        result: Any = self.context(cursor, connection)._setup_result_proxy()
        if getattr(result._metadata, "_safe_for_cache", False):
            bound.metadata, bound.rows = result._metadata, result._row_getter
        return cast("Rows", result)

    def context(self, cursor: Any, connection: Any) -> Any:
        """What SQLAlchemy keeps of a run."""
        bound, plan = self.bound, self.bound.plan
        context: Any = plan.kind.__new__(plan.kind)
        vars(context).update(plan.own)
        context.cursor, context.root_connection = cursor, connection
        context.invoked_statement, context.cache_hit = bound.statement(), CacheStats.CACHE_HIT
        taken = {name: self.parameters[key] for name in bound.base if (key := bound.key_of(name)) is not None}
        context.compiled_parameters = [bound.base | taken]
        return context

    def error(self, error: Exception, dialect: Any) -> Exception:
        """What SQLAlchemy makes of a driver's error."""
        told = DBAPIError.instance(self.sql, tuple(self.given), error, dialect.loaded_dbapi.Error, dialect=dialect)
        return cast("Exception", told)


class DirectResult(CursorResult[Any]):
    """A result of SQLAlchemy's; what it keeps of the run is put together when something asks for it."""

    __slots__ = ("ran", "run")

    def __init__(self, run: Run, cursor: Any, connection: Any) -> None:
        bound = run.bound
        self.run, self.ran = run, cursor
        self.cursor, self.connection, self.dialect = cursor, connection, connection.dialect
        self._metadata = bound.metadata
        if bound.plan.description:
            self.cursor_strategy = _DEFAULT_FETCH
            vars(self)["_row_getter"], self._memoized_keys = bound.rows, MEMOIZED
        else:
            self.cursor_strategy = _NO_CURSOR_DML
            self._soft_closed = True

    @property
    def context(self) -> Any:  # type: ignore[override]  # there it is an attribute
        """What SQLAlchemy keeps of a run."""
        context = self.run.context(self.ran, self.connection)
        context._setup_result_proxy()
        return context

    @property
    def rowcount(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]  # there it is memoized
        """How many rows it changed."""
        return int(self.ran.rowcount)


class Plans:
    """The statements of one store: by identity, since most are made once, and by SQLAlchemy's key for the others."""

    def __init__(self) -> None:
        self.plans: dict[tuple[Any, Names, tuple[int, ...]], Plan] = {}
        self.bound: dict[tuple[int, Names], Bound] = {}
        self.epoch = 0

    def find(self, statement: Executable, parameters: Parameters) -> Run | None:
        """What to run; None for what has to go the whole way."""
        given = single(parameters)
        if not isinstance(given, dict):
            return None
        names = names_of(given)
        bound = self.bound.get((id(statement), names))
        if bound is None or bound.statement() is not statement:
            bound = self.bind(statement, names)
        return None if bound is None else bound.run(given)

    def bind(self, statement: Executable, names: Names) -> Bound | None:
        """A statement that has not been seen before; another one like it may have been."""
        key: Any = statement._generate_cache_key()  # type: ignore[attr-defined]  # all that are executed have it
        plan = None if key is None else self.plans.get((key.key, names, own_lengths(key)))
        if key is None or plan is None or key.params or statement._execution_options:
            return None
        found = Bound(plan, statement, names, key.bindparams)
        if len(self.bound) >= MOST:
            self.bound.clear()
        if found.complete():
            self.bound[id(statement), names] = found
            return found
        return None

    def learn(self, statement: Executable, parameters: Parameters, result: Rows) -> None:
        """Keep what SQLAlchemy made of a statement, where it is plain enough."""
        key: Any = statement._generate_cache_key()  # type: ignore[attr-defined]
        given = single(parameters)
        if key is None or not isinstance(given, dict) or not plain(statement, result.context):
            return
        compiled: Any = result.context.compiled
        values = compiled.construct_params(given, extracted_parameters=key.bindparams, escape_names=False)
        if all(flat(values[name]) for name in expanding(compiled)):
            if len(self.plans) >= MOST:
                self.plans.clear()
            self.plans[key.key, names_of(given), own_lengths(key)] = Plan(result.context, values)

    def forget(self) -> None:
        """The tables have changed."""
        self.epoch += 1
        self.plans.clear()
        self.bound.clear()


def single(parameters: Parameters) -> Any:
    """What one statement is given; a list where it is to run several times."""
    if isinstance(parameters, list) and len(parameters) == 1:
        return parameters[0]
    return {} if parameters is None else parameters


def names_of(given: Mapping[str, Any]) -> Names:
    """What decides the text of a statement, besides itself."""
    for value in given.values():
        if type(value) in SEVERAL:
            return tuple((name, len(value)) if type(value) in SEVERAL else name for name, value in given.items())
    return tuple(given)


def own_lengths(key: Any) -> tuple[int, ...]:
    """The lengths of the lists that a statement brings itself: its text has a place for each value."""
    return tuple(len(bound.value) for bound in key.bindparams if type(bound.value) in SEVERAL)


def flat(values: Any) -> bool:
    """Whether these are values whose number is seen, and each of which has one place in the text."""
    return type(values) in SEVERAL and not any(isinstance(value, SEVERAL) for value in values)


def expanding(compiled: Any) -> list[str]:
    """The names of the parameters that stand for several values."""
    return [compiled.bind_names[bound] for bound in compiled.post_compile_params]


def plain(statement: Any, context: DefaultExecutionContext) -> bool:
    """Whether a statement is compiled to the same text each time, and nothing is made up for it while it runs."""
    compiled: Any = context.compiled
    if compiled is None or context.isddl or context.is_text or context.executemany or statement._execution_options:
        return False
    tuples = any(bound.type._is_tuple_type for bound in compiled.post_compile_params)
    varying = compiled.literal_execute_params or tuples or compiled.schema_translate_map
    made_up = compiled.insert_prefetch or compiled.update_prefetch or compiled.has_out_parameters
    called = any(bound.callable for bound in compiled.bind_names)
    by_orm = statement._propagate_attrs.get("compile_state_plugin", "default") == "orm"
    return not (varying or made_up or called or by_orm)
