"""Opening a database: settings of every connection, one writer at a time, migrations."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, event, inspect, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.pool import QueuePool

from bsm_remediate.errors import StoreUnavailable, WrongUsage

HEAD = "0001"
"""The newest migration."""
_MIGRATIONS = Path(__file__).parent / "migrations"


class Database:
    """One database. Readers see a committed moment; writers go one after the other."""

    def __init__(self, engine: Engine) -> None:
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
                cursor.execute("BEGIN IMMEDIATE")
                try:
                    yield connection
                    cursor.execute("COMMIT")
                except BaseException:
                    with suppress(sqlite3.Error):  # SQLite has rolled back by itself where the disk was full
                        cursor.execute("ROLLBACK")
                    raise
        except (DBAPIError, sqlite3.Error) as error:
            raise StoreUnavailable(f"the database cannot be written: {getattr(error, 'orig', error)}") from error

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One committed moment. Raises `StoreUnavailable`."""
        try:
            with self._engine.connect() as connection:
                yield connection
        except (DBAPIError, sqlite3.Error) as error:
            raise StoreUnavailable(f"the database cannot be read: {getattr(error, 'orig', error)}") from error

    def close(self) -> None:
        with self._turn:
            if self._writer is not None:
                self._writer.close()
                self._writer = None
        self._engine.dispose()


def sqlite_file(url: str) -> Path:
    """The file behind a SQLite URL. Raises `WrongUsage` for other databases, which come with a later version."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise WrongUsage(
            f"'{url}' is no database URL", hint="write it like sqlite:////var/lib/bsm/engine.sqlite"
        ) from None
    if parsed.get_backend_name() != "sqlite" or not parsed.database or parsed.database == ":memory:":
        raise WrongUsage(f"'{parsed.get_backend_name()}' databases are not supported yet", hint="use sqlite:////path")
    return Path(parsed.database)


def open_database(url: str) -> Database:
    """The database of `url`, migrated to this version. Raises `StoreUnavailable` or `WrongUsage`."""
    file = sqlite_file(url)
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        engine = create_engine(f"sqlite:///{file}", poolclass=QueuePool, pool_size=8, max_overflow=24)
        event.listen(engine, "connect", _prepare)
        _migrate(engine)
    except (OSError, SQLAlchemyError, sqlite3.Error) as error:
        raise StoreUnavailable(f"{file} cannot be opened: {getattr(error, 'orig', error)}") from error
    return Database(engine)


def _prepare(connection: sqlite3.Connection, _record: object) -> None:
    """An acknowledged alert must survive power loss: WAL with FULL. Transactions are ours to begin and end."""
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA busy_timeout = 5000")
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = FULL")
    if cursor.execute("PRAGMA synchronous").fetchone() != (2,):
        raise sqlite3.OperationalError("this database cannot be made durable (synchronous=FULL)")
    cursor.close()


def _migrate(engine: Engine) -> None:
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
        _upgrade(connection)


def _version(connection: Connection) -> str | None:
    if not inspect(connection).has_table("bsm_alembic_version"):
        return None
    found: str | None = connection.execute(text("SELECT version_num FROM bsm_alembic_version")).scalar()
    return found


def _upgrade(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    connection.exec_driver_sql("BEGIN IMMEDIATE")
    if _version(connection) != HEAD:  # another process may have been faster
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    connection.exec_driver_sql("COMMIT")
