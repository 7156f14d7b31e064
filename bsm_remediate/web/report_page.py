"""The report as one page: no script, nothing from elsewhere, readable in light and dark and on paper."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from html import escape
from typing import Any

from bsm_remediate.domain.duration import format_duration
from bsm_remediate.web.metrics_section import metrics_section
from bsm_remediate.web.plots import Part, PlotRow, bars_over_time, rows

Row = dict[str, Any]
_SHOWN = 20
_NO_CAUSE = "unexplained"
_NOTHING = "-"
_STYLE = """
:root{color-scheme:light dark;--ink:#1b1f24;--soft:#5b6470;--paper:#fff;--card:#f5f6f8;--line:#d9dde3;--loss:#c2410c;
--loss2:#ea8a4f;--loss3:#f3b995;--down:#c62828;--degraded:#d18b00;--unknown:#8e44ad;--maintenance:#2f6fb3;--good:#1b7f4b;
--want:#7a8594}
@media(prefers-color-scheme:dark){:root{--ink:#e7eaee;--soft:#a3adb9;--paper:#14171b;--card:#1e2329;--line:#363d46;
--loss:#f0803c;--loss2:#b9602c;--loss3:#7d4526;--down:#f0625d;--degraded:#e0a52f;--unknown:#bd85d6;--maintenance:#6aa7e0;
--good:#4fc486;--want:#8a95a3}}
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);max-width:960px;margin:0 auto;
padding:24px}
h1{font-size:24px;margin:0}h2{font-size:17px;margin:36px 0 10px}p{margin:6px 0}.soft{color:var(--soft)}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(190px,1fr));gap:12px;margin:20px 0}
.card{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:12px 16px}
.card b{display:block;font-size:22px;font-variant-numeric:tabular-nums}
table{border-collapse:collapse;width:100%;font-size:14px}
th,td{text-align:left;padding:5px 10px 5px 0;vertical-align:top;
border-bottom:1px solid var(--line);overflow-wrap:anywhere}th{color:var(--soft);font-weight:600}
.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
svg{width:100%;height:auto;display:block}svg text{font:13px system-ui,sans-serif;fill:var(--ink)}
svg .tick{fill:var(--soft);font-size:11px}.grid{stroke:var(--line)}.track{fill:var(--card)}
.loss,.cause0{fill:var(--loss)}.cause1{fill:var(--loss2)}.cause2{fill:var(--loss3)}.cause3{fill:var(--want)}.down{fill:var(--down)}
.degraded{fill:var(--degraded)}.unknown{fill:var(--unknown)}.maintenance{fill:var(--maintenance)}.taken{fill:var(--good)}
.want{fill:var(--want)}.met{color:var(--good)}.missed{color:var(--down)}.key{font-size:13px;color:var(--soft)}
.key i{display:inline-block;width:11px;height:11px;border-radius:2px;margin:0 5px 0 14px}
.key i.down{background:var(--down)}.key i.degraded{background:var(--degraded)}.key i.unknown{background:var(--unknown)}
.key i.maintenance{background:var(--maintenance)}
.key i.cause0{background:var(--loss)}.key i.cause1{background:var(--loss2)}
.key i.cause2{background:var(--loss3)}.key i.cause3,.key i.want{background:var(--want)}
.key i.taken{background:var(--good)}
h3{font-size:15px;margin:22px 0 2px;break-after:avoid}.line0,.line1,.line2,.limit{fill:none;stroke-width:2;
stroke-linecap:round;stroke-linejoin:round}.line0{stroke:var(--loss)}.line1{stroke:var(--maintenance)}
.line2{stroke:var(--good)}.limit{stroke:var(--down);stroke-width:1;stroke-dasharray:5 4}
.key i.line0{background:var(--loss)}.key i.line1{background:var(--maintenance)}.key i.line2{background:var(--good)}
.key i.limit{background:var(--down)}
@media print{body{max-width:none}h2{break-after:avoid}svg,tr{break-inside:avoid}}
"""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def report_page(report: Row) -> str:
    """The whole page, as HTML."""
    title = f"{_day(report['from'])} to {_day(report['to'])}"
    body = "\n".join(
        part
        for part in (
            f"<h1>Business service report</h1><p class=soft>{escape(title)} UTC{_recorded(report)}</p>",
            _cards(report),
            _loss(report),
            _timeline(report),
            _objectives(report),
            _response(report),
            _outages(report),
            _playbooks(report),
            metrics_section(report, _table),
            _assumptions(report),
        )
        if part
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Business service report, {escape(title)}</title><style>{_STYLE}</style></head>\n"
        f"<body>\n{body}\n</body></html>\n"
    )


def _recorded(report: Row) -> str:
    since = report["recorded_since"]
    if since is None:
        return " · nothing was recorded in this time"
    return f" · recorded since {escape(_day(since))}" if since > report["from"] else ""


def _cards(report: Row) -> str:
    currency, avoided = report["currency"], report["avoided"]
    known = [one for one in report["objectives"] if one["met"] is not None]
    restore = report["response"]["restore_s"]
    worst = next((one["cause"] or _NO_CAUSE for one in report["loss"]["by_cause"]), "")
    cards = [
        ("lost", f"{report['loss']['total']:,.2f} {currency}", f"most to {worst}" if worst else "nothing failed"),
        ("avoided", f"{avoided['money']:,.2f} {currency}", f"in {avoided['outages']} outages; assumption below"),
        ("objectives met", f"{sum(one['met'] for one in known)} of {len(known)}", "at the end of this time"),
        ("median time to restore", _length(restore["median"]) if restore else _NOTHING, "from the alert's begin"),
    ]
    return "<div class=cards>{}</div>".format(
        "".join(
            f"<div class=card><span class=soft>{escape(name)}</span><b>{escape(value)}</b>"
            f"<span class=soft>{escape(about)}</span></div>"
            for name, value, about in cards
        )
    )


def _loss(report: Row) -> str:
    loss, currency = report["loss"], report["currency"]
    if not loss["by_service"]:
        return "<h2>Loss</h2><p>Nothing failed, nothing was lost.</p>"
    over_time = bars_over_time(
        [one["lost"] for one in loss["over_time"]],
        [one["from"] for one in loss["over_time"]],
        unit=currency,
        label="Loss over time",
    )
    most = max(one["lost"] for one in loss["by_service"]) or 1.0
    ranks = {cause["cause"]: min(number, 3) for number, cause in enumerate(loss["by_cause"])}
    found = []
    for one in loss["by_service"][:_SHOWN]:
        parts, begin = [], 0.0
        for cause in one["causes"]:
            title = f"{cause['cause'] or _NO_CAUSE}: {cause['lost']:,.2f} {currency}"
            parts.append(
                Part(begin=begin, length=cause["lost"] / most, css=f"cause{ranks[cause['cause']]}", title=title)
            )
            begin += cause["lost"] / most
        found.append(PlotRow(name=one["service"], parts=tuple(parts), total=f"{one['lost']:,.2f}"))
    causes = [
        [cause["cause"] or _NO_CAUSE, f"{cause['lost']:,.2f}", f"{cause['lost'] / (loss['total'] or 1):.0%}"]
        for cause in loss["by_cause"][:_SHOWN]
    ]
    by_service = _key_of_causes(ranks) + rows(found, label="Loss by service and cause")
    return (
        f"<h2>Loss over time, {escape(currency)}</h2>{over_time}"
        f"<h2>Loss by service, {escape(currency)}</h2>{by_service}"
        f"<h2>Worst causes</h2>{_table(['cause', f'>{currency}', '>share'], causes)}"
    )


def _timeline(report: Row) -> str:
    begin = datetime.fromisoformat(report["from"])
    whole = (datetime.fromisoformat(report["to"]) - begin) / timedelta(seconds=1)
    found: dict[str, list[Part]] = {}
    for outage in report["outages"]:
        for one in outage["states"]:
            since, until = (datetime.fromisoformat(one[end]) for end in ("from", "to"))
            found.setdefault(outage["service"], []).append(
                Part(
                    begin=(since - begin).total_seconds() / whole,
                    length=(until - since).total_seconds() / whole,
                    css=one["state"],
                    title=f"{one['state']} from {_day(one['from'])} to {_day(one['to'])}",
                )
            )
    if not found:
        return ""
    plotted = [PlotRow(name=name, parts=tuple(parts)) for name, parts in list(found.items())[:_SHOWN]]
    key = _key("down", "degraded", "unknown", "maintenance")
    plot = rows(plotted, label="States of services", begin=_day(report["from"]), end=_day(report["to"]))
    return f"<h2>States of services</h2>{key}{plot}"


def _objectives(report: Row) -> str:
    lines = []
    for one in report["objectives"]:
        met = {True: "met", False: "missed", None: "unknown"}[one["met"]]
        burns = [f"{rate:.1f}" if rate is not None else _NOTHING for rate in one["burn_rates"].values()]
        available = f"{one['availability']:.3f} %" if one["availability"] is not None else _NOTHING
        left = f"{one['budget_left']:.0%}" if one["budget_left"] is not None else _NOTHING
        lines.append([one["service"], f"{one['objective']:g} % in {one['window']}", available, left, *burns, met])
    if not lines:
        return ""
    head = ["service", "objective", ">available", ">budget left", ">burn 1h", ">6h", ">3d", "at the end"]
    return f"<h2>Objectives</h2>{_table(head, lines)}{_goals(report)}"


def _goals(report: Row) -> str:
    lines = [
        [
            one["goal"],
            str(len(one["weights"])),
            f"{one['objective']:.3f} %",
            f"{one['availability']:.3f} %",
            f"{one['met_share']:.0%}",
            ", ".join(one["missed"][:_SHOWN]) or "met",
        ]
        for one in report["goals"]
        if one["met"] is not None
    ]
    head = ["goal", ">services", ">objective", ">attained", ">weight met", "missed by"]
    return f"<h2>Objectives by goal</h2>{_table(head, lines)}" if lines else ""


def _response(report: Row) -> str:
    found = report["response"]
    lines = [
        [f"to {name}", *(_length(found[f"{name}_s"][column]) for column in ("mean", "median", "p90", "most"))]
        for name in ("detect", "decide", "restore")
        if found[f"{name}_s"] is not None
    ]
    if not lines:
        return ""
    said = f"{found['failures']} failures of components, {found['answered']} of them answered by a run."
    return f"<h2>Times</h2><p>{said}</p>{_table(['time', '>mean', '>median', '>p90', '>most'], lines)}"


def _outages(report: Row) -> str:
    lines = [
        [
            _day(one["began_at"]),
            one["service"],
            ", ".join(one["causes"]) or _NO_CAUSE,
            _length(one["restored_after_s"]) if one["restored_after_s"] is not None else "not yet",
            f"{one['lost']:,.2f}",
            f"{one['avoided']:,.2f}" if one["avoided"] is not None else "",
        ]
        for one in report["outages"][-_SHOWN:]
    ]
    if not lines:
        return ""
    head = ["began", "service", "causes", ">restored after", f">lost, {report['currency']}", ">avoided"]
    return f"<h2>Latest outages</h2>{_table(head, lines)}"


def _playbooks(report: Row) -> str:
    if not report["playbooks"]:
        return ""
    lines, plotted = [], []
    longest = max(max(one["expected_s"], (one["taken_s"] or {}).get("mean", 0.0)) for one in report["playbooks"]) or 1.0
    for one in report["playbooks"]:
        taken = (one["taken_s"] or {}).get("mean")
        success = f"{one['restored']} of {one['runs']}"
        lines.append(
            [
                one["policy"],
                one["playbook"],
                success,
                _length(taken) if taken is not None else _NOTHING,
                _length(one["expected_s"]),
                f"{one['avoided']:,.2f}",
                one["told"] or "as expected",
            ]
        )
        for length, css, what in ((one["expected_s"], "want", "expected"), (taken, "taken", "took")):
            if length is not None:
                part = Part(begin=0.0, length=length / longest, css=css, title=f"{what} {_length(length)}")
                name = f"{one['playbook']} ({one['policy']})" if css == "want" else ""
                plotted.append(PlotRow(name=name, parts=(part,), total=_length(length)))
    head = [
        "policy",
        "playbook",
        ">restored",
        ">took",
        ">expected",
        f">avoided, {report['currency']}",
        "what to think about",
    ]
    plot = rows(plotted[: 2 * _SHOWN], label="Durations of playbooks, expected and actual")
    return f"<h2>Playbooks</h2>{_key('want', 'taken')}{plot}{_table(head, lines)}"


def _assumptions(report: Row) -> str:
    said = [f"Avoided: {report['avoided']['assumption']}", *report["assumptions"]]
    return "<h2>What this assumes</h2><ul>{}</ul>".format("".join(f"<li>{escape(one)}</li>" for one in said))


_WORDS = {"want": "expected", "taken": "took"}


def _key(*names: str) -> str:
    return "<p class=key>{}</p>".format("".join(f"<i class={name}></i>{_WORDS.get(name, name)}" for name in names))


def _key_of_causes(ranks: dict[str | None, int]) -> str:
    """The worst have a shade of their own, all others share one."""
    named = {rank: cause or _NO_CAUSE for cause, rank in ranks.items() if rank < 3}
    named |= {3: "others"} if 3 in ranks.values() else {}
    shades = (f"<i class=cause{rank}></i>{escape(name)}" for rank, name in sorted(named.items()))
    return "<p class=key>{}</p>".format("".join(shades))


def _table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """A column whose head begins with `>` is one of numbers."""
    classes = [" class=n" if name.startswith(">") else "" for name in head]
    top = "".join(f"<th{css}>{escape(name.lstrip('>'))}</th>" for css, name in zip(classes, head, strict=True))
    body = "".join(
        "<tr>{}</tr>".format(
            "".join(f"<td{_met(cell) or css}>{escape(cell)}</td>" for css, cell in zip(classes, line, strict=True))
        )
        for line in lines
    )
    return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"


def _met(cell: str) -> str:
    return f" class={cell}" if cell in {"met", "missed"} else ""


def _day(moment: str) -> str:
    return datetime.fromisoformat(moment).strftime("%Y-%m-%d %H:%M")


def _length(seconds: float) -> str:
    return format_duration(timedelta(seconds=round(seconds, 1)))
