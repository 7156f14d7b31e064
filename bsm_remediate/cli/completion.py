"""`completion`: let the shell complete commands, options and ids."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

PROGRAMS = ("bsm-remediate", "bsm")


@click.command(
    epilog="""\b
Examples:
  source <(bsm-remediate completion bash)                  in ~/.bashrc
  source <(bsm-remediate completion zsh)                   in ~/.zshrc, after compinit
  bsm-remediate completion fish > ~/.config/fish/completions/bsm-remediate.fish"""
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print the script that lets a shell complete commands, options and ids.

    Components, services, policies and goals come from the bundle, runs and alerts from the server (BSM_URL) or the
    local database.
    """
    from bsm_remediate.cli import main

    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"this version of click knows nothing of {shell}")
    for program in PROGRAMS:
        variable = f"_{program.replace('-', '_').upper()}_COMPLETE"
        click.echo(kind(main, {}, program, variable).source())
