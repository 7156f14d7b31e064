"""`review`: what happened in an incident, as a document."""

from __future__ import annotations

from pathlib import Path

import click

from bsm_remediate.cli.completing import incidents_and_runs
from bsm_remediate.cli.context import Deployment, pass_deployment
from bsm_remediate.cli.live import live_of, url_option
from bsm_remediate.cli.output import document_text, written


@click.command(
    epilog="""\b
Examples:
  bsm-remediate review latest
  bsm-remediate review 20260105T090020Z-db-1 --out review.md
  bsm-remediate review 7a2383b032df -o json"""
)
@click.argument("name", metavar="INCIDENT|RUN|latest", shell_complete=incidents_and_runs)
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Write it there.")
@url_option
@click.option(
    "-o",
    "--output",
    type=click.Choice(["markdown", "json", "yaml"]),
    default="markdown",
    show_default=True,
    help="How to print it; json and yaml have the facts that the page is written from.",
)
@pass_deployment
def command(deployment: Deployment, name: str, out: Path | None, url: str | None, output: str) -> None:
    """Write the review of an incident: what it cost, a timeline, causes, what was done, what the model got wrong, and
    what people must answer.

    INCIDENT is an id of `incidents`; a run means the incident in which it was made.
    """
    from bsm_remediate.domain.review_page import review_page

    found = live_of(deployment, url).review(name)
    written(review_page(found) if output == "markdown" else document_text(found, output), out)
