"""Metric policies in the engine: a figure switches a signal on, and all that is true of alerts is true of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from bsm_remediate.config.loader import load_bundle
from bsm_remediate.domain.alert import Alert, AlertStatus
from bsm_remediate.domain.bundle import Bundle
from bsm_remediate.domain.foresight import Expected, Foresight
from bsm_remediate.domain.ids import Fingerprint, NodeId
from bsm_remediate.domain.metric import figure_of
from bsm_remediate.domain.outlook import Outlook
from bsm_remediate.domain.run import RunState
from bsm_remediate.domain.state import State
from bsm_remediate.domain.supposed import supposed_alerts
from bsm_remediate.domain.threshold import Threshold
from bsm_remediate.engine.metering import Metering
from bsm_remediate.errors import StoreUnavailable
from bsm_remediate.testing.store import MemoryStore
from bsm_remediate.testing.timeline import BEGIN, Timeline

SHOP = """
currency: EUR
services:
  checkout: {loss_per_minute: 300, requires: {any: [web-1, web-2]}}
components: {web-1: {}, web-2: {}}
policies:
  relieve-web:
    metric: {query: cpu, above: 0.85, clear: 0.7, for: 1m, every: 10s}
    do: [{playbook: relieve.yml, expect: {duration: 20s}}]
    verify: [{tcp: "{{ component.address }}:80", within: 30s}]
    mode: auto
