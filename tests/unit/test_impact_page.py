"""docs/impact.md shows how one's own code asks; it is run as it stands there."""

from __future__ import annotations

import doctest
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def test_the_code_on_the_page_prints_what_stands_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    found = doctest.testfile(str(ROOT / "docs" / "impact.md"), module_relative=False)
    assert (found.failed, found.attempted > 10) == (0, True)
