"""`doctor`: is everything there that a night needs?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from bsm_remediate.cli.checkup import examine
from bsm_remediate.cli.context import Deployment, pass_deployment
from bsm_remediate.cli.examined import Examined, Health
from bsm_remediate.cli.output import emit, output_option
from bsm_remediate.cli.tables import plain, simple_table

if TYPE_CHECKING:
    from rich.console import Console

    from bsm_remediate.config.origin import Effective

_SIGN = {Health.OK: "[green]ok[/]", Health.WARNING: "[yellow]warning[/]", Health.FAILED: "[bold red]failed[/]"}


@click.command(
    epilog="""\b
Examples:
  bsm-remediate doctor
  bsm-remediate doctor --no-hosts -o json"""
)
@click.option("--no-hosts", is_flag=True, help="Don't log in on the hosts.")
@output_option
@pass_deployment
def command(deployment: Deployment, no_hosts: bool, output: str) -> None:
    """Examine this deployment: bundle, playbooks, hosts, vaults, clocks, sources, database, secrets, versions.

    All hosts of the bundle's components are pinged through Ansible, as runs would reach them. Nothing is changed on
    them. Exits with 1 when something has failed.
    """
    from bsm_remediate.config.origin import effective

    installation = deployment.installation()
    found = examine(installation, deployment.options(), with_hosts=not no_hosts, tell=_progress)
    settings = effective(installation.settings, deployment.options())
    document = {
        "checks": [
            {"check": one.name, "health": one.health.value, "detail": one.detail, "hint": one.hint} for one in found
        ],
        "settings": [{"key": one.key, "value": one.value, "origin": one.origin} for one in settings],
    }
    emit(document, output, table=lambda console: _show(console, found, settings))
    if any(one.health is Health.FAILED for one in found):
        raise SystemExit(1)


def _progress(line: str) -> None:
    click.echo(line, err=True)


def _show(console: Console, found: list[Examined], settings: list[Effective]) -> None:
    table = simple_table("setting", "value", "from")
    for setting in settings:
        table.add_row(plain(setting.key), plain(setting.value), plain(setting.origin))
    console.print(table)
    console.print()
    table = simple_table("check", "", "what was found")
    for one in found:
        table.add_row(plain(one.name), _SIGN[one.health], plain(one.detail))
        if one.hint and one.health is not Health.OK:
            table.add_row("", "", plain(f"→ {one.hint}"))
    console.print(table)
