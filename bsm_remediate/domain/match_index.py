"""Which of many matcher sets fit some labels, without asking all of them.

Each set is filed under its rarest equality; only the sets under a label value that is really there are looked at, and
each regular expression is evaluated once per value.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Generic, TypeVar

from bsm_remediate.domain.matcher import Matcher, MatchOperator

Item = TypeVar("Item")

_MEMORY = 2_000
"""Values per expression that are remembered; then it begins anew, so memory stays flat in a storm."""


class _Remembered:
    """A matcher that remembers its answer per value."""

    __slots__ = ("_answers", "_matcher", "label")

    def __init__(self, matcher: Matcher) -> None:
        self._matcher = matcher
        self.label = matcher.label
        self._answers: dict[str, bool] = {}

    def matches(self, labels: Mapping[str, str]) -> bool:
        value = labels.get(self.label, "")
        answer = self._answers.get(value)
        if answer is None:
            if len(self._answers) >= _MEMORY:
                self._answers.clear()
            answer = self._answers[value] = self._matcher.matches(labels)
        return answer


_Entry = tuple[int, tuple[Item], tuple[Matcher | _Remembered, ...]]
"""Place, the item (as the answer where it matches alone), what is left to ask."""


class MatchIndex(Generic[Item]):
    """Items by their matchers; an item without any matcher never matches."""

    def __init__(self, items: Iterable[tuple[Item, tuple[Matcher, ...]]]) -> None:
        entries = [(item, matchers) for item, matchers in items if matchers]
        shared: dict[str, _Remembered] = {}
        commonness = Counter((m.label, m.value) for _, matchers in entries for m in matchers if _is_indexable(m))
        self._filed: dict[tuple[str, str], list[_Entry[Item]]] = {}
        self._unfiled: list[_Entry[Item]] = []
        for place, (item, matchers) in enumerate(entries):
            rarest = min(
                (m for m in matchers if _is_indexable(m)),
                key=lambda m: commonness[m.label, m.value],
                default=None,
            )
            rest = tuple(
                m if m.pattern is None else shared.setdefault(str(m), _Remembered(m))
                for m in matchers
                if m is not rarest
            )
            if rarest is None:
                self._unfiled.append((place, (item,), rest))
            else:
                self._filed.setdefault((rarest.label, rarest.value), []).append((place, (item,), rest))
        self._labels = frozenset(label for label, _ in self._filed)
        self.labels = frozenset(m.label for _, matchers in entries for m in matchers)
        """All labels that any matcher looks at."""

    def matching(self, labels: Mapping[str, str]) -> tuple[Item, ...]:
        """The items all of whose matchers fit `labels`, in the order in which they were given."""
        if not self._labels and not self._unfiled:
            return ()
        candidates = list(self._unfiled)
        for label in self._labels:
            value = labels.get(label)
            if value is not None:
                candidates.extend(self._filed.get((label, value), ()))
        found = [(place, alone) for place, alone, rest in candidates if all(m.matches(labels) for m in rest)]
        if len(found) == 1:
            return found[0][1]  # one tuple for all that match it alone, as nearly everything does
        return tuple(alone[0] for _, alone in sorted(found, key=lambda one: one[0]))


def _is_indexable(matcher: Matcher) -> bool:
    return matcher.operator is MatchOperator.EQUAL and matcher.value != ""
