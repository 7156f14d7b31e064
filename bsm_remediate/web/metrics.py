"""Prometheus metrics of the engine itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from bsm_remediate.errors import StoreUnavailable
from bsm_remediate.web.intake import Counts
from bsm_remediate.web.live import Live


def metrics_of(live: Live, counts: Callable[[], Counts]) -> Callable[[], bytes]:
    """A function that prints everything as Prometheus reads it."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Engine(live, counts))
    return lambda: generate_latest(registry)


class _Engine(Collector):
    def __init__(self, live: Live, counts: Callable[[], Counts]) -> None:
        self._live = live
        self._counts = counts

    def describe(self) -> Iterator[GaugeMetricFamily]:
        return iter(())

    def collect(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
        counts = self._counts()
        yield CounterMetricFamily("bsm_alerts_accepted", "Alerts stored.", counts.accepted)
        yield CounterMetricFamily("bsm_alerts_rejected", "Alerts of accepted bodies that were bad.", counts.rejected)
        yield CounterMetricFamily("bsm_alerts_truncated", "Alerts that senders left out.", counts.truncated)
        yield CounterMetricFamily("bsm_webhooks_refused", "Webhooks answered with 4xx.", counts.refused)
        yield CounterMetricFamily("bsm_webhooks_unavailable", "Webhooks answered with 503.", counts.unavailable)
        health = self._live.health()
        yield GaugeMetricFamily("bsm_ready", "Whether the engine does its work.", float(health.is_ready))
        yield GaugeMetricFamily(
            "bsm_bundle_last_reload_successful", "Whether the last reload was taken.", float(health.bundle_is_current)
        )
        yield GaugeMetricFamily(
            "bsm_max_mode", "How far policies may go on this engine: 1 shadow, 2 approve, 3 auto.", health.max_mode
        )
        yield from self._business()
        yield from self._journal()
        yield from self._notifications()
        yield self._runs()

    def _business(self) -> Iterator[GaugeMetricFamily]:
        evaluation = self._live.evaluation
        if evaluation is None:
            return
        lost = GaugeMetricFamily("bsm_service_loss_per_minute", "What each service costs now.", labels=["service"])
        for one in evaluation.impact.services.values():
            lost.add_metric([one.service], one.loss_per_minute)
        yield lost
        yield GaugeMetricFamily(
            "bsm_loss_per_minute", "What the business loses now.", evaluation.impact.loss_per_minute
        )
        yield GaugeMetricFamily("bsm_alerts_firing", "Alerts that fire.", len(evaluation.situation.alerts))
        yield GaugeMetricFamily("bsm_alerts_unmapped", "Alerts that fit nothing.", len(evaluation.unmapped))

    def _journal(self) -> Iterator[GaugeMetricFamily]:
        try:
            seals = self._live.store.seals()
        except StoreUnavailable:
            return
        yield GaugeMetricFamily("bsm_journal_position", "The last sealed entry of the journal.", seals.head.position)
        yield GaugeMetricFamily("bsm_journal_waiting", "Entries that are written but not sealed yet.", seals.waiting)

    def _notifications(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
        tried = CounterMetricFamily("bsm_notifications", "Attempts to tell people.", labels=["result"])
        for result, number in sorted(self._live.notifications.items()):
            tried.add_metric([result], number)
        yield tried
        try:
            messages = self._live.store.messages()
        except StoreUnavailable:
            return
        waiting = sum(one.waits for one in messages)
        failing = sum(bool(one.failure) for one in messages)
        yield GaugeMetricFamily("bsm_notifications_waiting", "Messages that haven't arrived yet.", waiting)
        yield GaugeMetricFamily(
            "bsm_notifications_failing", "Messages that could not be delivered yet, or were given up.", failing
        )

    def _runs(self) -> GaugeMetricFamily:
        family = GaugeMetricFamily("bsm_runs", "Runs of the last day by state.", labels=["state"])
        try:
            found = self._live.store.runs(since=datetime.now(UTC) - timedelta(days=1))
        except StoreUnavailable:
            return family
        for state, number in sorted(Counter(run.state.value for run in found).items()):
            family.add_metric([state], number)
        return family
