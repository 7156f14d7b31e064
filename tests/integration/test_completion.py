"""A real shell completes commands, options and the ids of the bundle and of the database."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from bsm_remediate.adapters.sql.store import open_store
from bsm_remediate.cli import main
from bsm_remediate.domain.alert import Alert, AlertStatus
from bsm_remediate.domain.ids import Fingerprint

BUNDLE = """
currency: EUR
services: {checkout: {title: Customers pay, loss_per_minute: 10, requires: [db-1, db-2]}}
components: {db-1: {host: db1.example}, db-2: {host: db2.example}, web-1: {}}
goals: {night: {weights: {}}}
policies: {restart: {match: {alertname: Down}, do: [{playbook: restart.yml}]}}
"""
PROGRAM = Path(sys.executable).parent / "bsm-remediate"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "shop.yml").write_text(BUNDLE)
    return tmp_path


def environment(site: Path) -> dict[str, str]:
    kept = {name: text for name, text in os.environ.items() if not name.startswith("BSM_")}
    return {**kept, "BSM_STATE_DIR": str(site / "state"), "PATH": f"{PROGRAM.parent}:{os.environ['PATH']}"}


def offered(site: Path, line: str) -> list[str]:
    """What bash offers at the end of `line`, by the script that the command prints."""
    program, _, _ = line.partition(" ")
    script = f"""
source <(bsm-remediate completion bash)
COMP_LINE='{line}' COMP_POINT={len(line)}
read -r -a COMP_WORDS <<<"$COMP_LINE"
[[ $COMP_LINE == *' ' ]] && COMP_WORDS+=('')
COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
COMPREPLY=()
function_of() {{ complete -p "$1" | sed -E 's/.*-F ([^ ]+).*/\\1/'; }}
"$(function_of {program})" {program} "${{COMP_WORDS[COMP_CWORD]}}" >/dev/null
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    shell = ["bash", "--norc", "-c", "compopt() { :; }\n" + script]
    found = subprocess.run(shell, cwd=site, env=environment(site), capture_output=True, text=True, check=True)
    assert found.stderr == ""
    return found.stdout.split()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("bsm-remediate wha", ["what-if"]),
        ("bsm wha", ["what-if"]),
        ("bsm-remediate completion ", ["bash", "zsh", "fish"]),
        ("bsm-remediate plan --ass", ["--assume"]),
        ("bsm-remediate why ", ["checkout", "db-1", "db-2", "web-1"]),
        ("bsm-remediate why che", ["checkout"]),
        ("bsm-remediate what-if --down db", ["db-1", "db-2"]),
        ("bsm-remediate what-if --down db-1,db", ["db-1,db-2"]),
        ("bsm-remediate hold db", ["db1.example", "db2.example", "db-1", "db-2"]),
        ("bsm-remediate adopt ", ["restart"]),
        ("bsm-remediate plan --goal n", ["night"]),
        ("bsm-remediate --policies elsewhere why ", []),
        ("bsm-remediate approve ", []),
    ],
)
def test_bash_completes_what_is_being_typed(site: Path, line: str, expected: list[str]) -> None:
    assert offered(site, line) == expected
    assert not (site / "state" / "bsm-remediate.sqlite").exists()  # to look must not make a database


def test_an_alert_to_be_ended_is_offered_from_the_database(site: Path) -> None:
    (site / "state").mkdir()
    store = open_store(f"sqlite:///{site}/state/bsm-remediate.sqlite")
    now = datetime.now(UTC)
    labels = {"alertname": "Down"}
    alert = Alert(
        source="generic",
        fingerprint=Fingerprint("ab12"),
        status=AlertStatus.FIRING,
        labels=labels,
        starts_at=now,
        received_at=now,
    )
    store.record([alert])
    store.close()
    assert offered(site, "bsm-remediate alerts resolve a") == ["ab12"]


def test_a_server_that_does_not_answer_offers_nothing_and_says_nothing(site: Path) -> None:
    assert offered(site, "bsm-remediate runs --url http://127.0.0.1:9 ") == []


def test_a_broken_bundle_offers_nothing_and_says_nothing(site: Path) -> None:
    (site / "policies" / "shop.yml").write_text("services: [")
    assert offered(site, "bsm-remediate why ") == []


@pytest.mark.parametrize(("shell", "mark"), [("bash", "complete -o"), ("zsh", "#compdef bsm"), ("fish", "complete --")])
def test_there_is_a_script_for_each_shell_and_both_names(shell: str, mark: str) -> None:
    printed = CliRunner().invoke(main, ["completion", shell])
    assert printed.exit_code == 0
    assert printed.stdout.count(mark) == 2
    assert "_BSM_COMPLETE=" in printed.stdout
    assert "_BSM_REMEDIATE_COMPLETE=" in printed.stdout
