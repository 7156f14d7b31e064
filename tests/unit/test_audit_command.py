"""`audit`: from the outside, on a database of its own."""

from __future__ import annotations

import json
import sqlite3
import stat
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from bsm_remediate.adapters.journal_key import make_key, read_keys
from bsm_remediate.adapters.sql.store import open_store
from bsm_remediate.app import Installation
from bsm_remediate.cli import main
from bsm_remediate.config.settings import Options
from bsm_remediate.domain.event import Event
from bsm_remediate.errors import WrongUsage

NINE = datetime(2026, 1, 5, 9, tzinfo=UTC)


@dataclass
class Site:
    state: Path

    @property
    def file(self) -> Path:
        return self.state / "bsm-remediate.sqlite"

    @property
    def key(self) -> Path:
        return self.state / "journal.key"

    def happens(self, *kinds: str) -> None:
        make_key(self.key)
        store = open_store(f"sqlite:///{self.file}")
        store.append([Event(kind=kind, at=NINE, subject="db-1") for kind in kinds])
        store.seal(read_keys(self.key).current, limit=1000)
        store.close()

    def change(self, statement: str) -> None:
        with closing(sqlite3.connect(self.file)) as connection, connection:
            connection.execute(statement)

    def audit(self, *arguments: str) -> Result:
        return CliRunner().invoke(main, ["audit", *arguments])

    def verdict(self, *arguments: str, code: int) -> dict[str, Any]:
        result = self.audit("verify", "-o", "json", *arguments)
        assert result.exit_code == code, result.output
        found: dict[str, Any] = json.loads(result.stdout)
        return found

    def head(self) -> str:
        return self.audit("head").stdout.strip()


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BSM_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.delenv("BSM_JOURNAL_KEY_FILE", raising=False)
    (tmp_path / "state").mkdir()
    return Site(tmp_path / "state")


def test_an_unbroken_journal_is_said_to_be(site: Site) -> None:
    site.happens("run.queued", "run.started")
    result = site.audit("verify")
    assert result.exit_code == 0
    assert "unbroken: entries 1 to 2 are what was sealed." in result.stdout
    found = site.verdict(code=0)
    assert (found["unbroken"], found["entries"], found["head"], found["broken"]) == (True, 2, site.head(), None)


def test_the_first_entry_that_is_not_what_was_sealed_is_named(site: Site) -> None:
    site.happens("run.queued", "run.started", "run.succeeded")
    site.change("UPDATE bsm_event SET subject = 'db-2' WHERE sealed = 2")
    result = site.audit("verify")
    assert result.exit_code == 1
    assert "broken at entry 2: entry 2 (run.started about db-2, 2026-01-05T09:00:00Z) was changed" in result.stdout
    assert "Entries 1 to 1 are what was sealed." in result.stdout
    assert site.verdict(code=1)["broken"]["position"] == 2
    assert yaml.safe_load(site.audit("verify", "-o", "yaml").stdout)["broken"]["fault"] == "changed"


def test_a_changed_entry_cannot_write_to_the_terminal(site: Site) -> None:
    site.happens("one")
    site.change("UPDATE bsm_event SET subject = char(27) || '[2J[red]'")
    shown = site.audit("verify").stdout
    assert "\x1b" not in shown
    assert "[red]" in shown


def test_a_head_that_was_noted_shows_a_cut_end(site: Site) -> None:
    site.happens("one", "two", "three")
    noted = site.head()
    assert site.verdict("--head", noted, code=0)["anchor"] == noted
    with closing(sqlite3.connect(site.file)) as connection:
        (link,) = connection.execute("SELECT link FROM bsm_event WHERE sealed = 1").fetchone()
    site.change("DELETE FROM bsm_event WHERE sealed > 1")
    site.change(f"UPDATE bsm_journal SET head_position = 1, head_link = '{link}'")  # noqa: S608 - ours
    assert site.verdict(code=0)["entries"] == 1
    broken = site.verdict("--head", noted, code=1)["broken"]
    assert (broken["position"], broken["fault"]) == (2, "cut")


def test_one_can_begin_later(site: Site) -> None:
    site.happens("one", "two", "three")
    site.change("UPDATE bsm_event SET kind = 'other' WHERE sealed = 1")
    assert site.verdict("--from", "3", code=0)["entries"] == 1
    assert site.verdict("--from", "1", code=1)["broken"]["position"] == 1
    result = site.audit("verify", "--from", "9")
    assert result.exit_code == 2
    assert "it has entries 1 to 3" in result.output


