"""What metrics were, as a section of the report's page: a small plot for each policy, and a table of all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from html import escape
from typing import Any

from bsm_remediate.domain.duration import format_duration
from bsm_remediate.web.plots import Line, lines_over_time

Row = dict[str, Any]
_SHOWN = 100
_HEAD = ["metric of", ">series", ">min", ">mean", ">p95", ">max", "threshold", ">beyond it"]
_STEPS = {60: "minute", 3600: "hour", 86_400: "day"}


def metrics_section(report: Row, table: Callable[[Sequence[str], Iterable[Sequence[str]]], str]) -> str:
    """Nothing without figures. The report says which few series are plotted; what isn't shown is counted."""
    found = report["metrics"]
    if not found:
        return ""
    lines = [
        [
            one["policy"],
            str(one["series"]),
            *(f"{one[name]:,.4g}" for name in ("min", "mean", "p95", "max")),
            one["threshold"],
            format_duration(timedelta(minutes=one["beyond_minutes"])) if one["beyond_minutes"] else "",
        ]
        for one in found[:_SHOWN]
    ]
    left = f"<p class=soft>… and {len(found) - _SHOWN} more policies.</p>" if len(found) > _SHOWN else ""
    plots = "".join(_plot(report, one) for one in found if one["over_time"])
    return f"<h2>Metrics</h2>{table(_HEAD, lines)}{left}{plots}"


def _plot(report: Row, one: Row) -> str:
    """The mean of the worst series, step by step."""
    begin = datetime.fromisoformat(report["from"])
    whole = datetime.fromisoformat(report["to"]) - begin
    step = timedelta(seconds=one["over_time"][0]["resolution_s"])
    lines = [
        Line(
            name=_labels(series["labels"]),
            points=tuple(
                (_share(datetime.fromisoformat(bucket["from"]) + step / 2 - begin, whole), bucket["mean"])
                for bucket in series["buckets"]
            ),
            css=f"line{number}",
        )
        for number, series in enumerate(one["over_time"])
    ]
    shades = "".join(f"<i class={line.css}></i>{escape(line.name)}" for line in lines)
    of_all = f", the worst of {one['series']:,}" if one["series"] > len(lines) else ""
    limit = "<i class=limit></i>threshold" if one["limit"] is not None else ""
    plot = lines_over_time(
        lines,
        label=f"Figures of {one['policy']}",
        begin=_day(report["from"]),
        end=_day(report["to"]),
        gap=_share(step * 1.5, whole),
        limit=one["limit"],
    )
    said = f"Mean of each {_STEPS[one['over_time'][0]['resolution_s']]}{of_all}:"
    return f"<h3>{escape(one['policy'])}</h3><p class=key>{said} {shades}{limit}</p>{plot}"


def _share(length: timedelta, whole: timedelta) -> float:
    return min(max(length / whole, 0.0), 1.0)


def _labels(labels: dict[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in sorted(labels.items())) or "without labels"


def _day(moment: str) -> str:
    return datetime.fromisoformat(moment).strftime("%Y-%m-%d %H:%M")
