"""No alert that can be thought of makes a file of variables that Ansible could take for YAML, or for templates."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from hypothesis import assume, given
from hypothesis import strategies as st

from bsm_remediate.adapters.ansible.inert import UNSAFE, clean, run_variables
from bsm_remediate.domain.event import Json
from bsm_remediate.testing.local_ansible import a_call, an_alert

NASTY = ["__ansible_unsafe", "__ansible_vault", "{{ x }}", "{% x %}", "!unsafe", "<<", "- a", "a: b", "\x00", "\ud800"]
SIGNS = "{}[]:,-#&*!|>'\"%@` \n\\\u2028\ufeff"
PIECES = st.text(st.characters(), max_size=8) | st.sampled_from(NASTY) | st.text(SIGNS, max_size=8)
TEXTS = st.lists(PIECES, max_size=3).map("".join)
PAIRS = st.dictionaries(TEXTS, TEXTS, max_size=5)
LOADERS = (yaml.CSafeLoader, yaml.SafeLoader)


def _texts(value: Any) -> list[str]:
    """Every text of the file; fails on one that isn't wrapped, or on a key that isn't ours."""
    if isinstance(value, dict) and value.keys() == {UNSAFE}:
        return [value[UNSAFE]]
    if isinstance(value, dict):
        assert all(key.isidentifier() and not key.startswith("_") for key in value)
        return [text for one in value.values() for text in _texts(one)]
    if isinstance(value, list):
        return [text for one in value for text in _texts(one)]
    assert not isinstance(value, str)
    return []


@given(labels=PAIRS, annotations=PAIRS, facts=PAIRS, number=st.integers(0, 3))
def test_every_alert_is_written_inert(
    labels: dict[str, str], annotations: dict[str, str], facts: dict[str, str], number: int
) -> None:
    alert = an_alert(labels, annotations)
    text = run_variables(a_call("x.yml", alerts=(alert,) * number, labels=facts))
    assert text.isascii()
    for loader in LOADERS:
        with pytest.raises(yaml.YAMLError):
            yaml.load(text, Loader=loader)  # noqa: S506
    texts = _texts(json.loads(text))
    expected = facts if number == 0 else {**facts, **labels, **annotations}
    assert {clean(part) for pair in expected.items() for part in pair} <= set(texts)
    for one in texts:
        one.encode()  # no lone surrogate
        assert "\0" not in one


NUMBERS = st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
VALUES: st.SearchStrategy[Json] = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", min_size=1), inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from(["unit", "Port2", "x_y"]), VALUES, min_size=1))
def test_an_authors_values_are_written_inert_too(variables: dict[str, Json]) -> None:
    assume(all(_depth(value) <= 6 for value in variables.values()))
    text = run_variables(a_call("x.yml", variables=variables))
    _texts(json.loads(text))
    with pytest.raises(yaml.YAMLError):
        yaml.load(text, Loader=yaml.CSafeLoader)


def _depth(value: Json) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max(map(_depth, inner), default=0)
