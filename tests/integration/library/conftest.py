"""What the tests of the playbooks share: one set of daemons for the whole session."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.children import Children


@pytest.fixture(scope="session")
def children() -> Iterator[Children]:
    with Children() as started:
        yield started


@pytest.fixture(scope="session")
def ground() -> Iterator[Path]:
    """A folder with a short path (sockets need one) that other users may pass through, as daemons of root drop to."""
    folder = Path(tempfile.mkdtemp(prefix="bsm-", dir="/tmp"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
