"""Where alerts come from: webhooks and on what terms they are taken, the sources' own lists, files, rules."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from bsm_remediate.config.generic_source import GenericSource
from bsm_remediate.config.settings import Settings, read_secret
from bsm_remediate.config.sources import (
    AlertmanagerSource,
    MetricSourceSection,
)
from bsm_remediate.domain.alert import Alert
from bsm_remediate.domain.alert_rule import AlertRule
from bsm_remediate.domain.listing import Listing
from bsm_remediate.domain.metric import METRICS
from bsm_remediate.errors import WrongUsage

if TYPE_CHECKING:
    from bsm_remediate.adapters.webhooks.delivery import Delivery
    from bsm_remediate.adapters.webhooks.terms import Terms
    from bsm_remediate.ports import AlertSource


@dataclass(frozen=True, kw_only=True)
class Senders:
    """Those of one deployment."""

    settings: Settings

    def read_alert_file(self, path: str, *, at: datetime) -> Sequence[Alert]:
        """The alerts in the file `path` (`-` for standard input). Raises `MalformedAlerts` or `WrongUsage`."""
        import sys

        try:
            raw = sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
        except OSError as error:
            raise WrongUsage(f"{path} cannot be read: {error.strerror}") from error
        return self.read_alerts(raw, at=at)

    def read_alerts(self, raw: bytes, *, at: datetime) -> Sequence[Alert]:
        """The alerts in `raw`, received at `at`. Raises `MalformedAlerts`."""
        from bsm_remediate.adapters.webhooks.files import read_alerts

        return read_alerts(raw, received_at=at)

    @property
    def webhook_sources(self) -> Mapping[str, Callable[[bytes, datetime], Delivery]]:
        """Whose webhooks are understood, by the name in their address. Raises `WrongUsage` for an unknown kind."""
        from bsm_remediate.adapters.webhooks import SOURCES, named
        from bsm_remediate.adapters.webhooks.field_map import FieldMap

        configured: dict[str, Callable[[bytes, datetime], Delivery]] = {}
        for name, one in self.settings.sources.items():
            if isinstance(one, MetricSourceSection):
                continue
            if name == METRICS:
                raise WrongUsage(f"sources.{name}: that is what the engine's own signals of figures are called")
            reading = one.reading() if isinstance(one, GenericSource) else None
            if one.kind not in SOURCES:
                known = ", ".join(sorted(SOURCES))
                raise WrongUsage(
                    f"sources.{name}.kind: '{one.kind}' is none of {known}", hint="or `generic` with paths"
                )
            if reading is not None:
                configured[name] = FieldMap(source=name, **reading)
            elif one.kind != name:
                configured[name] = named(one.kind, name)
        return {**SOURCES, **configured}

    @property
    def webhook_terms(self) -> Mapping[str, Terms]:
        """On what terms webhooks are taken, where they aren't the usual ones. Raises `WrongUsage`."""
        from bsm_remediate.adapters.webhooks import TERMS, signature
        from bsm_remediate.adapters.webhooks.terms import USUAL

        terms = dict(TERMS)
        for name, one in self.settings.sources.items():
            if isinstance(one, MetricSourceSection):
                continue
            terms[name] = TERMS.get(one.kind, USUAL)
            if one.secret_files:
                secrets = [read_secret(file) for file in one.secret_files]
                if not all(secrets):
                    raise WrongUsage(f"sources.{name}.secret_files: a secret is empty")
                try:
                    terms[name] = replace(terms[name], signature=signature(one.kind, secrets))
                except ValueError as error:
                    raise WrongUsage(f"sources.{name}.secret_files: a secret {error}") from error
        return terms

    def alert_sources(self) -> Sequence[AlertSource]:
        """Those whose own list is read. Raises `WrongUsage` for a secret that can't be read."""
        from bsm_remediate.adapters.alertmanager_list import AlertmanagerList
        from bsm_remediate.adapters.system_clock import SystemClock

        return [
            AlertmanagerList(
                one.url,
                now=SystemClock().now,
                name=name,
                receiver=one.receiver,
                token=read_secret(one.token_file) if one.token_file is not None else "",
                settles_after=one.settles_after,
            )
            for name, one in self.settings.sources.items()
            if isinstance(one, AlertmanagerSource) and one.url
        ]

    def read_live(self, given: str) -> Listing:
        """What fires at `alertmanager=URL` now, as `--from` takes it. Raises `WrongUsage`, `SourceUnreachable`."""
        from bsm_remediate.adapters.alertmanager_list import AlertmanagerList
        from bsm_remediate.adapters.system_clock import SystemClock

        kind, _, url = given.partition("=")
        if kind != "alertmanager" or not url.startswith(("http://", "https://")):
            raise WrongUsage(f"--from takes alertmanager=URL, not '{given}'")
        configured = self.settings.sources.get(kind)
        is_ours = isinstance(configured, AlertmanagerSource) and url.rstrip("/") in _stripped(configured.url)
        token = configured.token_file if isinstance(configured, AlertmanagerSource) and is_ours else None
        return AlertmanagerList(
            [url], now=SystemClock().now, token=read_secret(token) if token is not None else ""
        ).listing()

    def read_rules(self, given: str) -> tuple[AlertRule, ...]:
        """The alert rules of a Prometheus's URL, a file or a folder. Raises `WrongUsage`, `SourceUnreachable`."""
        from bsm_remediate.adapters.prometheus_rules import read_live_rules, read_rule_files

        return read_live_rules(given) if given.startswith(("http://", "https://")) else read_rule_files(Path(given))


def _stripped(urls: Sequence[str]) -> list[str]:
    return [url.rstrip("/") for url in urls]
