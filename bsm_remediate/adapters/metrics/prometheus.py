"""Queries to a Prometheus, or to what answers as it would.

Source: https://prometheus.io/docs/prometheus/latest/querying/api/
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

import orjson

from bsm_remediate.adapters.metrics.http import Answer, HttpReader
from bsm_remediate.domain.sample import Sample, Series
from bsm_remediate.errors import QueryRefused, SourceUnreachable

_QUERY_TIMEOUT = "5s"
_REFUSED = frozenset({400, 422})
_LONGEST_LABEL = 4_096
_SHOWN = 300


class Shape(StrEnum):
    """What kind of value an expression has."""

    VECTOR = "vector"
    SCALAR = "scalar"
    MATRIX = "matrix"
    STRING = "string"


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """The value of an expression: samples of a vector or scalar, or series of a matrix."""

    shape: Shape
    samples: tuple[Sample, ...] = ()
    series: tuple[Series, ...] = ()


class PrometheusApi:
    """One Prometheus, or several that know the same. Implements `ports.MetricSource`."""

    def __init__(self, urls: Sequence[str], reader: HttpReader) -> None:
        self._urls = tuple(url.rstrip("/") for url in urls)
        self._reader = reader

    def instant(self, query: str) -> Result:
        """What `query` is now. Raises `SourceUnreachable`, of these `QueryRefused` where it can't mean anything."""
        return self._ask("/api/v1/query", {"query": query, "timeout": _QUERY_TIMEOUT})

    def samples(self, query: str) -> Sequence[Sample]:
        """What `query` is now, where it is one value for each series. Raises as `instant`, and for other shapes."""
        found = self.instant(query)
        if found.shape not in {Shape.VECTOR, Shape.SCALAR}:
            raise QueryRefused(f"`{query}` is a {found.shape}, not one value for each series")
        return found.samples

    def history(self, query: str, *, start: datetime, end: datetime, step: timedelta) -> Sequence[Series]:
        """What `query` was from `start` to `end`. Raises as `instant`."""
        form = {
            "query": query,
            "start": f"{start.timestamp():.3f}",
            "end": f"{end.timestamp():.3f}",
            "step": f"{step.total_seconds():.3f}",
            "timeout": _QUERY_TIMEOUT,
        }
        return self._ask("/api/v1/query_range", form).series

    def _ask(self, path: str, form: Mapping[str, str]) -> Result:
        failures: list[str] = []
        for url in self._urls:
            try:
                return _result(self._reader.post(url + path, form), url)
            except QueryRefused:
                raise  # the others would refuse it too
            except SourceUnreachable as error:
                failures.append(str(error.args[0]))
        raise SourceUnreachable("; ".join(failures))


def _result(answer: Answer, url: str) -> Result:
    try:
        body = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        body = None
    if not isinstance(body, dict) or answer.status != 200 or body.get("status") != "success":
        said = body.get("error") if isinstance(body, dict) else None
        if answer.status in _REFUSED and isinstance(said, str):
            raise QueryRefused(f"{url} refuses the query: {_one_line(said)}")
        why = f": {_one_line(said)}" if isinstance(said, str) else ""
        raise SourceUnreachable(f"{url} answers {answer.status}{why or ' without JSON' if body is None else why}")
    try:
        return _read(body["data"])
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise SourceUnreachable(f"{url} is no Prometheus: it answers with something else") from error


def _read(data: Any) -> Result:
    """Raises `KeyError`, `TypeError`, `ValueError` for what isn't a result."""
    shape, found = Shape(data["resultType"]), data["result"]
    if shape is Shape.VECTOR:
        # A native histogram has no `value`, and is no figure.
        samples = (Sample(labels=_labels(one["metric"]), value=_value(one["value"])) for one in found if "value" in one)
        return Result(shape=shape, samples=tuple(samples))
    if shape is Shape.SCALAR:
        return Result(shape=shape, samples=(Sample(value=_value(found)),))
    if shape is Shape.MATRIX:
        return Result(shape=shape, series=tuple(_series(found)))
    return Result(shape=shape)


def _series(found: Any) -> Iterator[Series]:
    for one in found:
        points = ((datetime.fromtimestamp(pair[0], UTC), _value(pair)) for pair in one.get("values", ()))
        yield Series(labels=_labels(one["metric"]), points=tuple(points))


def _value(pair: Any) -> float:
    """`[time, "value"]`; Python reads `NaN`, `+Inf` and `-Inf` as Prometheus writes them."""
    _, text = pair
    if not isinstance(text, str):
        raise TypeError("a value is a text")
    return float(text)


def _labels(written: Any) -> dict[str, str]:
    if not isinstance(written, dict) or not all(isinstance(value, str) for value in written.values()):
        raise TypeError("labels are texts")
    return {clean(name): clean(value) for name, value in written.items()}


def clean(text: str) -> str:
    """As every database takes it, and no longer than a label can mean anything."""
    return text.replace("\0", "\ufffd")[:_LONGEST_LABEL]


def _one_line(text: str) -> str:
    return " ".join(text.split())[:_SHOWN]
