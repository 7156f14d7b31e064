"""`token`: made, shown once, listed, taken back."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from bsm_remediate.cli import main


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BSM_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.delenv("BSM_TOKEN", raising=False)


def bsm(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["token", *arguments])


def listed() -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = json.loads(bsm("list", "-o", "json").stdout)["items"]
    return items


def test_a_token_is_printed_alone_this_once_and_kept_as_its_hash_only(tmp_path: Path) -> None:
    made = bsm("create", "--role", "webhook", "--source", "alertmanager", "--expires", "90d", "--name", "am")
    secret = made.stdout.strip()
    assert secret.startswith("bsm_")
    assert len(secret) == len("bsm_") + 43  # 256 bits
    assert "shown this once" in made.stderr
    assert secret not in made.stderr
    assert secret not in bsm("list").stdout
    kept = b"".join(file.read_bytes() for file in (tmp_path / "state").iterdir())
    assert secret.encode() not in kept
    assert hashlib.sha256(secret.encode()).hexdigest().encode() in kept
    (row,) = listed()
    assert (row["name"], row["role"], row["sources"], row["state"]) == ("am", "webhook", ["alertmanager"], "valid")
    assert row["expires_at"] > row["created_at"]


def test_no_two_tokens_are_alike() -> None:
    assert len({bsm("create", "--role", "viewer").stdout for _ in range(5)}) == 5


def test_a_program_gets_all_of_it_as_json() -> None:
    made = json.loads(bsm("create", "--role", "viewer", "-o", "json").stdout)
    assert made["token"].startswith("bsm_")
    assert {key: value for key, value in made.items() if key != "token"} == listed()[0]


def test_a_token_is_taken_back_by_its_id() -> None:
    bsm("create", "--role", "viewer", "--name", "ana")
    revoked = bsm("revoke", listed()[0]["id"], "--reason", "left")
    assert (revoked.exit_code, revoked.stdout.startswith("token ")) == (0, True)
    assert listed()[0]["state"] == "revoked"
    assert bsm("revoke", "nothing").exit_code == 2


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--role", "root"], "'root' is not one of"),
        (["--role", "viewer", "--source", "grafana"], "for the role webhook"),
        (["--role", "webhook", "--source", "nagios"], "there is no source 'nagios'"),
        (["--role", "viewer", "--expires", "soon"], "no duration"),
        (["--role", "viewer", "--name", "local"], "'local' is taken"),
        (["--role", "viewer", "--name", "a\nb"], "printable"),
        ([], "--role"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments: list[str], why: str) -> None:
    refused = bsm("create", *arguments)
    assert (refused.exit_code, why in refused.output) == (2, True)
    assert listed() == []


def test_tokens_of_the_settings_are_listed_beside_them(tmp_path: Path) -> None:
    (tmp_path / "wall").write_text("hush-hush")
    (tmp_path / "bsm-remediate.toml").write_text('[[tokens]]\nname = "wall"\nrole = "viewer"\nfile = "wall"\n')
    bsm("create", "--role", "admin", "--name", "ana")
    assert [(row["name"], row["state"]) for row in listed()] == [("ana", "valid"), ("wall", "in the settings")]
    assert "hush" not in bsm("list").output
    assert "is taken" in bsm("create", "--role", "viewer", "--name", "wall").output
