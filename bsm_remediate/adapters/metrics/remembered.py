"""Figures that were read by ourselves, and what they were before: enough for `rate(…[1h])`."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

import re2

from bsm_remediate.domain.sample import Sample, Series
from bsm_remediate.domain.selector import Selector, parse_selector, rate_of
from bsm_remediate.errors import QueryRefused

NAME = "__name__"
_KEPT = timedelta(hours=1, minutes=1)
_MOST_POINTS = 512
"""Of one series: a rate over an hour is read each seven seconds at most."""
_MOST_SERIES = 100_000

_Key = tuple[str, tuple[tuple[str, str], ...]]


class Remembered:
    """Series by name and labels. Whoever uses it keeps threads apart."""

    def __init__(self) -> None:
        self._series: dict[_Key, deque[tuple[datetime, float]]] = {}
        self._current: set[_Key] = set()
        """Those that the last reading had."""

    def take(self, samples: Iterable[Sample], at: datetime) -> None:
        """What was read at `at`, all of it."""
        self._current = set()
        for sample in samples:
            key = (sample.labels[NAME], tuple(sorted((k, v) for k, v in sample.labels.items() if k != NAME)))
            if len(self._series) < _MOST_SERIES or key in self._series:
                self._series.setdefault(key, deque(maxlen=_MOST_POINTS)).append((at, sample.value))
                self._current.add(key)
        for key in [key for key, points in self._series.items() if at - points[-1][0] > _KEPT]:
            del self._series[key]

    def samples(self, query: str) -> list[Sample]:
        """What `query` is by the last reading; a rate has no value before the second. Raises `QueryRefused`."""
        selector = _parsed(query)
        found = []
        for series in self._selected(selector, self._current):
            over = selector.rate_over
            value = series.points[-1][1] if over is None else rate_of(series, over)
            if value is not None:
                found.append(Sample(labels=series.labels, value=value))
        return found

    def history(self, query: str, *, start: datetime, end: datetime) -> list[Series]:
        """What it was at each reading from `start` to `end`. Raises `QueryRefused`."""
        selector = _parsed(query)
        found = []
        for series in self._selected(selector, self._series):
            points = series.points if selector.rate_over is None else tuple(_rates(series, selector.rate_over))
            within = tuple(point for point in points if start <= point[0] <= end)
            if within:
                found.append(Series(labels=series.labels, points=within))
        return found

    def _selected(self, selector: Selector, keys: Iterable[_Key]) -> Iterator[Series]:
        for name, pairs in sorted(keys):
            labels = dict(pairs)
            if selector.fits(name, labels):
                # A rate is another figure than the counter that it is of.
                named = labels if selector.rate_over is not None else {NAME: name, **labels}
                yield Series(labels=named, points=tuple(self._series[name, pairs]))


def _rates(series: Series, over: timedelta) -> Iterator[tuple[datetime, float]]:
    for number, (at, _) in enumerate(series.points):
        value = rate_of(Series(points=series.points[: number + 1]), over)
        if value is not None:
            yield at, value


def _parsed(query: str) -> Selector:
    try:
        return parse_selector(query, re2.compile)
    except (ValueError, re2.error) as error:
        raise QueryRefused(str(error)) from error
