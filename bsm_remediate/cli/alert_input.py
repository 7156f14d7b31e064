"""Alerts as commands take them: from a file, or from the list of a live Alertmanager."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

import click

from bsm_remediate.app import Installation
from bsm_remediate.domain.alert import Alert, AlertKey
from bsm_remediate.errors import WrongUsage

Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass(frozen=True, kw_only=True, slots=True)
class AlertInput:
    """What fires, and what of it is silenced or inhibited, by what."""

    alerts: tuple[Alert, ...]
    suppressed: Mapping[AlertKey, str] = field(default_factory=dict)


def alert_options(command: Command) -> Command:
    """`--alerts FILE` and `--from alertmanager=URL`, as parameters `alert_file` and `live`."""
    live = click.option("--from", "live", metavar="alertmanager=URL", help="What fires there now, silences and all.")
    file = click.option(
        "--alerts", "alert_file", metavar="FILE", help="Alertmanager body, list of bodies or alerts; - for stdin."
    )
    return file(live(command))


def read_alerts(installation: Installation, alert_file: str | None, live: str | None, *, at: datetime) -> AlertInput:
    """The alerts that the options name. Raises `WrongUsage`, `MalformedAlerts`, `SourceUnreachable`."""
    if (alert_file is None) == (live is None):
        raise WrongUsage("give either --alerts FILE or --from alertmanager=URL", hint="`-` reads standard input")
    if alert_file is not None:
        return AlertInput(alerts=tuple(installation.senders.read_alert_file(alert_file, at=at)))
    listing = installation.senders.read_live(live or "")
    return AlertInput(alerts=listing.alerts, suppressed=listing.suppressed)
