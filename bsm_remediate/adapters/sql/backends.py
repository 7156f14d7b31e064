"""What differs between the databases: how a connection is made durable, and how writers take turns."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Protocol

from sqlalchemy import Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.pool import QueuePool

from bsm_remediate.errors import WrongUsage

_SQLITE_WAITS_MS = 5_000


class Backend(Protocol):
    """One kind of database."""

    @property
    def place(self) -> str:
        """For people, without a password."""

    @property
    def url(self) -> str:
        """With its password, for those who connect themselves."""

    @property
    def failures(self) -> tuple[type[Exception], ...]:
        """What its driver raises, and SQLAlchemy for it."""

    @property
    def begin(self) -> tuple[str, ...]:
        """Statements that begin a transaction as the only writer."""

    def spelled(self, statement: str) -> str:
        """`statement` with the driver's marks for its parameters instead of question marks."""

    def engine(self) -> Engine:
        """Connections that commit durably; transactions are the caller's to begin and end. Raises `OSError`."""


class Sqlite:
    """A file. An acknowledged alert must survive power loss: WAL with `synchronous=FULL`."""

    failures: tuple[type[Exception], ...] = (DBAPIError, sqlite3.Error)
    begin = ("BEGIN IMMEDIATE",)

    def __init__(self, file: Path) -> None:
        self.file = file
        self.place = str(file)
        self.url = f"sqlite:///{file}"

    def spelled(self, statement: str) -> str:
        return statement

    def engine(self) -> Engine:
        self.file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        engine = create_engine(f"sqlite:///{self.file}", poolclass=QueuePool, pool_size=8, max_overflow=24)
        event.listen(engine, "connect", self._prepare)
        return engine

    @staticmethod
    def _prepare(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {_SQLITE_WAITS_MS}")
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute("PRAGMA synchronous = FULL")
        if cursor.execute("PRAGMA synchronous").fetchone() != (2,):
            raise sqlite3.OperationalError("this database cannot be made durable (synchronous=FULL)")
        cursor.close()


def backend_of(url: str) -> Backend:
    """The kind of database behind `url`. Raises `WrongUsage`."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise WrongUsage(
            "the database's URL is none", hint="write it like sqlite:////var/lib/bsm/engine.sqlite"
        ) from None
    name = parsed.get_backend_name()
    if name == "sqlite" and parsed.database and parsed.database != ":memory:":
        return Sqlite(Path(parsed.database))
    if name == "postgresql" and parsed.database:
        from bsm_remediate.adapters.sql.postgres import Postgres  # its driver takes a while to load

        return Postgres(parsed)
    raise WrongUsage(f"'{name}' databases are not supported", hint="use sqlite:////path or postgresql://user@host/name")
