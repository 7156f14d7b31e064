"""`init` writes an example that works, and never overwrites anything."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bsm_remediate.cli import main
from bsm_remediate.config.schema import json_schema


def _bsm(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


@pytest.fixture
def example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BSM_STATE_DIR", str(tmp_path / "state"))
    folder = tmp_path / "first try"
    assert _bsm("init", str(folder)).exit_code == 0
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.usefixtures("example")
def test_what_it_writes_passes_check() -> None:
    checked = _bsm("check", "--strict")
    assert (checked.exit_code, checked.stdout) == (0, "The bundle is sound.\n")


@pytest.mark.usefixtures("example")
def test_its_alerts_are_planned_in_the_order_of_the_goal() -> None:
    orders = {
        goal: [step["component"] for step in json.loads(_planned(goal).stdout)["steps"]]
        for goal in ("default", "campaign")
    }
    assert orders == {"default": ["database", "mailer"], "campaign": ["mailer", "database"]}


def _planned(goal: str) -> Result:
    return _bsm("plan", "--alerts", "alerts.json", "--at", "2026-01-05T09:01:00Z", "--goal", goal, "-o", "json")


def test_its_policies_name_the_schema_that_lies_beside_them(example: Path) -> None:
    policies = sorted((example / "policies").glob("*.yml"))
    assert policies
    for file in policies:
        assert file.read_text().splitlines()[0] == "# yaml-language-server: $schema=bundle.schema.json"
    assert json.loads((example / "policies" / "bundle.schema.json").read_text()) == json_schema()


def test_it_never_overwrites(example: Path) -> None:
    (example / "README.md").write_text("mine")
    for file in (example / "policies").iterdir():
        file.unlink()
    again = _bsm("init")
    assert again.exit_code == 2
    assert "nothing written" in again.stderr
    assert (example / "README.md").read_text() == "mine"
    assert list((example / "policies").iterdir()) == []


def test_a_folder_whose_name_would_end_up_in_a_template_is_refused(tmp_path: Path) -> None:
    refused = _bsm("init", str(tmp_path / "{{ x }}"))
    assert refused.exit_code == 2
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    refused = _bsm("init", str(tmp_path / "file" / "below"))
    assert refused.exit_code == 2
    assert "cannot be written" in refused.stderr
