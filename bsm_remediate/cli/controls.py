"""People's controls: approve, reject, cancel, pause, resume, hold, release, adopt, goal."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import click

from bsm_remediate.cli.completing import Offer, components_and_hosts, goals, policies, runs_that
from bsm_remediate.cli.context import Deployment, pass_deployment
from bsm_remediate.cli.live import live_of, url_option

_REASON = click.option("--reason", default="", help="Why; it is kept in the journal.")


def _asked_for(ctx: click.Context, _option: click.Parameter, reason: str) -> str:
    """What keeps the engine from acting must say why, to whoever finds it; a person at a terminal is asked."""
    if ctx.resilient_parsing:  # a shell completes the command
        return reason
    if not reason.strip() and sys.stdin.isatty():
        reason = str(click.prompt("Why"))
    if not reason.strip():
        raise click.UsageError("say why with --reason: it is kept in the journal")
    return reason


_WHY = click.option("--reason", default="", callback=_asked_for, help="Why (needed); it is kept in the journal.")
_FOR = click.option("--for", "length", default="", metavar="TIME", help="For so long, like 1h; without it until ended.")
_WAITING = frozenset({"awaiting_approval"})
_UNDER_WAY = frozenset({"queued", "running", "verifying"})


def _ask(deployment: Deployment, url: str | None, verb: str, target: str, reason: str, length: str = "") -> None:
    click.echo(live_of(deployment, url).ask(verb, target, reason=reason, length=length))


def _on_a_run(verb: str, what: str, example: str, *, states: frozenset[str]) -> click.Command:
    @click.command(name=verb, help=what, epilog=f"Example: {example}")
    @click.argument("run", shell_complete=runs_that(states))
    @_REASON
    @url_option
    @pass_deployment
    def command(deployment: Deployment, run: str, reason: str, url: str | None) -> None:
        _ask(deployment, url, verb, run, reason)

    return command


def _on_a_target(
    verb: str, argument: str, what: str, example: str, *, offered: Offer, timed: bool = False
) -> click.Command:
    def carry_out(deployment: Deployment, target: str, reason: str, url: str | None, length: str = "") -> None:
        _ask(deployment, url, verb, target, reason, length)

    decorated: Callable[..., Any] = pass_deployment(carry_out)
    target = click.argument("target", metavar=argument, shell_complete=offered)
    for decorate in (url_option, *((_WHY, _FOR) if timed else (_REASON,)), target):
        decorated = decorate(decorated)
    return click.command(name=verb, help=what, epilog=f"Example: {example}")(decorated)


@click.command(epilog="Example: bsm-remediate pause --for 2h --reason 'storage migration'")
@_WHY
@_FOR
@url_option
@pass_deployment
def pause(deployment: Deployment, reason: str, length: str, url: str | None) -> None:
    """Start no new runs; those under way go on to their end."""
    _ask(deployment, url, "pause", "", reason, length)


@click.command(epilog="Example: bsm-remediate resume --reason 'migration is done'")
@_REASON
@url_option
@pass_deployment
def resume(deployment: Deployment, reason: str, url: str | None) -> None:
    """Start runs again."""
    _ask(deployment, url, "resume", "", reason)


COMMANDS: dict[str, click.Command] = {
    "approve": _on_a_run(
        "approve",
        "Let a run that waits for approval go ahead.",
        "bsm-remediate approve 1f3a --reason 'checked'",
        states=_WAITING,
    ),
    "reject": _on_a_run(
        "reject", "Refuse a run that waits for approval.", "bsm-remediate reject 1f3a", states=_WAITING
    ),
    "cancel": _on_a_run(
        "cancel",
        "Stop a run; nothing of its playbook is left behind on this machine.",
        "bsm-remediate cancel 1f3a",
        states=_WAITING | _UNDER_WAY,
    ),
    "pause": pause,
    "resume": resume,
    "hold": _on_a_target(
        "hold",
        "HOST|COMPONENT",
        "Keep the engine away from a host or component while a person works on it.",
        "bsm-remediate hold db-1 --for 1h --reason 'replacing a disk'",
        offered=components_and_hosts,
        timed=True,
    ),
    "release": _on_a_target(
        "release",
        "HOST|COMPONENT",
        "Give a host or component back to the engine.",
        "bsm-remediate release db-1 --reason 'the disk is replaced'",
        offered=components_and_hosts,
    ),
    "adopt": _on_a_target(
        "adopt",
        "POLICY",
        "Let a policy act on signals older than itself.",
        "bsm-remediate adopt restart-database",
        offered=policies,
    ),
    "goal": _on_a_target(
        "goal",
        "NAME",
        "Switch the business goal: which business functions weigh how much.",
        "bsm-remediate goal production-first --reason 'a big order ships tonight'",
        offered=goals,
    ),
}
