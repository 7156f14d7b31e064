"""The stores that are held to one contract."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bsm_remediate.adapters.sql.store import open_store
from bsm_remediate.records import Store
from bsm_remediate.testing.store import MemoryStore


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    made: Store
    if request.param == "memory":
        made = MemoryStore()
    elif request.param == "sqlite":
        made = open_store(f"sqlite:///{tmp_path}/store.sqlite")
    else:
        made = open_store(request.getfixturevalue("postgres_url"))
    yield made
    made.close()