def test_what_is_no_head_is_refused(site: Site) -> None:
    site.happens("one")
    result = site.audit("verify", "--head", "17")
    assert result.exit_code == 2
    assert "'17' is no mark of the journal" in result.output


def test_without_the_key_nothing_can_be_verified(site: Site) -> None:
    site.happens("one")
    site.key.unlink()
    result = site.audit("verify")
    assert result.exit_code == 2
    assert "set BSM_JOURNAL_KEY_FILE" in result.output
    assert not site.key.exists()
    assert site.audit("head").exit_code == 0


def test_without_the_database_it_is_not_reachable(site: Site) -> None:
    site.happens("one")
    for beside in site.state.glob("*.sqlite*"):
        beside.unlink()
    site.file.write_bytes(b"no database at all" * 100)
    assert site.audit("verify").exit_code == 3


def test_an_empty_journal_is_no_broken_one(site: Site) -> None:
    site.happens()
    assert "Nothing is sealed yet." in site.audit("verify").stdout
    assert "Nothing is sealed yet." in site.audit("head").stdout


def test_a_key_is_made_once_and_only_its_owner_can_read_it(site: Site) -> None:
    installation = Installation.from_options(Options())
    made = installation.journal_keys(make=True).current.id
    assert stat.S_IMODE(site.key.stat().st_mode) == 0o600
    assert installation.journal_keys(make=True).current.id == made
    assert [file.name for file in site.state.iterdir()] == ["journal.key"]


@pytest.mark.usefixtures("site")
def test_a_key_that_somebody_named_is_never_made(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BSM_JOURNAL_KEY_FILE", str(tmp_path / "elsewhere.key"))
    with pytest.raises(WrongUsage, match=r"elsewhere\.key cannot be read"):
        Installation.from_options(Options()).journal_keys(make=True)
    assert not site.key.exists()


def test_a_key_that_is_too_short_is_refused(site: Site) -> None:
    site.key.write_text("secret\n")
    with pytest.raises(WrongUsage, match="at least 32 characters, this one has 6"):
        Installation.from_options(Options()).journal_keys()


@pytest.mark.usefixtures("site")
def test_the_settings_file_names_key_and_retention(tmp_path: Path) -> None:
    (tmp_path / "bsm-remediate.toml").write_text('[journal]\nkey_file = "/run/journal.key"\nkeep_months = 24\n')
    settings = Installation.from_options(Options()).settings
    assert (settings.journal_key_file, settings.journal_keep_months) == (Path("/run/journal.key"), 24)
    (tmp_path / "bsm-remediate.toml").write_text("[journal]\nkeep_months = 0\n")
    with pytest.raises(WrongUsage, match=r"journal\.keep_months"):
        Installation.from_options(Options())


def examined(site: Site) -> dict[str, tuple[str, str]]:
    """What the doctor says of journal and secrets."""
    (site.state.parent / "policies").mkdir(exist_ok=True)
    document = json.loads(CliRunner().invoke(main, ["doctor", "--no-hosts", "-o", "json"]).stdout)
    return {one["check"]: (one["health"], one["detail"]) for one in document["checks"]}


def test_the_doctor_tells_how_the_journal_is_sealed(site: Site) -> None:
    assert examined(site)["journal"][1].startswith("its key is made at the first start")
    site.happens("one", "two")
    health, detail = examined(site)["journal"]
    assert (health, detail[:22]) == ("ok", "2 entries are sealed, ")
    assert "note its head on another" in detail


def test_the_doctor_says_where_the_key_comes_from(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def told() -> tuple[str, str]:
        document = json.loads(CliRunner().invoke(main, ["doctor", "--no-hosts", "-o", "json"]).stdout)
        (one,) = (one for one in document["settings"] if one["key"] == "journal.key_file")
        return one["value"], one["origin"]

    assert told() == (str(site.key), "default")
    (site.state.parent / "bsm-remediate.toml").write_text('[journal]\nkey_file = "of/file.key"\n')
    assert told() == ("of/file.key", "bsm-remediate.toml")
    monkeypatch.setenv("BSM_JOURNAL_KEY_FILE", "of/environment.key")
    assert told() == ("of/environment.key", "BSM_JOURNAL_KEY_FILE")


def test_the_doctor_finds_engines_with_different_keys(site: Site) -> None:
    site.happens("one")
    site.key.unlink()
    make_key(site.key)
    assert examined(site)["journal"][0] == "failed"


def test_the_doctor_finds_a_key_that_others_can_read(site: Site) -> None:
    site.happens("one")
    site.key.chmod(0o640)
    assert examined(site)["secrets"] == ("warning", f"{site.key} can be read by others (-rw-r-----)")
