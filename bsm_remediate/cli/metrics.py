"""`metrics`: what the figures of metric policies were."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from bsm_remediate.cli.completing import metric_policies
from bsm_remediate.cli.context import Deployment, pass_deployment
from bsm_remediate.cli.live import Row, live_of, url_option
from bsm_remediate.cli.moments import parse_moment
from bsm_remediate.cli.output import emit, output_option
from bsm_remediate.cli.report_tables import show_metrics
from bsm_remediate.cli.tables import plain, seconds_text, simple_table
from bsm_remediate.errors import WrongUsage

if TYPE_CHECKING:
    from rich.console import Console

_SHOWN_SERIES = 10
_SHOWN_BUCKETS = 48
_FIGURES = ("min", "mean", "p50", "p95", "p99", "max")
_UNITS = {60: "a minute", 3600: "an hour", 86_400: "a day"}


@click.command(
    epilog="""\b
Examples:
  bsm-remediate metrics
  bsm-remediate metrics relieve-web
  bsm-remediate metrics relieve-web --from 2026-01-05T09:00 --to 2026-01-05T10:00 --resolution 1m
  bsm-remediate metrics relieve-web --from 2026-01-01 --resolution 1d -o json"""
)
@click.argument("policy", required=False, shell_complete=metric_policies)
@click.option("--from", "since", metavar="TIME", help="From then on  [default: a week before --to]")
@click.option("--to", "until", metavar="TIME", help="Up to then  [default: now]")
@click.option(
    "--resolution",
    type=click.Choice(["1m", "1h", "1d"]),
    help="By the minute, hour or day  [default: fits the time, and what is kept]",
)
@url_option
@output_option
@pass_deployment
def command(
    deployment: Deployment,
    policy: str | None,
    since: str | None,
    until: str | None,
    resolution: str | None,
    url: str | None,
    output: str,
) -> None:
    """Tell what the figures of metric policies were: least, mean, percentiles, most, and for how long they were beyond
    the threshold.

    Without POLICY all of them in short; with it each of its series over time.
    """
    if policy is None and resolution is not None:
        raise WrongUsage("--resolution is one of a policy's history", hint="name the policy")
    begin = parse_moment(since) if since is not None else None
    end = parse_moment(until) if until is not None else None
    found = live_of(deployment, url).metrics(policy, begin, end, resolution)
    emit(found, output, table=lambda console: _show(console, found))


def _show(console: Console, found: Row) -> None:
    console.print(f"From {found['from']} to {found['to']}", markup=False)
    if "items" in found:
        show_metrics(console, {"metrics": found["items"]})
        return
    unit = _UNITS[found["resolution_s"]]
    threshold = f", {found['threshold']}" if found["threshold"] else ", which is no metric policy any more"
    console.print(f"{found['policy']}{threshold}; each line is {unit}", markup=False)
    for one in found["series"][:_SHOWN_SERIES]:
        _show_series(console, one)
    left = max(len(found["series"]) - _SHOWN_SERIES, 0) + found["left_out"]
    if not found["series"]:
        console.print("\nNo figures were kept of that time.")
    elif left:
        of_all = f"; {found['left_out']} of them are too many for one answer" if found["left_out"] else ""
        console.print(f"\n… and {left} more series (-o json has them{of_all}).")


def _show_series(console: Console, series: Row) -> None:
    labels = ", ".join(f"{name}={value}" for name, value in sorted(series["labels"].items()))
    console.print(f"\n{plain(labels) or 'without labels'}")
    right = ("figures", *_FIGURES, "beyond it")
    table = simple_table("from", *right, right=right)
    buckets = series["buckets"]
    for one in buckets[-_SHOWN_BUCKETS:]:
        beyond = seconds_text(one["beyond_minutes"] * 60) if one["beyond_minutes"] else ""
        table.add_row(one["from"][:16], str(one["figures"]), *(f"{one[name]:,.4g}" for name in _FIGURES), beyond)
    console.print(table)
    if len(buckets) > _SHOWN_BUCKETS:
        console.print(f"… and {len(buckets) - _SHOWN_BUCKETS} earlier ones (all are in -o json)")
