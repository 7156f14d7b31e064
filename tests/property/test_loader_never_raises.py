"""Whatever stands in the files of a bundle, loading it gives findings, never an exception."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from bsm_remediate.config.expression import compile_component_template, compile_condition, compile_label_template
from bsm_remediate.config.loader import Loaded, load_bundle
from bsm_remediate.config.patterns import parse_matcher
from bsm_remediate.config.schema import BundleSchema, json_schema
from bsm_remediate.domain.duration import parse_duration
from bsm_remediate.domain.finding import Severity
from bsm_remediate.domain.inventory import Inventory
from bsm_remediate.errors import InvalidExpression

INVENTORY = Inventory(addresses={"a": "a", "b": "10.0.0.2"}, groups={"all": ("a", "b"), "web": ("a", "b")})
SOUND = """\
currency: EUR
services:
  shop: {loss_per_minute: {default: 1, hours: 2}, function: sales, requires: [a, {at_least: 50%, of: [web, b]}]}
components:
  a: {host: a, requires: [b], aliases: [x], match: {job: j}, labels: {tier: data}}
  b: {}
  web: {hosts: web, requires: ["a"]}
calendars:
  hours: {timezone: Europe/Berlin, weekdays: mon-fri, hours: "08:00-18:00"}
teams:
  t: {members: [ana], on_call: {rotation: [ana], every: 7d, start: 2026-01-05}}
goals:
  default: {weights: {sales: 2}}
policies:
  p:
    match: ['alertname=~"A.*"']
    when: signal.age > 3
    do: [{playbook: p.yml, vars: {u: "{{ component.id }}"}, expect: {duration: 20s, success: 70%}}]
    verify: [{tcp: "{{ component.address }}:80", within: 5s}]
    mode: auto
    guard: {cooldown: 10m, max_runs: 3/1h, approvers: [t]}
settings: {executors: 2, guard: {storm: 30%}}
"""
_KEYS = sorted(
    {key for part in (json_schema(), *json_schema()["$defs"].values()) for key in part.get("properties", {})}
    | {"any", "all", "at_least", "of", "weights", "id", "impact", "a", "b", "web", "default"}
)
_SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=12),
    st.sampled_from(
        ["a", "web", "30s", "60%", "-1", "3/1h", "{{ x", "{{ component.id }}", "off", "*", "../x", "nan", "9" * 30]
    ),
)
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(_KEYS) | st.text(max_size=6), inner, max_size=5)
    ),
    max_leaves=30,
)
_quick = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


def _load(*files: bytes) -> Loaded:
    with tempfile.TemporaryDirectory() as folder:
        for number, raw in enumerate(files):
            (Path(folder) / f"{number}.yml").write_bytes(raw)
        loaded = load_bundle(Path(folder), inventory=lambda: INVENTORY, playbooks=Path(folder), scrutinise=True)
    has_errors = any(one.severity is Severity.ERROR for one in loaded.findings)
    assert (loaded.bundle is None) == has_errors
    for one in loaded.findings:
        assert one.message
        assert one.code
        str(one).encode()
    return loaded


@_quick
@given(st.binary(max_size=200))
@example(b"[" * 5_000)
@example(b"a: &a [*a]")
@example(b"\xef\xbb\xbfcurrency: EUR")
def test_any_bytes(raw: bytes) -> None:
    _load(raw)


@_quick
@given(st.text(max_size=300), st.text(max_size=60))
def test_any_text(text: str, other: str) -> None:
    _load(text.encode("utf-8", "replace"), other.encode("utf-8", "replace"))


@_quick
@given(st.dictionaries(st.sampled_from(sorted(BundleSchema.model_fields)), _VALUES, max_size=6))
def test_any_values_in_known_sections(value: dict[str, Any]) -> None:
    _load(yaml.safe_dump(value, allow_unicode=True).encode("utf-8", "replace"))


@_quick
@given(
    st.sampled_from(sorted(BundleSchema.model_fields)),
    st.dictionaries(
        st.sampled_from(["a", "b", "web", "x"]),
        st.dictionaries(st.sampled_from(_KEYS), _VALUES, max_size=6),
        min_size=1,
        max_size=3,
    ),
)
def test_any_entries_beside_sound_ones(section: str, entries: dict[str, Any]) -> None:
    _load(SOUND.encode(), yaml.safe_dump({section: entries}, allow_unicode=True).encode("utf-8", "replace"))


@_quick
@given(st.integers(0, len(SOUND) - 1), st.integers(0, 6), st.text(max_size=5))
def test_any_slip_of_the_hand_in_a_sound_bundle(at: int, removed: int, typed: str) -> None:
    _load((SOUND[:at] + typed + SOUND[at + removed :]).encode("utf-8", "replace"))


def test_the_sound_bundle_is_sound() -> None:
    loaded = _load(SOUND.encode())
    assert [one.code for one in loaded.findings] == ["missing-playbook"]


_EXPRESSION = st.text("ab.[](){}|+-*/%~<>=!'\" 019,:_ncomponetlabsigrdfu", max_size=60)


@_quick
@given(_EXPRESSION | st.text(max_size=60))
def test_an_expression_compiles_or_is_refused(source: str) -> None:
    compilers: tuple[Callable[[str], object], ...] = (
        compile_condition,
        compile_component_template,
        compile_label_template,
    )
    for compile_it in compilers:
        with suppress(InvalidExpression):
            compile_it(source)


@_quick
@given(st.text(max_size=40))
def test_matchers_and_durations_are_read_or_refused(text: str) -> None:
    readers: tuple[Callable[[str], object], ...] = (parse_matcher, parse_duration)
    for read in readers:
        with suppress(ValueError):
            read(text)
