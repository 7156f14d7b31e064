"""Who the engine of a database is. Of SQLite's there is one: a lock on a file beside the database says so, which the
kernel gives back whatever happens.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from sqlalchemy import Connection

from bsm_remediate.adapters.sql.backends import Sqlite, backend_of
from bsm_remediate.errors import StoreUnavailable
from bsm_remediate.ports import Lease


class EngineLease(Lease, Protocol):
    """A lease with what the store needs of it."""

    is_shared: bool
    """Whether other engines may live on the same database."""
    on_news: Callable[[], None]
    """Called when others have written something."""

    def require_leading(self, connection: Connection) -> None:
        """Keep the lead until the end of this transaction. Raises `StoreUnavailable` when it is lost."""


class FileLease:
    """Implements `EngineLease` where there is one engine only."""

    replica = "engine"
    is_shared = False
    remains_s = 2.0
    """The lock is free at once; the guard of a playbook ends it well within that."""

    def __init__(self, file: Path) -> None:
        self._file = file
        """Locked by the engine; its content is how many answered controls that one has seen."""
        self._descriptor: int | None = None
        self.on_news: Callable[[], None] = lambda: None

    def require_leading(self, connection: Connection) -> None:
        """It leads."""

    @contextmanager
    def hold(self, *, alone: bool) -> Iterator[None]:  # noqa: ARG002 - it always is
        self._file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise StoreUnavailable(
                    "another engine runs on this database", hint="stop it, or give another --database"
                ) from error
            self._descriptor = descriptor
            self.saw(0)
            yield
        finally:
            self._descriptor = None
            os.close(descriptor)

    def is_held(self) -> bool:
        try:
            descriptor = os.open(self._file, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
        else:
            return False
        finally:
            os.close(descriptor)

    def is_valid(self) -> bool:
        return True

    def leads(self) -> bool:
        return True

    def dead(self) -> Sequence[str]:
        return ()

    def bury(self, replica: str) -> None:
        """There are no others."""

    def saw(self, served: int) -> None:
        if self._descriptor is not None:
            os.pwrite(self._descriptor, b"%020d\n" % served, 0)

    def behind(self, served: int) -> Sequence[str]:
        if not self.is_held():
            return ()
        try:
            seen = int(self._file.read_bytes() or b"0")
        except (OSError, ValueError):
            return (self.replica,)
        return (self.replica,) if seen < served else ()


def lease_of(url: str) -> EngineLease:
    """The lease of the database at `url`. Raises `WrongUsage`."""
    backend = backend_of(url)
    if isinstance(backend, Sqlite):
        return FileLease(backend.file.with_name(backend.file.name + ".lease"))
    from bsm_remediate.adapters.sql.replicas import ReplicaLease

    return ReplicaLease(backend)
