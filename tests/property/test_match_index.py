"""The index answers as if all matchers of all items were tried one after the other."""

from __future__ import annotations

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from bsm_remediate.domain.match_index import MatchIndex
from bsm_remediate.domain.matcher import Matcher, MatchOperator

MODERATELY = settings(max_examples=200, deadline=None)
LABELS = ["alertname", "job", "instance"]
VALUES = ["", "a", "b", "ab", "Postgres"]
PATTERNS = ["", "a", "a.*", "a|b", ".+", ".*", "[^a]*", "Post(gres)?"]


@st.composite
def matchers(draw: st.DrawFn) -> Matcher:
    operator = draw(st.sampled_from(list(MatchOperator)))
    label = draw(st.sampled_from(LABELS))
    if operator in {MatchOperator.REGEX, MatchOperator.NOT_REGEX}:
        pattern = draw(st.sampled_from(PATTERNS))
        return Matcher(label=label, operator=operator, value=pattern, pattern=re.compile(pattern))
    return Matcher(label=label, operator=operator, value=draw(st.sampled_from(VALUES)))


LABEL_SETS = st.dictionaries(st.sampled_from([*LABELS, "other"]), st.sampled_from(VALUES))
MATCHER_SETS = st.lists(st.lists(matchers(), max_size=4).map(tuple), max_size=12)


def matches(matcher: Matcher, labels: dict[str, str]) -> bool:
    """As Alertmanager says it: a missing label is the empty string, expressions are anchored."""
    value = labels.get(matcher.label, "")
    match matcher.operator:
        case MatchOperator.EQUAL:
            return value == matcher.value
        case MatchOperator.NOT_EQUAL:
            return value != matcher.value
        case MatchOperator.REGEX:
            return re.match(f"^(?:{matcher.value})$", value) is not None
        case MatchOperator.NOT_REGEX:
            return re.match(f"^(?:{matcher.value})$", value) is None


@MODERATELY
@given(MATCHER_SETS, st.lists(LABEL_SETS, max_size=8))
def test_the_index_finds_what_trying_all_finds_in_the_same_order(
    sets: list[tuple[Matcher, ...]], deliveries: list[dict[str, str]]
) -> None:
    index = MatchIndex(enumerate(sets))
    for labels in [*deliveries, *reversed(deliveries)]:
        expected = tuple(
            number for number, one in enumerate(sets) if one and all(matches(matcher, labels) for matcher in one)
        )
        assert index.matching(labels) == expected


@MODERATELY
@given(matchers(), LABEL_SETS)
def test_a_matcher_means_what_alertmanager_means(matcher: Matcher, labels: dict[str, str]) -> None:
    assert matcher.matches(labels) is matches(matcher, labels)


def test_an_item_without_any_matcher_never_matches() -> None:
    assert MatchIndex([("nothing", ())]).matching({"a": "b"}) == ()


def test_two_patterns_that_read_alike_on_different_labels_are_not_confused() -> None:
    on_job = Matcher(label="job", operator=MatchOperator.REGEX, value="a", pattern=re.compile("a"))
    on_pod = Matcher(label="pod", operator=MatchOperator.REGEX, value="a", pattern=re.compile("a"))
    index = MatchIndex([("job", (on_job,)), ("pod", (on_pod,))])
    assert index.matching({"job": "a"}) == ("job",)
    assert index.matching({"pod": "a"}) == ("pod",)
