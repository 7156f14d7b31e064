"""`init`: a small working example to begin with."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

import click

from bsm_remediate.config.schema import json_schema
from bsm_remediate.errors import WrongUsage

_SCHEMA = "policies/bundle.schema.json"
_PLACEHOLDER = "FOLDER"
"""Stands in the example for the folder that it is written to: a check's command runs in a folder of its own."""
_AWKWARD = re.compile(r"[\"'\\${}\x00-\x1f]")
_FIRST = ("check", "what-if --down database", "plan --alerts alerts.json", "run --alerts alerts.json --yes")


@click.command(epilog="Example: bsm-remediate init shop && cd shop && bsm-remediate check")
@click.argument("folder", metavar="[DIR]", default=".", type=click.Path(path_type=Path, file_okay=False))
def command(folder: Path) -> None:
    """Write a small working example: policies, playbooks, inventory, alerts to try them on.

    It goes to DIR (default: the current folder). Files that are already there are never overwritten.
    """
    if _AWKWARD.search(str(folder.absolute())):
        raise WrongUsage(f"{folder.absolute()} has quotes, braces, $ or \\ in its name", hint="name a plainer folder")
    example = _example(folder.absolute())
    there = [name for name in example if (folder / name).exists()]
    if there:
        raise WrongUsage(
            f"nothing written: {folder} already has {', '.join(there)}", hint="name a new folder, or move them away"
        )
    try:
        for name, text in example.items():
            file = folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("x", encoding="utf-8") as opened:
                opened.write(text)
            click.echo(f"  {file}")
    except OSError as error:
        raise WrongUsage(f"{error.filename} cannot be written: {error.strerror}") from error
    click.echo("\nWritten. Now try:")
    if folder.resolve() != Path.cwd():
        click.echo(f"  cd {folder}")
    for line in _FIRST:
        click.echo(f"  bsm-remediate {line}")


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
