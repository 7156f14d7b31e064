"""PostgreSQL: a server that several replicas share."""

from __future__ import annotations

from functools import cache
from typing import Any

import psycopg
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import QueuePool

_CONNECTING = {
    "connect_timeout": "3",
    "keepalives_idle": "1",
    "keepalives_interval": "1",
    "keepalives_count": "3",
    "tcp_user_timeout": "3000",
    "application_name": "bsm-remediate",
    "client_encoding": "utf8",
}
"""A server or network that is gone is noticed within seconds, by this side …"""
_OF_A_SESSION = (
    "-c lock_timeout=5s -c statement_timeout=20s -c idle_in_transaction_session_timeout=2s"
    " -c tcp_keepalives_idle=1 -c tcp_keepalives_interval=1 -c tcp_keepalives_count=3"
)
"""… and by the server: who is cut off in the middle of a transaction would otherwise keep the writers' lock."""


class Postgres:
    """Writers take turns by one advisory lock, as SQLite's do by its file: a position that is visible means that all
    before it are.
    """

    failures: tuple[type[Exception], ...] = (DBAPIError, psycopg.Error)
    begin = ("BEGIN", "SELECT pg_advisory_xact_lock(7170, 1)")

    def __init__(self, url: URL) -> None:
        self._url = url.set(drivername="postgresql+psycopg").update_query_dict(_CONNECTING)
        self.place = url.render_as_string(hide_password=True)

    @property
    def url(self) -> str:
        return self._url.render_as_string(hide_password=False)

    def spelled(self, statement: str) -> str:
        return _spelled(statement)

    def engine(self) -> Engine:
        engine = create_engine(
            self._url,
            isolation_level="AUTOCOMMIT",
            connect_args={"options": _OF_A_SESSION},
            poolclass=QueuePool,
            pool_size=8,
            max_overflow=24,
        )
        event.listen(engine, "connect", self._prepare)
        event.listen(engine, "before_cursor_execute", _spelled_for_psycopg, retval=True)
        return engine

    @staticmethod
    def _prepare(connection: psycopg.Connection[Any], _record: object) -> None:
        found = connection.execute("SHOW synchronous_commit").fetchone()
        if found == ("off",):
            connection.execute("SET synchronous_commit = on")


@cache
def _spelled(statement: str) -> str:
    return statement.replace("?", "%s")


def _spelled_for_psycopg(
    _connection: object, _cursor: object, statement: str, parameters: object, context: Any, _many: bool
) -> tuple[str, object]:
    is_ours = context is None or getattr(context, "compiled", None) is None
    return (_spelled(statement) if is_ours else statement), parameters
