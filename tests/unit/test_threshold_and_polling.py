"""A figure and its threshold: on, off, unknown, restless; polls that are spread and back off; selectors and rates."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import re2

from bsm_remediate.domain.polling import LONGEST_BACK_OFF, Schedule
from bsm_remediate.domain.sample import Series
from bsm_remediate.domain.selector import parse_selector, rate_of
from bsm_remediate.domain.threshold import Phase, Side, Threshold, Watch

NINE = datetime(2026, 1, 5, 9, tzinfo=UTC)
BUSY = Threshold(side=Side.ABOVE, limit=0.85, clear=0.7, hold=timedelta(minutes=2), stale_after=timedelta(seconds=90))


def _after(*figures: float | None, every_s: int = 30, threshold: Threshold = BUSY) -> list[str]:
    watch, phases = Watch(), []
    for number, figure in enumerate(figures):
        at = NINE + timedelta(seconds=every_s * number)
        watch = watch.missed(at, threshold) if figure is None else watch.saw(figure, at, threshold)
        phases.append(watch.phase.value)
    return phases


def test_it_comes_on_after_its_time_and_goes_off_at_clear() -> None:
    assert _after(0.5, 0.9, 0.9, 0.9, 0.9, 0.9, 0.8, 0.71, 0.7, 0.8, 0.9) == [
        *("off", "pending", "pending", "pending", "pending", "on", "on", "on", "off", "off", "pending")
    ]


def test_one_figure_on_the_near_side_begins_the_time_anew() -> None:
    assert _after(0.9, 0.9, 0.9, 0.85, 0.9, 0.9)[-3:] == ["off", "pending", "pending"]


def test_a_missing_figure_neither_ends_nor_ripens_what_is_pending() -> None:
    assert _after(0.9, None, None, 0.9, 0.9) == ["pending", "pending", "pending", "pending", "on"]
    assert _after(0.9, None, None, None, 0.9)[-2:] == ["unknown", "pending"]


def test_what_was_on_when_it_became_unknown_is_on_again_until_it_is_clear() -> None:
    on = [0.9] * 5
    assert _after(*on, None, None, None, 0.8)[-2:] == ["unknown", "on"]
    assert _after(*on, None, None, None, 0.6)[-2:] == ["unknown", "off"]


def test_what_is_restless_goes_off_only_after_five_calm_minutes() -> None:
    at_once = Threshold(side=Side.ABOVE, limit=1, clear=1, stale_after=timedelta(hours=1))
    phases = _after(*[2, 0] * 3, *[0] * 3, every_s=60, threshold=at_once)
    assert phases == ["on", "off", "on", "off", "on", "on", "on", "on", "on"]
    phases = _after(*[2, 0] * 3, *[0] * 5, every_s=60, threshold=at_once)
    assert (phases[-2], phases[-1]) == ("on", "off")


AT_ONCE = Threshold(side=Side.ABOVE, limit=1, clear=1, stale_after=timedelta(seconds=90))


def test_calm_that_nobody_saw_does_not_count() -> None:
    restless = [2, 0, 2, 0, 2]
    assert _after(*restless, *[0] * 4, None, None, 0, every_s=60, threshold=AT_ONCE)[-2:] == ["unknown", "on"]


@pytest.mark.parametrize(("minutes", "phase"), [(29, Phase.ON), (30, Phase.OFF)])
def test_what_is_half_an_hour_ago_is_not_of_late(minutes: int, phase: Phase) -> None:
    watch = Watch()
    for minute, value in [(0, 2), (1, 0), (2, 2), (3, 0), (minutes - 1, 2), (minutes, 0)]:
        watch = watch.saw(value, NINE + timedelta(minutes=minute), AT_ONCE)
    assert watch.phase is phase


def test_a_watch_remembers_since_when() -> None:
    watch = Watch()
    for number in range(6):
        watch = watch.saw(0.9, NINE + timedelta(seconds=30 * number), BUSY)
    assert (watch.phase, watch.began_at) == (Phase.ON, NINE + timedelta(minutes=2))


# --- polling ---------------------------------------------------------------------------------------------------------


def _pauses(schedule: Schedule, answers: str) -> list[float]:
    now, pauses = NINE, []
    for answer in answers:
        schedule = schedule.answered(now) if answer == "." else schedule.failed(now)
        pauses.append((schedule.due_at - now).total_seconds())
        now = schedule.due_at
    return pauses


def _schedule(name: str = "busy", *, every_s: int = 30, seed: int = 0) -> Schedule:
    return Schedule(name=name, every=timedelta(seconds=every_s), seed=seed, due_at=NINE)


def test_polls_are_spread_by_a_tenth_and_the_same_for_the_same_seed() -> None:
    pauses = _pauses(_schedule(), "." * 200)
    assert all(27 <= pause <= 33 for pause in pauses)
    assert (min(pauses) < 28, max(pauses) > 32) == (True, True)
    assert _pauses(_schedule(), "." * 20) == pauses[:20]
    assert _pauses(_schedule(seed=1), "." * 20) != pauses[:20]
    assert _pauses(_schedule("calm"), "." * 20) != pauses[:20]


def test_who_does_not_answer_is_asked_ever_more_seldom_until_he_does() -> None:
    pauses = _pauses(_schedule(), "xxxx" + "x" * 2000 + "..")
    for pause, about in zip(pauses, [60, 120, 240, 300, 300], strict=False):
        assert about * 0.9 <= pause <= about * 1.1
    assert max(pauses) <= LONGEST_BACK_OFF.total_seconds() * 1.1
    assert pauses[-1] <= 33
    assert min(_pauses(_schedule(every_s=3600), "xx")) >= 3240


# --- selectors -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "labels", "fits"),
    [
        ("queue", {}, True),
        (' queue { host = "a" , job!="b" } ', {"host": "a"}, True),
        ("queue{host='a',}", {"host": "b"}, False),
        ('queue{host=~"web-.*"}', {"host": "web-1"}, True),
        ('queue{host!~"web-.*"}', {"host": "web-1"}, False),
        ('queue{host="a}\\"b"}', {"host": 'a}"b'}, True),
        ("queue{}", {"a": "b"}, True),
    ],
)
def test_a_selector_fits_by_name_and_labels(text: str, labels: dict[str, str], fits: bool) -> None:
    selector = parse_selector(text, re2.compile)
    assert selector.fits("queue", labels) is fits
    assert not selector.fits("queues", labels)


@pytest.mark.parametrize(
    "text",
    ["", "1queue", "queue{", "queue{a}", "queue{a=b}", 'queue{a="b" c="d"}', "queue > 1", "sum(queue)", "rate(queue)",
     "rate(queue[0s])", "rate(queue[2h])", "rate(queue[soon])", "queue[5m]", "rate(rate(q[5m])[5m])"],
)  # fmt: skip
def test_what_is_no_selector_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"no selector|no matcher|rate|duration"):
        parse_selector(text, re2.compile)


def _series(*points: tuple[int, float]) -> Series:
    return Series(points=tuple((NINE + timedelta(seconds=at), value) for at, value in points))


def test_a_rate_is_growth_per_second_and_survives_a_restart_of_what_counts() -> None:
    over = timedelta(minutes=5)
    assert rate_of(_series((0, 100), (60, 160)), over) == 1.0
    assert rate_of(_series((0, 100), (60, 160), (120, 30)), over) == (60 + 30) / 120
    assert rate_of(_series((0, 0), (600, 600), (660, 720)), over) == 2.0
    assert rate_of(_series((0, 100)), over) is None
    assert rate_of(_series(), over) is None
    assert rate_of(_series((0, 0), (600, 600)), over) is None
