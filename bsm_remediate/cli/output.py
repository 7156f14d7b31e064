"""Output: a table for people, JSON or YAML for programs; colour only on a terminal."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from bsm_remediate.errors import WrongUsage

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

    from bsm_remediate.domain.event import Json

Function = TypeVar("Function", bound=Callable[..., Any])


def output_option(function: Function) -> Function:
    """Adds `-o table|json|yaml`, handed to the command as `output`."""
    return click.option(
        "-o",
        "--output",
        type=click.Choice(["table", "json", "yaml"]),
        default="table",
        show_default=True,
        help="How to print it.",
    )(function)


def console() -> Console:
    """A rich console on stdout: colour and width of the terminal, plain and wide when piped."""
    from rich.console import Console

    on_terminal = sys.stdout.isatty()
    return Console(highlight=False, soft_wrap=not on_terminal, width=None if on_terminal else 160)


def emit(document: Json, output: str, *, table: Callable[[Console], None]) -> None:
    """Print `document` as JSON or YAML, or let `table` show it to a person."""
    if output == "table":
        table(console())
    else:
        click.echo(document_text(document, output), nl=False)


def written(text: str, out: Path | None) -> None:
    """Print `text`, or write it into the file `out`, without colours. Raises `WrongUsage` where that can't be."""
    if out is None:
        click.echo(text, nl=False)
        return
    try:
        out.write_text(click.unstyle(text), encoding="utf-8")
    except OSError as error:
        raise WrongUsage(
            f"{out} can't be written: {error.strerror}", hint="name a file in a folder that is there"
        ) from error


def document_text(document: Json, output: str) -> str:
    """`document` as `json` or `yaml`."""
    if output == "json":
        return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    import yaml

    return str(yaml.safe_dump(document, sort_keys=False, allow_unicode=True))
