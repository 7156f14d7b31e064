"""`init`: a small working example to begin with."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

import click

from bsm_remediate.cli.context import Deployment, pass_deployment
from bsm_remediate.cli.first_project import first_files
from bsm_remediate.config.schema import json_schema
from bsm_remediate.errors import WrongUsage

_SCHEMA = "policies/bundle.schema.json"
_PLACEHOLDER = "FOLDER"
"""Stands in the example for the folder that it is written to: a check's command runs in a folder of its own."""
_AWKWARD = re.compile(r"[\"'\\${}\x00-\x1f]")
_FIRST_OF_TEAM = ("check", "coverage --from alertmanager=http://localhost:9093", "serve --max-mode shadow")
_FIRST = ("check", "what-if --down database", "plan --alerts alerts.json", "run --alerts alerts.json --yes")


@click.command(
    epilog="""\b
Examples:
  bsm-remediate init shop && cd shop && bsm-remediate check
  bsm-remediate init . --from-inventory inventories/production --rules http://prometheus:9090"""
)
@click.argument("folder", metavar="[DIR]", default=".", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--from-inventory",
    "inventory",
    metavar="INV",
    type=click.Path(path_type=Path),
    help="Write a first bundle for that Ansible inventory instead of the example.",
)
@click.option(
    "--rules",
    metavar="URL|FILE",
    multiple=True,
    help="Alert rules, a policy in shadow for each: a Prometheus, a rule file or a folder; may be given several times.",
)
@click.option("--force", is_flag=True, help="Overwrite the files that are there.")
@pass_deployment
def command(deployment: Deployment, folder: Path, inventory: Path | None, rules: tuple[str, ...], force: bool) -> None:
    """Write a small working example: policies, playbooks, inventory, alerts to try them on.

    With --from-inventory it writes a first bundle for what a team has instead: component sets from the groups of its
    inventory, placeholders of services, and for each alert rule a policy in shadow with its runbook. Comments say what
    to fill in.

    It goes to DIR (default: the current folder). Files that are already there are never overwritten without --force.
    """
    if _AWKWARD.search(str(folder.absolute())):
        raise WrongUsage(f"{folder.absolute()} has quotes, braces, $ or \\ in its name", hint="name a plainer folder")
    if inventory is None and rules:
        raise WrongUsage("--rules needs --from-inventory INV", hint="the policies are about its hosts")
    first: tuple[str, ...]
    if inventory is None:
        written, first = _example(folder.absolute()), _FIRST
    else:
        written, first = first_files(deployment.installation(), folder, inventory, rules), _FIRST_OF_TEAM
    _write(folder, written, force=force)
    click.echo("\nWritten. Now try:")
    if folder.resolve() != Path.cwd():
        click.echo(f"  cd {folder}")
    for line in first:
        click.echo(f"  bsm-remediate {line}")


def _write(folder: Path, written: Mapping[str, str], *, force: bool) -> None:
    there = [name for name in written if (folder / name).exists()]
    if there and not force:
        raise WrongUsage(
            f"nothing written: {folder} already has {', '.join(there)}",
            hint="name a new folder, move them away, or say --force",
        )
    try:
        for name, text in written.items():
            file = folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("w" if force else "x", encoding="utf-8") as opened:
                opened.write(text)
            click.echo(f"  {file}")
    except OSError as error:
        raise WrongUsage(f"{error.filename} cannot be written: {error.strerror}") from error


def _example(folder: Path) -> Mapping[str, str]:
    """Name → text of the files of the example, and the schema that its policies name for editors."""
    found = sorted(_texts(files("bsm_remediate.cli") / "example", ""))
    schema = json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"
    return {**{name: text.replace(_PLACEHOLDER, str(folder)) for name, text in found}, _SCHEMA: schema}


def _texts(folder: Traversable, path: str) -> list[tuple[str, str]]:
    texts: list[tuple[str, str]] = []
    for one in folder.iterdir():
        name = f"{path}{one.name}"
        texts += _texts(one, f"{name}/") if one.is_dir() else [(name, one.read_text(encoding="utf-8"))]
    return texts
