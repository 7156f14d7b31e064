"""The command line. Commands load when they are called, so that `--help` stays fast."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import click

from bsm_remediate import __version__
from bsm_remediate.cli.context import Deployment
from bsm_remediate.errors import RemediationError

COMMANDS: dict[str, tuple[tuple[str, str, str], ...]] = {
    "Write policies": (
        ("init", "init", "Write a small working example: policies, playbooks, inventory."),
        ("check", "check", "Check the bundle, its playbooks and the inventory; all errors at once."),
        ("schema", "schema", "Print the JSON Schema of the bundle, for editors."),
    ),
    "Think ahead": (
        ("plan", "plan", "Show what would be done about alerts, in what order, and why."),
        ("what-if", "what_if", "Show states and loss if certain components were down."),
        ("importance", "importance", "Rank components by the loss that their failure would cause."),
        ("rebalance", "rebalance", "Show the weights or the size of a pool that would lose least."),
        ("coverage", "coverage", "Show which alerts find a component and a policy, and the worst gaps."),
    ),
    "Act": (
        ("run", "run", "Plan and execute once in the foreground."),
        ("apply", "apply", "Carry out a saved plan, deciding each step again."),
        ("serve", "serve", "Run the engine with its webhooks and API."),
    ),
    "Look": (
        ("status", "status", "Show what the business is losing now, and why."),
        ("alerts", "alerts", "List the alerts; end a stale one."),
        ("services", "services", "List the services, worst first."),
        ("runs", "runs", "List runs, or show one with its events."),
        ("report", "report", "Tell what was lost, avoided and promised, and what metrics were."),
        ("metrics", "metrics", "Tell what the figures of metric policies were."),
        ("incidents", "incidents", "List the incidents: outages that hang together."),
        ("review", "review", "Write the review of an incident from the journal."),
        ("why", "why", "Explain a component, a service, a run or a held step."),
    ),
    "Set up": (
        ("audit", "audit", "Verify that the journal is what was sealed; tell its head."),
        ("statistics", "statistics", "Compare the statistics with the journal; make them anew."),
        ("token", "token", "Create, list and revoke the tokens that the API takes."),
        ("notify", "notify", "Test where people are told, and list what they were told."),
        ("doctor", "doctor", "Examine this deployment: hosts, vaults, clocks, sources, settings."),
        ("completion", "completion", "Print the script that lets a shell complete commands and ids."),
    ),
    "Steer": (
        ("dry-run", "dry_run", "Show what a run that waits for approval would change."),
        ("approve", "controls", "Let a run that waits for approval go ahead."),
        ("reject", "controls", "Refuse a run that waits for approval."),
        ("cancel", "controls", "Stop a run; nothing of its playbook is left behind."),
        ("pause", "controls", "Start no new runs until `resume`."),
        ("resume", "controls", "Start runs again."),
        ("hold", "controls", "Keep the engine away from a host or component."),
        ("release", "controls", "Give a host or component back; close a policy's breaker."),
        ("maintenance", "maintenance", "Order, list and end maintenance windows."),
        ("change", "change", "Planned work: window, dry run, approval, review."),
        ("adopt", "controls", "Let a policy act on signals older than itself."),
        ("goal", "controls", "Switch the business goal."),
    ),
}
_PLACE = {name: module for section in COMMANDS.values() for name, module, _ in section}


class _Commands(click.Group):
    """A group whose commands are imported on first use."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, self._global_ones_first(args))

    def _global_ones_first(self, args: list[str]) -> list[str]:
        """`args` with the options of every command before the command, wherever they were written."""
        names = {name for one in self.params for name in one.opts if isinstance(one, click.Option) and not one.is_flag}
        names = {name for name in names if name.startswith("--")} - {"--verbose"}
        first: list[str] = []
        rest: list[str] = []
        left = iter(args)
        for arg in left:
            name, equals, _ = arg.partition("=")
            if arg == "--":
                rest += [arg, *left]
            elif name in names:
                first += [arg] if equals else [arg, *([value] if (value := next(left, None)) is not None else [])]
            else:
                rest.append(arg)
        return first + rest

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(_PLACE)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        module_name = _PLACE.get(cmd_name)
        if module_name is None:
            return None
        module = importlib.import_module(f"bsm_remediate.cli.{module_name}")
        command: click.Command = module.COMMANDS[cmd_name] if hasattr(module, "COMMANDS") else module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            import difflib

            near = difflib.get_close_matches(args[0], _PLACE, 1) if args else []
            if near:
                raise click.UsageError(f"{error.message} Did you mean '{near[0]}'?", ctx) from error
            raise

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's
        for title, commands in COMMANDS.items():
            with formatter.section(title):
                formatter.write_dl([(name, line) for name, _, line in commands])

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except RemediationError as error:
            click.echo(f"{ctx.command_path}: {error}", err=True)
            ctx.exit(error.exit_code)
        except KeyboardInterrupt:
            ctx.exit(130)


_EPILOG = """\b
Examples:
  bsm-remediate check                               is the bundle sound?
  bsm-remediate what-if --down db-1                 what would it cost?
  bsm-remediate plan --alerts alerts.json           what would be done, and why?
  bsm-remediate serve                               do it, when alerts arrive
  bsm-remediate status                              how is the business?

\b
Exit codes: 0 done; 1 findings or a failed run; 2 wrong usage or an invalid bundle; 3 server or
backend not reachable; 5 a plan no longer fits; 10 `plan --exit-code` with steps; 130 interrupted.
"""


@click.group(cls=_Commands, epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--policies", type=click.Path(path_type=Path), help="Folder of the policy bundle  [default: policies]")
@click.option(
    "--inventory",
    type=click.Path(path_type=Path),
    multiple=True,
    help="Ansible inventory; may be given several times  [default: inventories/hosts.yml]",
)
@click.option("--playbooks", type=click.Path(path_type=Path), help="Folder of the playbooks  [default: playbooks]")
@click.option("--config", type=click.Path(path_type=Path), help="Deployment settings  [default: bsm-remediate.toml]")
@click.option("--database", metavar="URL", help="Database  [default: SQLite in the state directory]")
@click.option("-v", "--verbose", count=True, help="Say more; twice for debugging.")
@click.version_option(__version__, prog_name="bsm-remediate")
@click.pass_context
def main(
    ctx: click.Context,
    policies: Path | None,
    inventory: tuple[Path, ...],
    playbooks: Path | None,
    config: Path | None,
    database: str | None,
    verbose: int,
) -> None:
    """Bring the business back, most valuable service first.

    Policies say what the business sells, what a minute of each service is worth and which playbook restores which
    component; this engine works out what is being lost and runs the playbooks in the order that loses least.
    """
    ctx.obj = Deployment(
        policies=policies,
        inventory=inventory,
        playbooks=playbooks,
        config=config,
        database=database,
        verbosity=verbose,
    )
