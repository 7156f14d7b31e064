"""The report for spreadsheets: one long table, a figure a line."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from io import StringIO
from typing import Any

_HEAD = ("section", "subject", "detail", "measure", "value", "unit")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
Line = tuple[str, str, str, str, object, str]


def report_csv(report: dict[str, Any]) -> str:
    """All figures of the report's statistics; a name can't become a formula of the spreadsheet that opens it."""
    sink = StringIO()
    writer = csv.writer(sink, lineterminator="\n")
    writer.writerow(_HEAD)
    for section, subject, detail, measure, value, unit in _lines(report):
        writer.writerow((section, _inert(subject), _inert(detail), measure, "" if value is None else value, unit))
    return sink.getvalue()


def _inert(name: str) -> str:
    return f"'{name}" if name.startswith(_FORMULA) else name


def _lines(report: dict[str, Any]) -> Iterator[Line]:
    currency = report["currency"]
    yield "period", "", "", "from", report["from"], ""
    yield "period", "", "", "to", report["to"], ""
    yield "period", "", "", "recorded_since", report["recorded_since"], ""
    for one in report["loss"]["by_service"]:
        yield "loss", one["service"], "", "lost", one["lost"], currency
        for cause in one["causes"]:
            yield "loss", one["service"], cause["cause"] or "", "lost_to_cause", cause["lost"], currency
        for state, minutes in one["minutes"].items():
            yield "loss", one["service"], state, "time", minutes, "min"
    for one in report["objectives"]:
        for measure, unit in (("objective", "%"), ("availability", "%"), ("budget_left", "share"), ("met", "")):
            yield "objectives", one["service"], one["window"], measure, one[measure], unit
        for name, rate in one["burn_rates"].items():
            yield "objectives", one["service"], name, "burn_rate", rate, ""
    for one in report["goals"]:
        measures = (("objective", "%"), ("availability", "%"), ("met_share", "share"), ("met", ""))
        for measure, unit in measures:
            yield "goals", one["goal"], "", measure, one[measure], unit
        for service, weight in one["weights"].items():
            yield "goals", one["goal"], service, "weight", weight, ""
    for one in report["components"]:
        yield "components", one["component"], "", "failures", one["failures"], ""
        yield "components", one["component"], "", "availability", one["availability"], "%"
    for name in ("detect_s", "decide_s", "restore_s"):
        for measure, seconds in (report["response"][name] or {}).items():
            yield "response", name.removesuffix("_s"), "", measure, seconds, "s"
    yield "avoided", "", report["avoided"]["assumption"], "money", report["avoided"]["money"], currency
    yield "avoided", "", "", "time", report["avoided"]["minutes"], "min"
    for one in report["metrics"]:
        yield "metrics", one["policy"], one["threshold"], "series", one["series"], ""
        for measure in ("min", "mean", "p50", "p95", "p99", "max"):
            yield "metrics", one["policy"], one["threshold"], measure, one[measure], ""
        yield "metrics", one["policy"], one["threshold"], "beyond", one["beyond_minutes"], "min"
    for one in report["playbooks"]:
        about = ("playbooks", one["policy"], one["playbook"])
        for measure in ("runs", "restored", "pays", "expectation_is_wrong"):
            yield *about, measure, one[measure], ""
        yield *about, "expected", one["expected_s"], "s"
        yield *about, "taken_mean", (one["taken_s"] or {}).get("mean"), "s"
        yield *about, "learned", one["learned_s"], "s"
        yield *about, "wasted", one["wasted_minutes"], "min"
        yield *about, "lost_meanwhile", one["lost_meanwhile"], currency
        yield *about, "avoided", one["avoided"], currency
