"""Several engines on one PostgreSQL: which of them live, and which one leads.

Each says by a row, twice a second, that it lives; by the database's clock, since those of replicas differ. A replica
that couldn't say so for `VALID_S` stops acting and ends its playbooks; the others take it for dead after
`DEAD_AFTER_S`, later than that, so that a run is never carried out by two. One that stands still as a whole is killed
by a process beside it (`stall_guard.py`). What a leader decides last is fenced all the same: its transaction holds the
leader's row, and fails when another has taken it.
"""

# ruff: noqa: S608 - only constants of ours go into the statements
from __future__ import annotations

import logging
import os
import secrets
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from sqlalchemy import Connection, Engine

from bsm_remediate.adapters.sql.backends import Backend
from bsm_remediate.errors import StoreUnavailable

_log = logging.getLogger(__name__)

BEAT_S = 0.5
VALID_S = 2.0
"""From the beginning of the last beat that succeeded."""
DEAD_AFTER_S = 3.5
"""Later by what the end of a playbook takes."""
_PULSE_S = 0.25
_STALL_GUARD = Path(__file__).with_name("stall_guard.py")
_NOW = "extract(epoch FROM clock_timestamp())"
_BEAT = (
    f"INSERT INTO bsm_replica (id, host, started_at, beat_at, seen) VALUES (?, ?, {_NOW}, {_NOW}, ?)"
    f" ON CONFLICT (id) DO UPDATE SET beat_at = {_NOW}, seen = excluded.seen"
)
_LEAD = (
    f"INSERT INTO bsm_leader (id, replica, term, beat_at) VALUES (1, ?, 1, {_NOW}) ON CONFLICT (id) DO UPDATE"
    f" SET replica = excluded.replica, beat_at = {_NOW},"
    " term = bsm_leader.term + CASE WHEN bsm_leader.replica = excluded.replica THEN 0 ELSE 1 END"
    f" WHERE bsm_leader.replica = excluded.replica OR bsm_leader.beat_at < {_NOW} - {DEAD_AFTER_S}"
    " RETURNING term"
)
_NEWS = (
    "SELECT (SELECT max(position) FROM bsm_alert_change), (SELECT max(id) FROM bsm_control),"
    " (SELECT max(position) FROM bsm_event)"
)


