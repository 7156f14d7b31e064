"""Who can be asked for figures: Prometheus, scraped pages, programs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from bsm_remediate.config.settings import Settings, read_secret
from bsm_remediate.config.sources import (
    PROMETHEUS,
    CommandSource,
    MetricSourceSection,
    PrometheusSource,
    ScrapeSource,
    prometheus_meant,
)
from bsm_remediate.domain.bundle import Bundle
from bsm_remediate.errors import WrongUsage

if TYPE_CHECKING:
    from bsm_remediate.adapters.metrics.http import HttpReader
    from bsm_remediate.adapters.metrics.prometheus import PrometheusApi
    from bsm_remediate.domain.pool import Load, Pool
    from bsm_remediate.ports import MetricSource


@dataclass(frozen=True, kw_only=True)
class Figures:
    """Those of one deployment."""

    settings: Settings

    @property
    def kinds(self) -> Mapping[str, str]:
        """What can be asked for figures: its kind by its name."""
        return {name: one.kind for name, one in self.settings.sources.items() if isinstance(one, MetricSourceSection)}

    def open_prometheus(self) -> Mapping[str, PrometheusApi]:
        """Those that are configured, by name; none is asked yet. Raises `WrongUsage` for an unreadable secret."""
        from bsm_remediate.adapters.metrics.prometheus import PrometheusApi

        sources = self.settings.sources.items()
        return {
            name: PrometheusApi(one.url, _reader(one)) for name, one in sources if isinstance(one, PrometheusSource)
        }

    def open_all(self) -> Mapping[str, MetricSource]:
        """Everybody who can be asked for figures, by name. Raises `WrongUsage` for an unreadable secret."""
        from bsm_remediate.adapters.metrics.command import CommandFigures
        from bsm_remediate.adapters.metrics.scrape import ScrapedPages
        from bsm_remediate.adapters.system_clock import SystemClock

        found: dict[str, MetricSource] = dict(self.open_prometheus())
        for name, one in self.settings.sources.items():
            if isinstance(one, ScrapeSource):
                found[name] = ScrapedPages(one.url, _reader(one), SystemClock(), every=one.every)
            if isinstance(one, CommandSource):
                found[name] = CommandFigures(one.command, SystemClock(), every=one.every, timeout=one.timeout)
        return found

    def pool_load(self, pool: Pool, bundle: Bundle, *, at: datetime) -> Load:
        """The live load of `pool`, asked of the configured Prometheus. Raises `WrongUsage` where it can't be known, and
        `SourceUnreachable`.
        """
        from bsm_remediate.domain.mapping import Mapper
        from bsm_remediate.domain.pool_load import load_read

        hint = '--load FILE with JSON like {"web-1": 110, "web-2": 20}'
        name = self.usual_prometheus
        if name is None or not pool.query:
            lacking = "the pool has no `load: {query: …}`" if not pool.query else "no Prometheus is configured"
            raise WrongUsage(f"the load of {pool.id} isn't known: {lacking}", hint=hint)
        source = self.open_all()[name]
        running = source.samples(pool.replicas.running) if pool.replicas is not None and pool.replicas.running else ()
        return load_read(pool, source.samples(pool.query), Mapper(bundle), running=running, at=at)

    @property
    def usual_prometheus(self) -> str | None:
        """The one that is asked where nothing else is named; None: there is none."""
        return prometheus_meant([name for name, one in self.kinds.items() if one == PROMETHEUS])


def _reader(source: PrometheusSource | ScrapeSource) -> HttpReader:
    from bsm_remediate.adapters.metrics.http import Access, HttpReader
    from bsm_remediate.adapters.system_clock import SystemClock

    access = Access(
        token=read_secret(source.token_file) if source.token_file is not None else "",
        username=source.username,
        password=read_secret(source.password_file) if source.password_file is not None else "",
        ca_file=source.ca_file,
    )
    return HttpReader(access, SystemClock())
