"""Which figures of a `/metrics` page or of a command are meant: `name{label="value"}`, or `rate(…[5m])` of counters."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise

from bsm_remediate.domain.duration import parse_duration
from bsm_remediate.domain.matcher import Matcher, MatchOperator, Pattern
from bsm_remediate.domain.sample import Series

_NAME = r"[A-Za-z_:][A-Za-z0-9_:.]*"
_QUOTED = r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\''
_SELECTED = re.compile(rf"({_NAME})\s*(?:\{{((?:{_QUOTED}|[^\"'{{}}])*)\}})?", re.DOTALL)
_RATE = re.compile(r"rate\s*\((.*)\[([^\[\]]*)\]\s*\)", re.DOTALL)
_MATCHER = re.compile(rf"\s*([A-Za-z_][A-Za-z0-9_.]*)\s*(=~|!~|!=|=)\s*({_QUOTED})\s*(,|$)", re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_LONGEST_RATE = timedelta(hours=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Selector:
    """A metric's name, and conditions on its labels."""

    name: str
    matchers: tuple[Matcher, ...] = ()
    rate_over: timedelta | None = None
    """Not the value, but its growth per second over that time."""

    def fits(self, name: str, labels: Mapping[str, str]) -> bool:
        return name == self.name and all(one.matches(labels) for one in self.matchers)


def parse_selector(text: str, compile_pattern: Callable[[str], Pattern]) -> Selector:
    """What `text` means. Raises `ValueError`."""
    whole = text.strip()
    rate = _RATE.fullmatch(whole)
    inner, over = (rate[1].strip(), parse_duration(rate[2].strip())) if rate is not None else (whole, None)
    if over is not None and not timedelta(0) < over <= _LONGEST_RATE:
        raise ValueError(f"'{text}': a rate is over more than nothing and at most 1h")
    found = _SELECTED.fullmatch(inner)
    if found is None:
        raise ValueError(f"'{text}' is no selector like queue_length{{queue=\"mail\"}} or rate(requests_total[5m])")
    return Selector(name=found[1], matchers=tuple(_matchers(found[2] or "", compile_pattern)), rate_over=over)


def _matchers(text: str, compile_pattern: Callable[[str], Pattern]) -> Iterator[Matcher]:
    position = 0
    while text[position:].strip():
        found = _MATCHER.match(text, position)
        if found is None:
            raise ValueError(f"'{text[position:].strip()}' is no matcher like label=\"value\"")
        operator = MatchOperator(found[2])
        value = _ESCAPED.sub(lambda escape: {"n": "\n"}.get(escape[1], escape[1]), found[3][1:-1])
        pattern = compile_pattern(value) if operator in {MatchOperator.REGEX, MatchOperator.NOT_REGEX} else None
        yield Matcher(label=found[1], operator=operator, value=value, pattern=pattern)
        position = found.end()


def rate_of(series: Series, over: timedelta) -> float | None:
    """Growth of a counter per second over the last `over` of its points; None while there are fewer than two in it.

    Where it fell it began anew at 0, as counters do when their process starts.
    """
    if not series.points:
        return None
    newest = series.points[-1][0]
    points = [point for point in series.points if newest - point[0] <= over]
    took = (newest - points[0][0]).total_seconds()
    if took <= 0:
        return None
    steps = pairwise(value for _, value in points)
    return sum(after - before if after >= before else after for before, after in steps) / took