class ReplicaLease:
    """Implements `EngineLease` on PostgreSQL."""

    is_shared = True
    remains_s = 0.0

    def __init__(self, backend: Backend) -> None:
        self.replica = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
        self.on_news: Callable[[], None] = lambda: None
        self._backend = backend
        self._valid_until = 0.0
        self._term: int | None = None
        self._seen = 0
        self._news: tuple[object, ...] = ()
        self._ending = threading.Event()
        self._engine: Engine | None = None

    @contextmanager
    def hold(self, *, alone: bool) -> Iterator[None]:
        if alone and self.is_held():
            raise StoreUnavailable("another engine runs on this database", hint="stop it, or give another --database")
        self._engine = self._backend.engine()
        try:
            self._beat()
        except self._backend.failures as error:
            raise StoreUnavailable(f"the database cannot be written: {getattr(error, 'orig', error)}") from error
        beating = threading.Thread(target=self._keep_beating, name="lease", daemon=True)
        beating.start()
        threading.Thread(target=self._show_life, name="pulse", daemon=True).start()
        try:
            yield
        finally:
            self._ending.set()
            beating.join(timeout=DEAD_AFTER_S)
            self._leave()

    def is_held(self) -> bool:
        engine = self._backend.engine()
        query = f"SELECT count(*) FROM bsm_replica WHERE beat_at > {_NOW} - {DEAD_AFTER_S}"
        try:
            with engine.connect() as connection:
                return bool(connection.exec_driver_sql(query).scalar_one())
        except self._backend.failures:
            return False
        finally:
            engine.dispose()

    def is_valid(self) -> bool:
        return time.monotonic() < self._valid_until

    def leads(self) -> bool:
        return self._term is not None and self.is_valid()

    def require_leading(self, connection: Connection) -> None:
        """Keep the lead until the end of this transaction. Raises `StoreUnavailable` when it is lost."""
        query = "SELECT 1 FROM bsm_leader WHERE id = 1 AND replica = ? AND term = ? FOR SHARE"
        if connection.exec_driver_sql(query, (self.replica, self._term)).first() is None:
            raise StoreUnavailable("another replica leads now")

    def dead(self) -> Sequence[str]:
        if self._engine is None or not self.leads():
            return ()
        query = f"SELECT id FROM bsm_replica WHERE beat_at < {_NOW} - {DEAD_AFTER_S} AND id <> ?"
        try:
            with self._engine.connect() as connection:
                return [id_ for (id_,) in connection.exec_driver_sql(query, (self.replica,))]
        except self._backend.failures:
            return ()

    def bury(self, replica: str) -> None:
        if self._engine is not None:
            query = f"DELETE FROM bsm_replica WHERE id = ? AND beat_at < {_NOW} - {DEAD_AFTER_S}"
            with self._engine.connect() as connection:
                connection.exec_driver_sql(query, (replica,))

    def saw(self, served: int) -> None:
        if served == self._seen or self._engine is None:
            return
        self._seen = served
        try:
            with self._engine.connect() as connection:
                connection.exec_driver_sql("UPDATE bsm_replica SET seen = ? WHERE id = ?", (served, self.replica))
        except self._backend.failures as error:  # the next beat says it
            _log.warning("lease.seen_not_said: %s", getattr(error, "orig", error))

    def behind(self, served: int) -> Sequence[str]:
        query = f"SELECT id FROM bsm_replica WHERE beat_at > {_NOW} - {DEAD_AFTER_S} AND seen < ? ORDER BY id"
        engine = self._engine or self._backend.engine()
        try:
            with engine.connect() as connection:
                return [id_ for (id_,) in connection.exec_driver_sql(query, (served,))]
        except self._backend.failures as error:
            raise StoreUnavailable(f"the database cannot be read: {getattr(error, 'orig', error)}") from error
        finally:
            if self._engine is None:
                engine.dispose()

    def _keep_beating(self) -> None:
        while not self._ending.wait(BEAT_S):
            try:
                self._beat()
            except self._backend.failures as error:
                _log.warning("lease.missed_a_beat: %s", getattr(error, "orig", error))

    def _show_life(self) -> None:
        command = [sys.executable, "-S", "-E", str(_STALL_GUARD), str(os.getpid()), str(VALID_S)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, bufsize=0) as guard, suppress(BrokenPipeError):
            while guard.stdin is not None and not self._ending.wait(_PULSE_S):
                guard.stdin.write(b".")

    def _beat(self) -> None:
        if self._engine is None:
            return
        begun = time.monotonic()
        with self._engine.connect() as connection:
            connection.exec_driver_sql(_BEAT, (self.replica, socket.gethostname(), self._seen))
            term = connection.exec_driver_sql(_LEAD, (self.replica,)).scalar()
            news = (term, *connection.exec_driver_sql(_NEWS).one())
        if term != self._term:
            _log.info("lease.%s replica=%s term=%s", "leading" if term else "following", self.replica, term)
        self._term = term
        self._valid_until = begun + VALID_S
        if news != self._news:
            self._news = news
            self.on_news()

    def _leave(self) -> None:
        """Let the others go on at once."""
        self._valid_until = 0.0
        if self._engine is None:
            return
        try:
            with self._engine.connect() as connection:
                connection.exec_driver_sql("UPDATE bsm_replica SET beat_at = 0 WHERE id = ?", (self.replica,))
                connection.exec_driver_sql("UPDATE bsm_leader SET beat_at = 0 WHERE replica = ?", (self.replica,))
        except self._backend.failures as error:
            _log.warning("lease.left_without_saying: %s", getattr(error, "orig", error))
        finally:
            self._engine.dispose()
