"""`check` on a bundle with (more than) twenty errors, and what it prints for people and programs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bsm_remediate.cli import main

BROKEN = Path(__file__).parents[2] / "bundles" / "twenty-errors"
SOUND = """
currency: EUR
services: {shop: {loss_per_minute: 5, requires: [db]}}
components: {db: {}}
"""


def _check(folder: Path, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Result:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("NO_COLOR", "1")
    inventory = ("--inventory", "hosts.yml") if (folder / "hosts.yml").exists() else ()
    return CliRunner().invoke(main, [*inventory, "check", *arguments])


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BSM_STATE_DIR", str(tmp_path / "state"))


def test_all_errors_are_shown_at_once_with_place_and_hint(monkeypatch: pytest.MonkeyPatch) -> None:
    # findings.txt is what `bsm-remediate --inventory hosts.yml check` prints in that folder; the errors are numbered
    # in the comments of its policies.
    checked = _check(BROKEN, monkeypatch)
    assert checked.stdout == (BROKEN / "findings.txt").read_text(encoding="utf-8")
    assert checked.stderr == "28 errors, 1 warning.\n"
    assert checked.exit_code == 2


def test_programs_get_the_same_findings_as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    checked = _check(BROKEN, monkeypatch, "--format", "json")
    document = json.loads(checked.stdout)
    assert list(document) == ["findings"]
    assert all(
        list(row) == ["file", "line", "column", "severity", "code", "message", "hint"] for row in document["findings"]
    )
    lines = [
        f"{row['file']}:{row['line']}:{row['column']}: {row['severity']} {row['code']}: {row['message']}"
        for row in document["findings"]
    ]
    printed = (BROKEN / "findings.txt").read_text(encoding="utf-8").splitlines()
    assert [line[: len(start)] for line, start in zip(printed, lines, strict=True)] == lines
    assert checked.exit_code == 2


def test_a_sound_bundle_ends_with_0(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "shop.yml").write_text(SOUND)
    checked = _check(tmp_path, monkeypatch)
    assert (checked.exit_code, checked.stdout) == (0, "The bundle is sound.\n")


def test_warnings_alone_fail_only_when_strict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bundle.yml").write_text(SOUND.replace("{db: {}}", "{db: {requires: [disk]}, disk: {requires: [db]}}"))
    assert _check(tmp_path, monkeypatch, "bundle.yml").exit_code == 0
    strict = _check(tmp_path, monkeypatch, "bundle.yml", "--strict")
    assert strict.exit_code == 1
    assert "warning cycle: requirements go in a circle: db → disk → db" in strict.stdout


def test_several_paths_are_several_bundles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("north", "south"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "shop.yml").write_text(SOUND.replace("[db]", "[dd]"))
    checked = _check(tmp_path, monkeypatch, "north", "south")
    assert [line.split(":")[0] for line in checked.stdout.splitlines()] == ["north/shop.yml", "south/shop.yml"]


def test_a_bundle_that_is_not_there_is_a_finding_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checked = _check(tmp_path, monkeypatch, "nowhere")
    assert checked.stdout.startswith("nowhere:0:0: error no-bundle: there is no such file or folder")
    assert checked.exit_code == 2
