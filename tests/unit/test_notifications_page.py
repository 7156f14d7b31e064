"""The page on notifications, lived through: its bundle, what people read, and what its commands print. The weekly
report, too.
"""

from __future__ import annotations

import contextlib
import re
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any, get_args

import pytest
from click.testing import CliRunner

from bsm_remediate import app
from bsm_remediate.adapters.sql.store import open_store
from bsm_remediate.cli import main
from bsm_remediate.config.fields import NoticeName
from bsm_remediate.config.loader import load_bundle
from bsm_remediate.domain.bundle import Bundle, NotifySettings, WeeklyReport
from bsm_remediate.domain.message import Message, MessageKind
from bsm_remediate.domain.notice import NoticeKind
from bsm_remediate.domain.notice_text import LONGEST_BODY
from bsm_remediate.domain.weekly_report import latest_due
from bsm_remediate.errors import StoreUnavailable
from bsm_remediate.testing.store import MemoryStore
from bsm_remediate.testing.timeline import BEGIN, Timeline

PAGE = (Path(__file__).parents[2] / "docs" / "notifications.md").read_text(encoding="utf-8")
CHAT, MAIL = "env:PAYMENTS_CHAT", "mailto://mail.example/payments@example.org"


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    (folder / "policies").mkdir()
    (folder / "policies" / "shop.yml").write_text(blocks("yaml")[0])
    return folder


@pytest.fixture(scope="module")
def bundle(site: Path) -> Bundle:
    loaded = load_bundle(site / "policies", inventory=None, playbooks=None, scrutinise=False)
    assert [str(one) for one in loaded.findings] == []
    assert loaded.bundle is not None
    return loaded.bundle


@pytest.fixture(scope="module")
def morning(site: Path, bundle: Bundle) -> list[str]:
    """What the chat reads; the database has the same story as far as nine past."""
    store = open_store(f"sqlite:///{site / 'shop.sqlite'}")
    shop = Timeline(bundle, store)
    shop.notifier.away.add(MAIL)
    shop.at("09:00:00").fires("PostgresDown", instance="db-1")
    shop.at("09:01:30")
    store.close()
    whole = Timeline(bundle, MemoryStore())
    whole.at("09:00:00").fires("PostgresDown", instance="db-1")
    run = whole.at("09:24:59").run_of("db-1").id
    whole.resolves("PostgresDown", instance="db-1").at("09:40:00")
    return [f"{one.title}\n\n{one.body}\n".replace(run, "RUN") for one in whole.notifier.to(CHAT)]


def test_people_read_what_the_page_shows(morning: list[str]) -> None:
    assert morning == blocks("text")


