"""Where people are told, as a bundle says it: routes, calendars, rotations, and what is wrong with an address."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import pytest

from bsm_remediate.config.loader import Loaded, load_bundle
from bsm_remediate.domain.bundle import Bundle, WeeklyReport
from bsm_remediate.domain.notice import NoticeKind, NoticeSeverity
from bsm_remediate.domain.route import may_hold_secret, shown

_SHOP = """currency: EUR
services: {checkout: {loss_per_minute: 1, requires: [db-1], owner: payments}}
components: {db-1: {owner: payments}}
calendars: {office: {timezone: Europe/Berlin, weekdays: mon-fri, hours: "08:00-18:00"}}
"""


def loaded(tmp_path: Path, text: str) -> Loaded:
    (tmp_path / "shop.yml").write_text(_SHOP + text)
    return load_bundle(tmp_path, inventory=None, playbooks=None, scrutinise=False)


def sound(tmp_path: Path, text: str) -> Bundle:
    found = loaded(tmp_path, text)
    assert [str(one) for one in found.findings] == []
    assert found.bundle is not None
    return found.bundle


def codes(tmp_path: Path, text: str) -> list[str]:
    return [one.code for one in loaded(tmp_path, text).findings]


def test_an_address_is_one_route_whoever_names_it(tmp_path: Path) -> None:
    bundle = sound(
        tmp_path,
        """
teams:
  payments:
    members: [ana]
    notify:
      - mailto://ops.example
      - {to: "env:PAGER", severity: critical, kinds: [handed_over, approval_needed], when: office}
  search: {notify: [{to: "mailto://ops.example", about: all}]}
people: {ana: {notify: ["env:PAGER"]}}
""",
    )
    ops, pager = bundle.routes
    assert (ops.address, [(rule.team, rule.about_all) for rule in ops.rules]) == (
        "mailto://ops.example",
        [("payments", False), ("search", True)],
    )
    first, second = pager.rules
    assert (first.least, first.kinds) == (
        NoticeSeverity.CRITICAL,
        frozenset({NoticeKind.HANDED_OVER, NoticeKind.APPROVAL_NEEDED}),
    )
    assert first.when is not None
    assert first.when.is_in_force(datetime(2026, 7, 6, 6, tzinfo=UTC))  # eight in summer
    assert not first.when.is_in_force(datetime(2026, 1, 5, 6, tzinfo=UTC))  # seven in winter
    assert (second.person, second.when) == ("ana", None)


def test_settings_say_when_and_how_often(tmp_path: Path) -> None:
    notify = sound(
        tmp_path,
        """
teams: {payments: {}}
settings:
  notify:
    loss_over: 100
    every: 10m
    gather: 30s
    remind: 1h
    escalate_after: 20m
    burn: {6h: 3}
    weekly_report: {to: payments, weekday: fri, at: "16:30", timezone: Europe/Berlin}
""",
    ).settings.notify
    assert (notify.loss_over, notify.every, notify.gather) == (100, timedelta(minutes=10), timedelta(seconds=30))
    assert (notify.remind, notify.escalate_after, notify.burn) == (timedelta(hours=1), timedelta(minutes=20), {"6h": 3})
    assert notify.weekly_report == WeeklyReport(team="payments", weekday=4, at=time(16, 30), timezone="Europe/Berlin")


def test_turns_change_at_a_time_of_the_day_in_a_zone(tmp_path: Path) -> None:
    on_call = "{rotation: [ana, li], every: 7d, start: 2026-01-05, at: '09:00', timezone: Europe/Berlin}"
    team = sound(tmp_path, f"teams: {{payments: {{members: [ana, li], on_call: {on_call}}}}}").teams["payments"]
    assert team.on_call is not None
    assert team.on_call.start == datetime(2026, 1, 5, 8, tzinfo=UTC)
    assert team.on_call_person(datetime(2026, 7, 6, 6, 59, tzinfo=UTC)) == "li"
    assert team.on_call_person(datetime(2026, 7, 6, 7, 0, tzinfo=UTC)) == "ana"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("teams: {t: {notify: [ops]}}", ["bad-address"]),
        ("teams: {t: {notify: ['env:']}}", ["bad-address"]),
        ("teams: {t: {notify: ['mailto://me:geheim@mail.example']}}", ["secret-in-bundle"]),
        ("teams: {t: {notify: ['slack://TokenA/TokenB/TokenC']}}", ["secret-in-bundle"]),
        ("teams: {t: {notify: [{to: 'json://x', when: nights}]}}", ["unknown-calendar"]),
        ("teams: {t: {notify: [{to: 'json://x', kinds: [everything]}]}}", ["bad-value"]),
        ("teams: {t: {notify: [{to: 'json://x', severity: grave}]}}", ["bad-value"]),
        ("teams: {t: {members: [ana]}}\npeople: {li: {notify: ['json://x']}}", ["unused-person"]),
        (
            (
                "teams: {t: {members: [ana, li], on_call: {rotation: [ana, li], every: 1d, start: 2026-01-05}}}\n"
                "people: {ana: {notify: ['json://x']}}"
            ),
            ["unreachable"],
        ),
        ("settings: {notify: {weekly_report: {to: nobody}}}", ["unknown-team"]),
        ("teams: {t: {}}\nsettings: {notify: {weekly_report: {to: t, timezone: Mars/Base}}}", ["bad-timezone"]),
        (
            "teams: {t: {members: [a], on_call: {rotation: [a], every: 1d, start: 2026-01-05, timezone: X/Y}}}",
            ["bad-timezone"],
        ),
    ],
)
def test_what_is_wrong_with_an_address_is_found(tmp_path: Path, text: str, found: list[str]) -> None:
    # The shop's owner is a team that most of these bundles leave out.
    assert [one for one in codes(tmp_path, text) if one != "unknown-team" or "weekly" in text][-1:] == found


def test_no_finding_shows_the_secret_of_an_address(tmp_path: Path) -> None:
    found = loaded(tmp_path, "teams: {t: {notify: ['mailto://me:geheim@mail.example', 'tgram://geheim/1']}}").findings
    assert len(found) >= 2
    assert "geheim" not in "".join(str(one) for one in found)


@pytest.mark.parametrize(
    ("address", "for_people", "is_secret"),
    [
        ("mailto://ops.example", "mailto://ops.example", False),
        ("mailto://me:pw@mail.example:587/?to=x", "mailto://mail.example:587", True),
        ("mailto://mail.example?user=me&pass=pw", "mailto://mail.example", True),
        ("json://127.0.0.1:8080/path", "json://127.0.0.1:8080", False),
        ("env:OPS", "env:OPS", False),
        ("file:/etc/bsm/ops", "file:/etc/bsm/ops", False),
    ],
)
def test_of_an_address_people_see_scheme_and_host(address: str, for_people: str, is_secret: bool) -> None:
    assert (shown(address), may_hold_secret(address)) == (for_people, is_secret)


@pytest.mark.parametrize("address", ["slack://T1JJ3T3L2/A1BRTD4JD/TIi", "json://u:p@[bad", "tgram://123:abc/5", "x"])
def test_where_the_host_may_be_a_token_it_stays_hidden(address: str) -> None:
    rest = address.partition("://")[2]
    assert not any(part and part in shown(address) for part in rest.replace("@", "/").split("/"))
