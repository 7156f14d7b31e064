"""One reading of figures, as what tick-driven meters make of it: the figures, or why there are none."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TypeAlias

from bsm_remediate.domain.sample import Sample
from bsm_remediate.errors import SourceUnreachable
from bsm_remediate.ports import MetricSource

_log = logging.getLogger(__name__)

MOST_SERIES = 10_000
"""Of one query."""

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
