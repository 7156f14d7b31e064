"""The bundle's `settings:`: what holds for the whole engine and a reviewer of policies must see."""

from __future__ import annotations

from dataclasses import replace

from bsm_remediate.config.fields import parse_weekdays
from bsm_remediate.config.organisation_schema import NotifySettingsSection
from bsm_remediate.config.schema import SettingsSection, StormSection, WatchdogSection
from bsm_remediate.domain.bundle import NotifySettings, Settings, StormLimit, Watchdog, WeeklyReport
from bsm_remediate.domain.policy import Rate


def settings_of(section: SettingsSection) -> Settings:
    """The section as a value, with the usual where it says nothing."""
    usual = Settings()
    written = section.guard.storm
    if isinstance(written, StormSection):
        within = written.within if written.within is not None else StormLimit().within
        storm = StormLimit(share=written.all, set_share=written.set, at_least=written.at_least, within=within)
    else:
        storm = StormLimit() if written is None else StormLimit(share=written, at_least=StormSection().at_least)
    max_runs = section.guard.max_runs
    return Settings(
        executors=section.executors,
        settle=section.settle if section.settle is not None else usual.settle,
        alert_timeout=section.alert_timeout if section.alert_timeout is not None else usual.alert_timeout,
        skew=section.skew if section.skew is not None else usual.skew,
        component_labels=tuple(section.component_labels or usual.component_labels),
        not_about={label: tuple(values) for label, values in section.not_about.items()},
        state_from_severity=section.state_from_severity == "all",
        max_runs=Rate(count=max_runs[0], window=max_runs[1]) if max_runs is not None else None,
        storm=storm,
        watchdog=_watchdog(section.watchdog),
        freeze=tuple(section.freeze),
        dry_run=section.dry_run,
        person=section.person,
        approval=section.approval if section.approval is not None else usual.approval,
        notify=_notify(section.notify),
    )


def _notify(section: NotifySettingsSection) -> NotifySettings:
    usual, weekly = NotifySettings(), section.weekly_report
    return NotifySettings(
        loss_over=section.loss_over,
        every=section.every if section.every is not None else usual.every,
        gather=section.gather if section.gather is not None else usual.gather,
        remind=section.remind if section.remind is not None else usual.remind,
        escalate_after=section.escalate_after,
        burn={str(name): rate for name, rate in section.burn.items()} if section.burn is not None else usual.burn,
        weekly_report=WeeklyReport(
            team=weekly.to,
            weekday=next(iter(parse_weekdays(weekly.weekday))),
            at=weekly.at,
            timezone=weekly.timezone,
        )
        if weekly is not None
        else None,
    )


def _watchdog(section: WatchdogSection | None) -> Watchdog | None:
    if section is None:
        return None
    usual = Watchdog(alertname=section.alertname)
    return usual if section.within is None else replace(usual, within=section.within)
