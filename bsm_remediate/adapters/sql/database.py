"""Opening a database: one writer at a time, readers beside it, migrations."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, inspect, text
from sqlalchemy.engine.interfaces import DBAPICursor
from sqlalchemy.exc import SQLAlchemyError

from bsm_remediate.adapters.sql.backends import Backend, backend_of
from bsm_remediate.errors import StoreUnavailable

HEAD = "0006"
"""The newest migration."""
_MIGRATIONS = Path(__file__).parent / "migrations"


class Database:
    """One database. Readers see a committed moment; writers go one after the other."""

    def __init__(self, backend: Backend, engine: Engine) -> None:
        self._backend = backend
        self._engine = engine
        self._turn = threading.Lock()
        self._writer: Connection | None = None

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction, durable when the block ends. Raises `StoreUnavailable`, and then nothing was written."""
        try:
            with self._turn:
                # Kept open: with a new one for each transaction the pool would cost as much as the writing.
                connection = self._writer = self._writer or self._engine.connect()
                cursor = connection.connection.cursor()
                try:
                    for statement in self._backend.begin:
                        cursor.execute(statement)
                    yield connection
                    cursor.execute("COMMIT")
                except BaseException:
                    self._undo(connection, cursor)
                    raise
        except self._backend.failures as error:
            raise StoreUnavailable(f"the database cannot be written: {getattr(error, 'orig', error)}") from error

    def _undo(self, connection: Connection, cursor: DBAPICursor) -> None:
        try:
            cursor.execute("ROLLBACK")
        except self._backend.failures:
            # SQLite has rolled back by itself where the disk was full; a server that is gone has too.
            self._writer = None
            with suppress(SQLAlchemyError, *self._backend.failures):
                connection.invalidate()
                connection.close()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One committed moment. Raises `StoreUnavailable`."""
        try:
            with self._engine.connect() as connection:
                yield connection
        except self._backend.failures as error:
            raise StoreUnavailable(f"the database cannot be read: {getattr(error, 'orig', error)}") from error

    def close(self) -> None:
        with self._turn:
            if self._writer is not None:
                self._writer.close()
                self._writer = None
        self._engine.dispose()


class DriverCursor:
    """The driver's own cursor: what SQLAlchemy adds to each statement would be half of what storing a few alerts
    costs. Parameters are question marks.
    """

    def __init__(self, connection: Connection) -> None:
        self._cursor = connection.connection.cursor()
        self._spell: Callable[[str], str] = connection.engine.get_execution_options()["spelled"]

    def execute(self, statement: str, parameters: tuple[object, ...] = ()) -> None:
        self._cursor.execute(self._spell(statement), parameters)

    def executemany(self, statement: str, rows: list[tuple[object, ...]]) -> None:
        self._cursor.executemany(self._spell(statement), rows)

    def fetchall(self) -> list[tuple[Any, ...]]:
        return list(self._cursor.fetchall())


def open_database(url: str) -> Database:
    """The database of `url`, migrated to this version. Raises `StoreUnavailable` or `WrongUsage`."""
    backend = backend_of(url)
    try:
        engine = backend.engine().execution_options(spelled=backend.spelled)
        _migrate(backend, engine)
    except (OSError, SQLAlchemyError) as error:
        raise StoreUnavailable(f"{backend.place} cannot be opened: {getattr(error, 'orig', error)}") from error
    return Database(backend, engine)


def _migrate(backend: Backend, engine: Engine) -> None:
    """Bring the schema to `HEAD` under a write lock; refuse a newer one."""
    with engine.connect() as connection:
        found = _version(connection)
        if found == HEAD:
            return
        if found is not None and found > HEAD:
            raise StoreUnavailable(
                f"the database has schema {found}, this version knows {HEAD}",
                hint="run the newer version of this program",
            )
        _upgrade(backend, connection)


def _version(connection: Connection) -> str | None:
    if not inspect(connection).has_table("bsm_alembic_version"):
        return None
    found: str | None = connection.execute(text("SELECT version_num FROM bsm_alembic_version")).scalar()
    return found


def _upgrade(backend: Backend, connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    for statement in backend.begin:
        connection.exec_driver_sql(statement)
    if _version(connection) != HEAD:  # another process may have been faster
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    connection.exec_driver_sql("COMMIT")
