"""One reading of figures, as meters that tick make of it: the figures, or why there are none; and what they were."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TypeAlias

from bsm_remediate.domain.sample import Sample, Series
from bsm_remediate.errors import SourceUnreachable
from bsm_remediate.ports import MetricSource

_log = logging.getLogger(__name__)

MOST_SERIES = 10_000
"""Of one query."""

_PAST = (
    (timedelta(days=7), timedelta(hours=2), timedelta(minutes=10)),
    (timedelta(hours=2), timedelta(0), timedelta(minutes=1)),
)
"""From how long ago until how long ago, and how often: as much as forecasts remember."""

Reading: TypeAlias = "Sequence[Sample] | str"
"""Figures, or why there are none."""


def read(source: MetricSource | None, query: str, *, name: str = "") -> Reading:
    """What `query` is now. Never raises. `name` is that of the source, empty for the usual Prometheus."""
    if source is None:
        return f"there is no source {name}" if name else "there is no Prometheus to ask"
    try:
        found = source.samples(query)
    except SourceUnreachable as error:
        return str(error.args[0])
    except Exception as error:  # noqa: BLE001 - an answer nobody thought of must not end the readings
        _log.exception("figures.reading_failed source=%s", name)
        return type(error).__name__
    if len(found) > MOST_SERIES:
        return f"the query has {len(found)} series, more than {MOST_SERIES}"
    return found


def read_past(source: MetricSource | None, query: str, *, now: datetime) -> Sequence[Series]:
    """What `query` was in the week before `now`, the oldest first, as far as the source remembers. Never raises."""
    found: list[Series] = []
    if source is None:
        return found
    for since, until, step in _PAST:
        try:
            found += source.history(query, start=now - since, end=now - until, step=step)
        except SourceUnreachable as error:
            _log.info("figures.past_unknown: %s", error)
        except Exception:  # noqa: BLE001 - the same as above: it's a help, not a need
            _log.exception("figures.past_failed")
    return found
