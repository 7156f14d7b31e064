"""`metric` of policies: from its section to a domain value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from bsm_remediate.config.draft import Draft, Entry
from bsm_remediate.config.patterns import compile_pattern
from bsm_remediate.config.reader import Place
from bsm_remediate.config.schema import MetricSection
from bsm_remediate.config.sources import HOW_TO_CONFIGURE, PROMETHEUS, prometheus_meant
from bsm_remediate.domain.metric import Metric
from bsm_remediate.domain.selector import parse_selector
from bsm_remediate.domain.threshold import Side, Threshold

EVERY = timedelta(seconds=30)
_MISSED = 3
"""So many figures may be missing before a series is unknown."""


@dataclass(frozen=True, kw_only=True)
class MetricReader:
    """Builds the metrics of a draft's policies."""

    draft: Draft
    metric_sources: Mapping[str, str] | None
    """What can be asked for figures, and its kind; None: nobody has looked."""

    def read(self, section: MetricSection, entry: Entry) -> Metric | None:
        """None, with findings, where it can't be asked."""
        place = entry.place("metric", "query")
        if not section.query.strip():
            self.draft.add(place.error("bad-metric", "a query of nothing"))
            return None
        self._know_source(section, entry.place("metric", "source") if section.source is not None else place)
        if self._kind(section) not in {None, PROMETHEUS}:
            self.draft.attempt(place, "bad-metric", lambda: parse_selector(section.query, compile_pattern))
        limit = section.above if section.above is not None else section.below
        if limit is None:
            return None  # the schema has complained
        every = section.every if section.every is not None else EVERY
        return Metric(
            query=section.query,
            source=section.source,
            threshold=Threshold(
                side=Side.ABOVE if section.above is not None else Side.BELOW,
                limit=limit,
                clear=section.clear if section.clear is not None else limit,
                hold=section.hold if section.hold is not None else timedelta(0),
                stale_after=_MISSED * every,
                forecast=section.forecast,
            ),
            every=every,
        )

    def _kind(self, section: MetricSection) -> str | None:
        """Of the source that is asked; None where nobody knows."""
        if section.source is None:
            return PROMETHEUS
        return self.metric_sources.get(section.source) if self.metric_sources is not None else None

    def _know_source(self, section: MetricSection, place: Place) -> None:
        if self.metric_sources is None:
            return
        if section.source is not None:
            self.draft.known(place, section.source, self.metric_sources, "source")
            return
        there = sorted(name for name, kind in self.metric_sources.items() if kind == PROMETHEUS)
        if not there:
            message = "there is no Prometheus to ask: none is configured"
            hint = f"{HOW_TO_CONFIGURE}, or name another `source:`"
            self.draft.add(place.error("no-prometheus", message, hint))
        elif prometheus_meant(there) is None:
            message = "there are several Prometheus, and it isn't said which of them is asked"
            self.draft.add(place.error("unknown-source", message, f"say `source:` with one of {', '.join(there)}"))
