"""The page on reports, lived through: its bundle, its morning, and what its commands print."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from bsm_remediate.adapters.sql.store import open_store
from bsm_remediate.cli import main
from bsm_remediate.config.loader import load_bundle
from bsm_remediate.testing.executor import Scripted
from bsm_remediate.testing.timeline import Timeline
from bsm_remediate.web.report_page import report_page

PAGE = (Path(__file__).parents[2] / "docs" / "reports.md").read_text(encoding="utf-8")
MORNING = ["report", "--from", "2026-01-05T09:00:00Z", "--to", "2026-01-05T10:00:00Z"]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("site")
    bundle = re.search(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert bundle is not None
    (folder / "policies").mkdir()
    (folder / "policies" / "shop.yml").write_text(bundle[1])
    loaded = load_bundle(folder / "policies", inventory=None, playbooks=None, scrutinise=False)
    assert loaded.bundle is not None
    store = open_store(f"sqlite:///{folder / 'shop.sqlite'}")
    shop = Timeline(loaded.bundle, store)
    shop.executor.script("restart_database.yml", Scripted(duration_s=150))
    shop.at("09:00:20").fires("PostgresDown", instance="db-1", since=datetime(2026, 1, 5, 9, tzinfo=UTC))
    shop.at("09:03:10").resolves("PostgresDown", instance="db-1")
    shop.at("09:30:00").fires("WebDown", instance="web-1").at("09:42:00").resolves("WebDown", instance="web-1")
    shop.at("10:00:00")
    store.close()
    yield folder


@pytest.fixture
def told(site: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(site)

    def tell(*words: str) -> str:
        database = f"sqlite:///{site / 'shop.sqlite'}"
        result = CliRunner().invoke(main, ["--database", database, *words])
        assert result.exit_code == 0, result.output
        return result.stdout

    return tell


def test_the_report_is_what_its_page_shows(told: Any) -> None:
    shown = next(block for block in re.findall(r"```console\n\$ (.*?)```", PAGE, re.DOTALL) if "10:00:00Z" in block)
    line, _, output = shown.partition("\n")
    assert line.split()[1:] == MORNING
    found = [one.rstrip() for one in told(*MORNING).strip().splitlines()]
    assert found == [one.rstrip() for one in output.strip().splitlines()]
