"""People's controls: approve, reject, cancel, pause, resume, hold, release, adopt, goal. `maintenance` is beside it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

import click

from bsm_remediate.cli.completing import Offer, components_and_hosts, goals, policies, released, runs_that, scopes
from bsm_remediate.cli.context import Deployment, pass_deployment
from bsm_remediate.cli.live import live_of, url_option

REASON = click.option("--reason", default="", help="Why; it is kept in the journal.")


def _asked_for(ctx: click.Context, _option: click.Parameter, reason: str) -> str:
    """What keeps the engine from acting must say why, to whoever finds it; a person at a terminal is asked."""
    if ctx.resilient_parsing:  # a shell completes the command
        return reason
    if not reason.strip() and sys.stdin.isatty():
        reason = str(click.prompt("Why"))
    if not reason.strip():
        raise click.UsageError("say why with --reason: it is kept in the journal")
    return reason


WHY = click.option("--reason", default="", callback=_asked_for, help="Why (needed); it is kept in the journal.")
_FOR = click.option("--for", "length", default="", metavar="TIME", help="For so long, like 1h; without it until ended.")
_WAITING = frozenset({"awaiting_approval"})
_UNDER_WAY = frozenset({"queued", "running", "verifying"})


def _ask(
    deployment: Deployment,
    url: str | None,
    verb: str,
    target: str,
    reason: str,
    *,
    length: str = "",
    details: Mapping[str, str] | None = None,
) -> None:
    from bsm_remediate.cli.asked import told
    from bsm_remediate.engine.asking import Request

    request = Request(verb=verb, target=target, reason=reason, length=length, details=details or {})
    click.echo(told(request, live_of(deployment, url).ask(request)))


def _on_a_run(verb: str, what: str, example: str, *, states: frozenset[str]) -> click.Command:
    @click.command(name=verb, help=what, epilog=f"Example: {example}")
    @click.argument("run", shell_complete=runs_that(states))
    @REASON
    @url_option
    @pass_deployment
    def command(deployment: Deployment, run: str, reason: str, url: str | None) -> None:
        _ask(deployment, url, verb, run, reason)

    return command


def _on_a_target(
    verb: str, argument: str, what: str, example: str, *, offered: Offer, timed: bool = False
) -> click.Command:
    def carry_out(deployment: Deployment, target: str, reason: str, url: str | None, length: str = "") -> None:
        _ask(deployment, url, verb, target, reason, length=length)

    decorated: Callable[..., Any] = pass_deployment(carry_out)
    target = click.argument("target", metavar=argument, shell_complete=offered)
    for decorate in (url_option, *((WHY, _FOR) if timed else (REASON,)), target):
        decorated = decorate(decorated)
    return click.command(name=verb, help=what, epilog=f"Example: {example}")(decorated)


@click.command(epilog="Example: bsm-remediate approve 1f3a --digest sha256:5e0c… --reason 'checked'")
@click.argument("run", shell_complete=runs_that(_WAITING))
@click.option("--digest", metavar="DIGEST", help="Of the plan that you looked at (`runs ID`); refused when it changed.")
@REASON
@url_option
@pass_deployment
def approve(deployment: Deployment, run: str, digest: str | None, reason: str, url: str | None) -> None:
    """Let a run that waits for approval go ahead.

    Where its policy names `approvers`, only members of these teams may; without `--url` you are who you logged in as.
    """
    _ask(deployment, url, "approve", run, reason, details={"digest": digest} if digest is not None else {})


_SCOPE = click.option(
    "--scope",
    metavar="SCOPE",
    shell_complete=scopes,
    help="Only that component, host, policy or team: by name, or as `component:ID`, `host:NAME` and so on.",
)


@click.command(
    epilog="""\b
Examples:
  bsm-remediate pause --for 2h --reason 'storage migration'
  bsm-remediate pause --scope host:db-1 --reason 'its disk smells'
  bsm-remediate pause --cancel-running --reason 'it does harm'"""
)
@WHY
@_FOR
@_SCOPE
@click.option("--cancel-running", is_flag=True, help="Stop what is under way there too.")
@url_option
@pass_deployment
def pause(
    deployment: Deployment, reason: str, length: str, scope: str | None, cancel_running: bool, url: str | None
) -> None:
    """Start no new runs, on any replica; those under way go on to their end.

    It ends once every live engine of the database has said that it keeps to it. Exit code 3: no engine runs there, or
    one hasn't said so in time.
    """
    details = {"scope": scope or "", **({"cancel_running": "yes"} if cancel_running else {})}
    _ask(deployment, url, "pause", "", reason, length=length, details=details)


@click.command(epilog="Example: bsm-remediate resume --scope host:db-1 --reason 'the disk is new'")
@REASON
@_SCOPE
@url_option
@pass_deployment
def resume(deployment: Deployment, reason: str, scope: str | None, url: str | None) -> None:
    """Start runs again: end all pauses, or only that of a scope."""
    _ask(deployment, url, "resume", "", reason, details={"scope": scope} if scope is not None else {})


COMMANDS: dict[str, click.Command] = {
    "approve": approve,
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
        "HOST|COMPONENT|POLICY",
        "Give a host or component back to the engine, or close the breaker of a policy.",
        "bsm-remediate release db-1 --reason 'the disk is replaced'",
        offered=released,
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
