"""Property tests are repeatable by default; `HYPOTHESIS_PROFILE=explore` looks for cases that nobody has seen yet.

A real PostgreSQL for whoever wants one: `def test_…(postgres_url: str)` has a database of its own on it.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from tests.integration.library.postgres import Postgres

settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.register_profile("explore", deadline=None, max_examples=1_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))

_numbers = count(1)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    """One server for the whole session. Whoever stops it starts it again."""
    from tests.integration.library.postgres import Postgres

    folder = Path(tempfile.mkdtemp(prefix="bsm-pg-", dir="/tmp"))  # sockets need a short path
    folder.chmod(0o711)  # it runs as a user of its own
    server = Postgres(folder / "server")
    try:
        server.create()
        server.start()
        yield server
    finally:
        server.end()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgres_url(postgres_server: Postgres) -> Iterator[str]:
    """A new database."""
    name = f"bsm_{next(_numbers)}"
    postgres_server.ask(f"create database {name}")
    yield f"postgresql://postgres@127.0.0.1:{postgres_server.port}/{name}"
    postgres_server.ask(f"drop database {name} with (force)")
