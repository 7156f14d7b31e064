"""Who the engine of a database is: a lock on a file beside it, which the kernel gives back whatever happens."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bsm_remediate.adapters.sql.database import sqlite_file
from bsm_remediate.errors import StoreUnavailable


class FileLease:
    """Implements `Lease` for SQLite."""

    def __init__(self, file: Path) -> None:
        self._file = file

    @contextmanager
    def hold(self) -> Iterator[None]:
        self._file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise StoreUnavailable(
                    "another engine runs on this database", hint="stop it, or give another --database"
                ) from error
            yield
        finally:
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


def lease_of(url: str) -> FileLease:
    """The lease of the database at `url`. Raises `WrongUsage`."""
    file = sqlite_file(url)
    return FileLease(file.with_name(file.name + ".lease"))
