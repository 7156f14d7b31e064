"""What the page on the journal says of its form is so: its own verifier runs, and it names every fault."""

from __future__ import annotations

import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bsm_remediate.adapters.journal_key import make_key, read_keys
from bsm_remediate.adapters.sql.store import open_store
from bsm_remediate.domain.audit import Fault
from bsm_remediate.domain.event import Event, Json

PAGE = (Path(__file__).parents[2] / "docs" / "journal.md").read_text(encoding="utf-8")
NINE = datetime(2026, 1, 5, 9, tzinfo=UTC)


def verified(folder: Path) -> subprocess.CompletedProcess[str]:
    """By the page's program."""
    (program,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    files = [str(folder / "store.sqlite"), str(folder / "journal.key")]
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program, *files], capture_output=True, text=True, timeout=30, check=False
    )


@pytest.fixture
def link(tmp_path: Path) -> str:
    """Of the last entry of a journal in `tmp_path`."""
    make_key(tmp_path / "journal.key")
    store = open_store(f"sqlite:///{tmp_path}/store.sqlite")
    for number in range(50):
        at = NINE + timedelta(microseconds=number * 77_777_777)
        facts: dict[str, Json] = {"text": 'ä \u2028 "quoted" \\', "number": number / 7, "list": [None, True]}
        store.append([Event(kind="decision.made", at=at, subject="dienst-ü", actor="ana", facts=facts)])
    head = store.seal(read_keys(tmp_path / "journal.key").current, limit=1000)
    store.close()
    assert head is not None
    return head.link


def test_the_page_s_own_program_comes_to_the_same_head(tmp_path: Path, link: str) -> None:
    found = verified(tmp_path)
    assert (found.returncode, found.stdout.strip()) == (0, link), found.stderr


@pytest.mark.usefixtures("link")
def test_the_page_s_own_program_sees_a_changed_entry(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "store.sqlite")) as connection, connection:
        connection.execute("UPDATE bsm_event SET actor = 'li' WHERE sealed = 20")
    found = verified(tmp_path)
    assert (found.returncode, found.stderr.strip()) == (1, "entry 20 is not what was sealed")


def test_the_page_names_every_fault() -> None:
    assert re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)[1:] == [fault.value for fault in Fault]
