"""PromQL with facts: whatever a fact is, it stays the text that it is."""

from __future__ import annotations

import re

import pytest
import re2
from hypothesis import given
from hypothesis import strategies as st

from bsm_remediate.config.promql import compile_promql
from bsm_remediate.domain.ids import NodeId
from bsm_remediate.domain.service_map import Component
from bsm_remediate.errors import InvalidExpression

_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_HOSTILE = st.text() | st.text(alphabet="\"'`\\{}=~|.*()#\n\x00 ax2")


def _filled(source: str, fact: str) -> str:
    return compile_promql(source)(Component(id=NodeId("web-1"), host=fact))


def _unquoted(inner: str) -> str:
    """What Go makes of what stands between quotes, for the escapes that are written here."""
    assert "\\" not in re.sub(r"\\U[0-9A-F]{8}", "", inner)
    return re.sub(r"\\U([0-9A-F]{8})", lambda found: chr(int(found[1], 16)), inner)


@given(_HOSTILE)
def test_a_fact_is_one_text_and_nothing_after_it_changes(fact: str) -> None:
    query = _filled('up{host="{{ component.host }}", job="{{ component.id }}"} == 1', fact)
    found = _QUOTED.findall(query)
    assert _QUOTED.sub("T", query) == "up{host=T, job=T} == 1"
    plain = "".join("\ufffd" if "\ud800" <= char <= "\udfff" else char for char in fact)
    assert _unquoted(found[0]) == plain
    assert found[1] == "web-1"


@given(_HOSTILE, _HOSTILE)
def test_in_a_pattern_a_fact_fits_itself_alone(fact: str, other: str) -> None:
    query = _filled('up{host=~"{{ component.host }}"}', fact)
    (inner,) = _QUOTED.findall(query)
    clean = [text for text in (fact, other) if all("\0" < char < "\ud800" for char in text)]
    if len(clean) == 2:
        fits = re2.compile(_unquoted(inner))
        assert fits.fullmatch(fact)
        assert (fits.fullmatch(other) is not None) == (other == fact)


@pytest.mark.parametrize("operator", ["=~", "!~", "=~ ", "!~\n  "])
def test_a_fact_after_a_pattern_operator_is_no_pattern(operator: str) -> None:
    assert _filled(f"up{{host{operator}'{{{{ component.host }}}}:.*'}}", "a.b") == (
        f"up{{host{operator}'a\\U0000005C.b:.*'}}"
    )


@pytest.mark.parametrize(
    "source",
    [
        "{{ component.host }}",
        "up > {{ component.host }}",
        "up{host={{ component.host }}}",
        "up{host=`{{ component.host }}`}",
        'up{host="a`{{ component.id }}"} or `{{ component.host }}`',
        "up # {{ component.host }}",
        'up{host="\\{{ component.host }}"}',
        'up{host="{{ component.host }}}',
        "up{host='{{ component.host }}\"}",
        '# "\nup{host="} or {{ component.host }} or {a="b"}',
        'up{host="{{ component.host | upper }}"} > {{ component.host | upper }}',
        "up > {{ alert.labels.x }}",
    ],
)
def test_where_a_fact_could_become_something_else_it_is_refused(source: str) -> None:
    with pytest.raises(InvalidExpression):
        compile_promql(source)


def test_a_number_may_stand_outside_of_quotes() -> None:
    assert _filled("up > {{ component.host | float }}", "2.5") == "up > 2.5"
    assert _filled("up > {{ component.host | int }}", "1} or vector(1)") == "up > 0"


def test_without_facts_it_is_taken_as_it_is() -> None:
    query = "sum by (job) (rate(x{a='b\\'{', c=\"d\"}[5m])) > `\\` # it's"
    assert _filled(query, "") == query
