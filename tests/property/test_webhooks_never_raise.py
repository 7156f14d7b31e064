"""Whatever is posted to a webhook is read or refused with the declared error, and text stays text."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bsm_remediate.adapters.webhooks import SOURCES
from bsm_remediate.adapters.webhooks.field_map import FieldMap, at
from bsm_remediate.domain.field_path import parse_field_path
from bsm_remediate.errors import MalformedAlerts

DATA = Path(__file__).parents[2].parent / "shared" / "data"
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
    | st.sampled_from(["{{ lookup('pipe', 'id') }}", "\0", "a:b,c", '[{"tag": 1}]', "[" * 2000, "9" * 400, "1e999"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
SAMPLES: list[dict[str, Any]] = json.loads((DATA / "alerts" / "expected.json").read_text())["samples"]
BODIES = [(one["vendor"], json.loads((DATA / one["file"]).read_text())) for one in SAMPLES]


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, one in inner for place in places(one, (*path, key)))]


def replaced(value: Any, place: tuple[Any, ...], with_: object) -> Any:
    if not place:
        return with_
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[place[0]] = replaced(value[place[0]], place[1:], with_)
    return copy


@settings(max_examples=600, deadline=None)
@given(st.sampled_from(BODIES), st.data())
def test_any_member_of_a_body_may_be_anything(body: tuple[str, Any], data: st.DataObject) -> None:
    vendor, value = body
    place = data.draw(st.sampled_from(places(value)))
    try:
        delivery = SOURCES[vendor](json.dumps(replaced(value, place, data.draw(_JSON))).encode(), NOW)
    except MalformedAlerts:
        return
    for alert in delivery.alerts:
        assert alert.name
        assert alert.fingerprint
        assert alert.starts_at <= NOW
        texts = [*alert.labels.items(), *alert.annotations.items()]
        assert all(isinstance(text, str) and "\0" not in text for pair in texts for text in pair)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(SOURCES)), _JSON)
def test_any_json_at_all_is_read_or_refused(vendor: str, body: object) -> None:
    try:
        SOURCES[vendor](json.dumps(body).encode(), NOW)
    except MalformedAlerts:
        return


@pytest.mark.parametrize("vendor", sorted(SOURCES))
@pytest.mark.parametrize("depth", [300, 600, 900, 1020])
def test_deep_nesting_is_refused_wherever_it_stands(vendor: str, depth: int) -> None:
    deep = b"[" * depth + b'"\\u0000"' + b"]" * depth
    for body in (deep, b'{"alerts": %b, "monitor": %b, "heartbeat": {"status": 0}, "event": %b}' % (deep, deep, deep)):
        with pytest.raises(MalformedAlerts):
            SOURCES[vendor](body, NOW)


_STEPS = st.sampled_from(["a", "b", "0", "1", "*", '"x.y"', "\u0663", "9" * 30])
_PLACES = st.lists(_STEPS, min_size=1, max_size=4).map(lambda steps: at(".".join(steps)))
_NAMED = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.sampled_from(["open", "x:y", "2026-01-05T09:00:00"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "x.y", "0"]), inner, max_size=3)
    ),
    max_leaves=20,
)
_MAPS = st.builds(
    FieldMap,
    source=st.just("mytool"),
    alerts=st.just(()) | _PLACES,
    labels=st.fixed_dictionaries({"alertname": _PLACES, "severity": _PLACES}),
    tags=_PLACES,
    annotations=st.fixed_dictionaries({"summary": _PLACES}),
    status=st.just(()) | _PLACES,
    firing=st.just(frozenset({"open"})),
    starts_at=st.just(()) | _PLACES,
    ends_at=_PLACES,
    timezone=st.sampled_from([None, ZoneInfo("Europe/Berlin")]),
    offset=_PLACES,
    fingerprint=st.lists(_PLACES, max_size=2).map(tuple),
)


@settings(max_examples=400, deadline=None)
@given(_MAPS, _NAMED)
def test_whatever_paths_the_settings_name_a_body_is_read_or_refused(reader: FieldMap, body: object) -> None:
    try:
        delivery = reader(json.dumps(body).encode(), NOW)
    except MalformedAlerts:
        return
    assert all(alert.name and alert.fingerprint and alert.starts_at <= NOW for alert in delivery.alerts)


@given(st.text(max_size=30))
def test_any_text_is_a_path_or_refused(text: str) -> None:
    try:
        steps = parse_field_path(text)
    except ValueError:
        return
    assert all(steps)
    assert parse_field_path(".".join(f'"{step}"' for step in steps)) == steps