@pytest.mark.parametrize(
    ("line", "output"),
    [
        pytest.param(line, output, id=line)
        for block in blocks("console")
        for line, _, output in [block.removeprefix("$ ").partition("\n")]
    ],
)
def test_a_command_prints_what_the_page_shows(
    line: str, output: str, site: Path, morning: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert morning
    monkeypatch.chdir(site)
    monkeypatch.setattr(app, "now", lambda: BEGIN + timedelta(hours=1))
    result = CliRunner().invoke(main, ["--database", f"sqlite:///{site / 'shop.sqlite'}", *line.split()[1:]])
    wanted = [one.rstrip() for one in output.splitlines()]
    assert [one.rstrip() for one in result.stdout.splitlines()] == wanted
    assert result.exit_code == (1 if "failed" in output else 0)


def test_the_page_names_every_kind_and_the_defaults_of_the_code() -> None:
    kinds = set(re.findall(r"^\| `(\w+)` \| (?!.*\| `?own)", PAGE, re.MULTILINE))
    assert {one.value for one in NoticeKind} == set(get_args(NoticeName)) <= kinds
    usual = NotifySettings()
    for name, text in (("gather", "5s"), ("every", "5m"), ("remind", "4h")):
        written = re.search(rf"^\| `{name}` \|.*\| (\w+) \|$", PAGE, re.MULTILINE)
        assert written is not None
        seconds = {"s": 1, "m": 60, "h": 3600}[text[-1]] * int(text[:-1])
        assert (written[1], getattr(usual, name).total_seconds()) == (text, seconds)
    assert usual.burn == {"1h": 14.4, "6h": 6, "3d": 1}
    assert f"{LONGEST_BODY:,} characters" in PAGE


# --- the weekly report -----------------------------------------------------------------------------------------------

MONDAY_EIGHT = WeeklyReport(team="management", weekday=0, at=time(8), timezone="Europe/Berlin")


@pytest.mark.parametrize(
    ("now", "due"),
    [
        (datetime(2026, 1, 12, 6, 59, tzinfo=UTC), None),
        (datetime(2026, 1, 12, 7, 0, tzinfo=UTC), datetime(2026, 1, 12, 7, tzinfo=UTC)),  # winter
        (datetime(2026, 1, 13, 6, 59, tzinfo=UTC), datetime(2026, 1, 12, 7, tzinfo=UTC)),
        (datetime(2026, 1, 13, 7, 0, tzinfo=UTC), None),
        (datetime(2026, 3, 30, 5, 59, tzinfo=UTC), None),
        (datetime(2026, 3, 30, 6, 0, tzinfo=UTC), datetime(2026, 3, 30, 6, tzinfo=UTC)),  # summer since yesterday
        (datetime(2026, 10, 26, 6, 59, tzinfo=UTC), None),
        (datetime(2026, 10, 26, 7, 0, tzinfo=UTC), datetime(2026, 10, 26, 7, tzinfo=UTC)),  # winter since yesterday
    ],
)
def test_the_report_is_due_by_the_clock_on_the_wall(now: datetime, due: datetime | None) -> None:
    assert latest_due(MONDAY_EIGHT, now) == due


def weekly(bundle: Bundle) -> Timeline:
    """A story whose report is due at half past ten, on the Monday that it begins."""
    report = replace(MONDAY_EIGHT, at=time(10, 30), timezone="UTC")
    notify = replace(bundle.settings.notify, weekly_report=report)
    return Timeline(replace(bundle, settings=replace(bundle.settings, notify=notify)), MemoryStore())


def reports(told: Timeline) -> list[Any]:
    return [one for one in told.notifier.received if one.title.startswith("The week")]


def test_the_weekly_report_goes_to_its_team_once_also_when_the_engine_restarts(bundle: Bundle) -> None:
    told = weekly(bundle)
    told.at("09:00:00").fires("PostgresDown", instance="db-1")
    told.at("09:10:00").resolves("PostgresDown", instance="db-1")
    told.at("10:29:59")
    assert reports(told) == []
    told.at("10:31:00")
    told.restarts()
    told.at("10:40:00")
    [report] = reports(told)
    assert report.address == "env:MANAGEMENT_MAIL"
    assert report.title == "The week: 3,000.00 EUR lost, 0.00 avoided"
    assert "• checkout lost 3,000.00 EUR, down 10.0 min, by db-1" in report.body
    [row] = [one for one in told.store.messages() if one.kind is MessageKind.REPORT]
    assert row.id.startswith("week-2026-01-05-")


def test_a_new_engine_reports_nothing_of_a_week_that_it_has_not_seen(bundle: Bundle) -> None:
    told = Timeline(bundle, MemoryStore())  # its report was due two hours ago
    told.at("09:10:00")
    assert told.notifier.received == []


def test_a_report_that_could_not_be_written_down_is_made_again(bundle: Bundle) -> None:
    class Stumbling(MemoryStore):
        stumbles = 3

        def post(self, messages: Any) -> None:
            if any(one.kind is MessageKind.REPORT for one in messages) and self.stumbles:
                self.stumbles -= 1
                raise StoreUnavailable("it is away")
            super().post(messages)

    told = weekly(bundle)
    assert isinstance(told.store, MemoryStore)
    told.store.__class__ = Stumbling
    told.at("10:29:59")
    for _ in range(10):
        told.clock.advance(2)
        with contextlib.suppress(StoreUnavailable):
            told.tick()
    assert len(reports(told)) == 1


def test_a_report_does_not_make_its_route_forget_what_it_was_told(bundle: Bundle) -> None:
    told = weekly(bundle)
    told.at("10:29:00").fires("PostgresDown", instance="db-1")
    told.at("10:40:00")
    losses = [one for one in told.notifier.to("env:MANAGEMENT_MAIL") if one not in reports(told)]
    assert (len(losses), len(reports(told))) == (1, 1)
    messages: list[Message] = list(told.store.messages())
    assert {one.kind for one in messages if one.to == "env:MANAGEMENT_MAIL"} == set(MessageKind)
