"""Matchers on labels, with Alertmanager's meaning: a missing label is the empty string, expressions are anchored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class Pattern(Protocol):
    """A compiled regular expression; the linear-time engine behind it is the caller's choice (the domain has none)."""

    def fullmatch(self, text: str, /) -> object | None: ...


class MatchOperator(StrEnum):
    EQUAL = "="
    NOT_EQUAL = "!="
    REGEX = "=~"
    NOT_REGEX = "!~"


@dataclass(frozen=True, kw_only=True, slots=True)
class Matcher:
    """One condition on one label."""

    label: str
    operator: MatchOperator
    value: str
    pattern: Pattern | None = None
    """The compiled `value` of the two regex operators."""

    def matches(self, labels: Mapping[str, str]) -> bool:
        given = labels.get(self.label, "")
        if self.pattern is None:
            return (given == self.value) is (self.operator is MatchOperator.EQUAL)
        return (self.pattern.fullmatch(given) is not None) is (self.operator is MatchOperator.REGEX)

    def __str__(self) -> str:
        return f'{self.label}{self.operator}"{self.value}"'