"""
DEGRADED = SHOP.replace("    do:", "    sets: degraded\n    do:")


def _bundle(folder: Path, text: str) -> Bundle:
    (folder / "shop.yml").write_text(text)
    loaded = load_bundle(folder, inventory=None, playbooks=None, scrutinise=False)
    assert loaded.bundle is not None, loaded.findings
    return loaded.bundle


@pytest.fixture
def shop(tmp_path: Path) -> Timeline:
    return _calm(Timeline(_bundle(tmp_path, SHOP), MemoryStore()))


def _calm(shop: Timeline) -> Timeline:
    shop.figures.set("cpu", {"web-1:9100": 0.5, "web-2:9100": 0.5})
    return shop.at("09:00:30")


def _busy(shop: Timeline, web_1: float = 0.9, web_2: float = 0.5) -> Timeline:
    shop.figures.set("cpu", {"web-1:9100": web_1, "web-2:9100": web_2})
    shop.broken("web-1")
    return shop


def _runs(shop: Timeline) -> None:
    shop.wait_until(lambda: shop.running() == {"web-1"})


def _signals(shop: Timeline) -> dict[str, AlertStatus]:
    return {alert.labels["instance"]: alert.status for alert in shop.store.active()}


def _the_alert(shop: Timeline) -> Alert:
    (alert,) = shop.store.active()
    return alert


def test_a_figure_over_its_limit_for_long_enough_starts_a_run(shop: Timeline) -> None:
    _busy(shop).at("09:01:20").expect(running=set())
    assert _signals(shop) == {}
    _runs(shop)
    assert shop.clock.now() <= BEGIN + timedelta(seconds=165)
    alert = _the_alert(shop)
    assert (alert.source, alert.name, alert.labels["metric_policy"]) == ("metrics", "relieve-web", "relieve-web")
    assert alert.annotations == {"summary": "0.9 is above 0.85 for 1m, clear at 0.7", "value": "0.9"}


def test_by_itself_it_costs_nothing_and_with_sets_it_does(shop: Timeline, tmp_path: Path) -> None:
    _busy(shop).asks("pause")
    evaluation = shop.at("09:02:00").tick()
    assert evaluation.impact.loss_per_minute == 0
    assert evaluation.impact.own == {}
    costly = Timeline(_bundle(tmp_path, DEGRADED.replace("{any: [web-1, web-2]}", "[web-1]")), MemoryStore())
    _busy(_calm(costly)).asks("pause")
    assert costly.at("09:02:00").tick().impact.loss_per_minute == 150


def test_it_ends_with_hysteresis(shop: Timeline) -> None:
    _busy(shop).at("09:02:00")
    _busy(shop, web_1=0.75).at("09:03:00")
    assert _signals(shop) == {"web-1:9100": AlertStatus.FIRING}
    _busy(shop, web_1=0.7).at("09:03:30")
    assert _signals(shop) == {}


def test_while_it_stays_on_nothing_new_is_written(shop: Timeline) -> None:
    _busy(shop).asks("pause")
    shop.at("09:02:00")
    changes = shop.store.changes(after=0)[1]
    _busy(shop, web_1=0.97).at("09:12:00")
    assert shop.store.changes(after=0)[1] == changes
    assert shop.store.last_seen()[_the_alert(shop).key] > BEGIN + timedelta(minutes=10)


# --- a source that is away -------------------------------------------------------------------------------------------


def test_a_source_that_is_away_makes_what_is_on_unknown_and_starts_nothing(shop: Timeline) -> None:
    _busy(shop).asks("pause")
    shop.at("09:02:00").figures.is_away = True
    shop.at("09:03:00")
    assert _signals(shop) == {"web-1:9100": AlertStatus.UNKNOWN, "web-2:9100": AlertStatus.UNKNOWN}
    assert shop.engine.metric_trouble == "the metric of relieve-web can't be read: it is away"
    shop.asks("resume")
    shop.at("09:03:30").expect(running=set(), held={"web-1": "too_old", "web-2": "too_old"})
    texts = sorted(one.annotations["summary"] for one in shop.store.active())
    assert texts == ["no figure for 30s; it was off", "no figure for 30s; it was on"]


def test_what_was_on_goes_on_when_it_answers_again_and_what_was_off_is_off(shop: Timeline) -> None:
    _busy(shop).asks("pause")
    began = _the_alert(shop.at("09:02:00")).starts_at
    shop.figures.is_away = True
    shop.at("09:05:00").figures.is_away = False
    _busy(shop, web_1=0.8).at("09:10:00")
    assert _signals(shop) == {"web-1:9100": AlertStatus.FIRING}
    assert _the_alert(shop).starts_at == began
    assert shop.engine.metric_trouble == ""


def test_with_a_state_of_its_own_its_component_is_unknown_and_never_well(tmp_path: Path) -> None:
    shop = _calm(Timeline(_bundle(tmp_path, DEGRADED), MemoryStore()))
    shop.figures.is_away = True
    evaluation = shop.at("09:02:00").tick()
    assert evaluation.impact.own == {"web-1": State.UNKNOWN, "web-2": State.UNKNOWN}
    assert evaluation.impact.services[NodeId("checkout")].state is State.UNKNOWN


def test_after_a_long_absence_a_figure_over_its_limit_is_a_new_matter(shop: Timeline) -> None:
    shop.figures.is_away = True
    shop.at("12:00:00").figures.is_away = False
    _runs(_busy(shop))


def test_a_series_that_is_no_longer_there_is_unknown_and_after_a_day_forgotten(shop: Timeline) -> None:
    _busy(shop).asks("pause")
    shop.at("09:02:00").figures.set("cpu", {"web-2:9100": 0.5})
    shop.at("09:03:00")
    assert _signals(shop) == {"web-1:9100": AlertStatus.UNKNOWN}
    shop.clock.advance(timedelta(days=1).total_seconds())
    shop.wait_until(lambda: not _signals(shop))


def test_what_is_no_number_is_no_figure(shop: Timeline) -> None:
    _busy(shop, web_1=float("nan"), web_2=float("inf")).asks("pause")
    shop.at("09:02:00")
    assert _signals(shop) == {"web-1:9100": AlertStatus.UNKNOWN, "web-2:9100": AlertStatus.FIRING}


def test_it_is_asked_more_seldom_while_it_is_away(shop: Timeline) -> None:
    shop.at("09:02:00").figures.is_away = True
    before = len(shop.figures.asked_at)
    shop.at("09:12:00")
    assert len(shop.figures.asked_at) - before <= 8


# --- people, restarts, reloads ---------------------------------------------------------------------------------------


def test_a_person_may_end_what_is_unknown_and_it_stays_ended(shop: Timeline) -> None:
    shop.figures.is_away = True
    shop.at("09:01:30")
    for alert in shop.store.active():
        shop.asks("resolve", alert.fingerprint, reason="it is gone")
    shop.at("09:04:00")
    assert _signals(shop) == {}


def test_another_engine_goes_on_within_the_hysteresis(shop: Timeline) -> None:
    _busy(shop).asks("pause")
    began = _the_alert(shop.at("09:02:00")).starts_at
    _busy(shop, web_1=0.8).restarts().at("09:04:00")
    assert _signals(shop) == {"web-1:9100": AlertStatus.FIRING}
    assert _the_alert(shop).starts_at == began
    _busy(shop, web_1=0.6).restarts().at("09:04:30")
    assert _signals(shop) == {}


def test_another_engine_that_finds_nobody_to_ask_says_unknown(shop: Timeline) -> None:
    _busy(shop).asks("pause")
    shop.at("09:02:00").figures.is_away = True
    shop.restarts().at("09:03:00")
    assert _signals(shop) == {"web-1:9100": AlertStatus.UNKNOWN}
    shop.restarts().at("09:03:30")
    shop.figures.is_away = False
    _busy(shop, web_1=0.8).wait_until(lambda: _signals(shop) == {"web-1:9100": AlertStatus.FIRING})


@pytest.mark.parametrize("now", [SHOP.replace("mode: auto", "mode: off"), SHOP[: SHOP.index("policies")]])
def test_what_a_reload_takes_away_is_over(shop: Timeline, tmp_path: Path, now: str) -> None:
    _busy(shop).asks("pause")
    assert _signals(shop.at("09:02:00"))
    shop.reloads(_bundle(tmp_path, now)).at("09:02:10")
    assert _signals(shop) == {}


def test_a_reload_with_another_limit_is_heeded_at_the_next_figure(shop: Timeline, tmp_path: Path) -> None:
    _busy(shop).asks("pause")
    shop.at("09:02:00").reloads(_bundle(tmp_path, SHOP.replace("0.85", "0.99").replace("0.7", "0.95")))
    shop.at("09:02:30")
    assert _signals(shop) == {}


def test_an_engine_that_does_not_lead_neither_polls_nor_writes(shop: Timeline, tmp_path: Path) -> None:
    metering = Metering({"prometheus": shop.figures}, usual="prometheus", clock=shop.clock)
    asked = len(shop.figures.asked_at)
    picture = shop.engine._picture
    bundle = _bundle(tmp_path, SHOP)
    arrived = lambda: None  # noqa: E731
    for leads in (False, False):
        assert not metering.refresh(bundle, shop.store, picture, leads=leads, spawn=shop.clock.spawn, arrived=arrived)
    assert (len(shop.figures.asked_at), metering.is_complete) == (asked, True)


def test_the_engine_waits_for_the_first_reading_whatever_comes_of_it(shop: Timeline, tmp_path: Path) -> None:
    metering = Metering({}, usual=None, clock=shop.clock)
    begun: list[Callable[[], None]] = []

    def refresh() -> None:
        metering.refresh(
            _bundle(tmp_path, SHOP),
            shop.store,
            shop.engine._picture,
            leads=True,
            spawn=lambda work, _: begun.append(work),
            arrived=shop.engine.wake,
        )

    refresh()
    refresh()
    assert (len(begun), metering.is_complete) == (1, False)
    begun[0]()
    refresh()
    assert (metering.is_complete, metering.trouble.endswith("there is no Prometheus to ask")) == (True, True)


def test_what_the_store_could_not_take_is_written_later(shop: Timeline, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(shop.store, "record", _refused)
        _busy(shop).figures.set("cpu", {"web-1:9100": 0.9})
        for _ in range(100):
            shop.clock.advance(1)
            try:
                shop.tick()
            except StoreUnavailable:
                continue
    shop.asks("pause")
    shop.clock.advance(11)
    shop.tick()
    shop.tick()
    assert _signals(shop) == {"web-1:9100": AlertStatus.FIRING, "web-2:9100": AlertStatus.UNKNOWN}


def _refused(*_: object, **__: object) -> None:
    raise StoreUnavailable("it is away")


def test_a_condition_sees_the_figure(tmp_path: Path) -> None:
    shop = _calm(
        Timeline(_bundle(tmp_path, SHOP.replace("    do:", "    when: signal.value > 0.9\n    do:")), MemoryStore())
    )
    _busy(shop, web_1=0.88).at("09:02:00").expect(running=set())
    _busy(shop, web_1=0.5).at("09:03:00")
    _runs(_busy(shop, web_1=0.95))


def test_guards_hold_for_it_as_for_any_alert(shop: Timeline) -> None:
    shop.asks("hold", "web-1", reason="I work on it")
    _busy(shop).at("09:02:00").expect(running=set(), held={"web-1": "held_by"})
    shop.asks("release", "web-1")
    _runs(shop)
    _busy(shop, web_1=0.5)
    shop.healthy("web-1").at("09:04:00")
    assert shop.run_of("web-1").state is RunState.SUCCEEDED


def test_at_most_eight_are_asked_at_once(shop: Timeline, tmp_path: Path) -> None:
    policies = "".join(f"  p{n}: {{metric: {{query: q{n}, above: 1}}}}\n" for n in range(20))
    bundle = _bundle(tmp_path, SHOP[: SHOP.index("policies:")] + "policies:\n" + policies)
    metering = Metering({"prometheus": shop.figures}, usual="prometheus", clock=shop.clock)
    begun: list[Callable[[], None]] = []

    def refresh() -> int:
        metering.refresh(
            bundle,
            shop.store,
            shop.engine._picture,
            leads=True,
            spawn=lambda work, _: begun.append(work),
            arrived=shop.engine.wake,
        )
        return len(begun)

    assert [refresh(), refresh()] == [8, 8]
    for work in begun[:3]:
        work()
    refresh()
    assert refresh() == 11
    assert not metering.is_complete


def test_an_outage_that_is_only_imagined_is_not_noticed_by_a_figure_without_a_state(tmp_path: Path) -> None:
    own, noted = {NodeId("web-1"): State.DOWN}, SHOP.replace("    do:", "    sets: down\n    do:")
    assert supposed_alerts(_bundle(tmp_path, SHOP), own, BEGIN) == ()
    assert [one.name for one in supposed_alerts(_bundle(tmp_path, noted), own, BEGIN)] == ["relieve-web"]


def test_a_text_that_is_no_figure_is_none() -> None:
    alert = Alert(
        source="metrics",
        fingerprint=Fingerprint("f"),
        status=AlertStatus.FIRING,
        labels={},
        annotations={"value": "{{ 7 }}"},
        starts_at=BEGIN,
        received_at=BEGIN,
    )
    assert (figure_of(alert), figure_of(replace(alert, annotations={}))) == (None, None)
    assert figure_of(replace(alert, annotations={"value": "1.5"})) == 1.5
    assert figure_of(replace(alert, source="generic", annotations={"value": "1.5"})) is None


# --- looking ahead ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Growth:
    """Expects what comes by the last two figures."""

    last: tuple[float, float] = (0.0, 0.0)

    def noted(self, value: float, at: datetime) -> Foresight:  # noqa: ARG002
        return replace(self, last=(self.last[1], value))

    def crossing(self, threshold: Threshold, at: datetime) -> Expected | None:
        before, now = self.last
        if now <= before or before == 0.0:
            return None
        return Expected(at=at + timedelta(minutes=5), confidence=0.8, reason=f"grows to {threshold.limit:g} in 5m")


def test_what_is_expected_is_a_signal_that_changes_no_state(tmp_path: Path) -> None:
    text = DEGRADED.replace("every: 10s", "every: 10s, forecast: 15m")
    shop = _calm(Timeline(_bundle(tmp_path, text), MemoryStore(), foresights=lambda _: _Growth()))
    shop.asks("pause")
    for second in range(31, 55):
        _busy(shop, web_1=0.5 + second / 1000).at(f"09:00:{second}")
    alert = _the_alert(shop)
    assert (alert.annotations["summary"], alert.labels["metric_forecast"]) == ("grows to 0.85 in 5m", "expected")
    assert shop.tick().impact.own == {}
    _busy(shop, web_1=0.9).at("09:02:30")
    crossed = _the_alert(shop)
    assert crossed.starts_at > alert.starts_at
    assert crossed.annotations["summary"].startswith("0.9 is above")
    assert shop.tick().impact.own == {"web-1": State.DEGRADED}
    _busy(shop, web_1=0.5).at("09:03:00")
    assert _signals(shop) == {}


def test_a_leak_is_told_before_the_threshold_is_crossed_and_a_spike_is_not(tmp_path: Path) -> None:
    text = DEGRADED.replace("every: 10s", "every: 10s, forecast: 15m")
    shop = _calm(Timeline(_bundle(tmp_path, text), MemoryStore(), foresights=lambda _: Outlook()))
    shop.asks("pause")
    for minute in range(1, 30):
        _busy(shop, web_1=0.5 + minute / 100, web_2=0.95 if minute == 9 else 0.5).at(f"09:{minute:02}:00")
        if shop.store.active():
            break
    alert = _the_alert(shop)
    assert alert.labels["instance"] == "web-1:9100"
    assert alert.labels["metric_forecast"] == "expected"
    assert "rises" in alert.annotations["summary"]
    assert 20 <= minute < 35, "at 0.5 and a hundredth a minute it is crossed after 35 minutes"
    assert shop.tick().impact.own == {}
    _busy(shop, web_1=0.5)
    shop.wait_until(lambda: shop.store.active() == [], within_s=1800)


def test_a_leak_that_began_before_the_engine_did_is_told_within_minutes(tmp_path: Path) -> None:
    text = DEGRADED.replace("every: 10s", "every: 10s, forecast: 15m")
    told = []
    for is_remembered in (True, False):
        folder = tmp_path / str(is_remembered)
        folder.mkdir()
        shop = Timeline(_bundle(folder, text), MemoryStore(), foresights=lambda _: Outlook())
        if is_remembered:
            past = {BEGIN - timedelta(minutes=ago): 0.79 - ago / 200 for ago in range(1, 121)}
            shop.figures.has_been("cpu", "web-1:9100", past)
        _busy(shop, web_1=0.79).restarts()
        shop.asks("pause")
        for minute in range(5):
            _busy(shop, web_1=0.79 + minute / 200).at(f"09:0{minute}:00")
        told.append([alert.labels["instance"] for alert in shop.store.active()])
    assert told == [["web-1:9100"], []]


def test_a_source_that_goes_away_is_no_storm(tmp_path: Path) -> None:
    """Everything it watches becomes unknown at once; what else fails is restored all the same."""
    servers = [f"web-{number}" for number in range(1, 41)]
    text = DEGRADED.replace("{any: [web-1, web-2]}", f"{{any: [{', '.join(servers)}]}}").replace(
        "web-1: {}, web-2: {}", ", ".join(f"{one}: {{}}" for one in [*servers, "db-1"])
    )
    means = "  db: {match: {alertname: DbDown}, unchecked: true, mode: auto, do: [{playbook: restart.yml}]}\n"
    shop = Timeline(_bundle(tmp_path, text + means), MemoryStore())
    shop.figures.set("cpu", {f"{one}:9100": 0.5 for one in servers})
    shop.at("09:00:30")
    shop.figures.is_away = True
    shop.at("09:10:00")
    found = shop.tick()
    assert {found.impact.state(NodeId(one)) for one in servers} == {State.UNKNOWN}
    shop.at("09:10:10").fires("DbDown", instance="db-1")
    shop.expect(running={"db-1"})
