"""What every command shares: the global options, and the bundle and settings behind them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from bsm_remediate.app import Installation
    from bsm_remediate.config.settings import Options
    from bsm_remediate.domain.bundle import Bundle


@dataclass(kw_only=True)
class Deployment:
    """The global options as given; everything else is worked out when a command asks."""

    policies: Path | None = None
    inventory: tuple[Path, ...] = ()
    playbooks: Path | None = None
    config: Path | None = None
    database: str | None = None
    verbosity: int = 0

    def options(self) -> Options:
        """These, as settings take them."""
        from bsm_remediate.config.settings import Options

        return Options(
            policies=self.policies,
            inventory=self.inventory,
            playbooks=self.playbooks,
            config=self.config,
            database=self.database,
        )

    def installation(self) -> Installation:
        """Settings of this deployment: file, then environment, then these options."""
        from bsm_remediate.app import Installation

        return Installation.from_options(self.options())

    def load_bundle(self, *, scrutinise: bool = False) -> Bundle:
        """The bundle; its findings go to stderr. Raises `InvalidBundle` (exit code 2) when it has errors.

        `scrutinise` also checks playbooks and hosts, which commands that act need.
        """
        from bsm_remediate.errors import InvalidBundle

        loaded = self.installation().load_bundle(scrutinise=scrutinise)
        for finding in loaded.findings:
            click.echo(str(finding), err=True)
        if loaded.bundle is None:
            errors = sum(finding.severity == "error" for finding in loaded.findings)
            raise InvalidBundle(f"the bundle has {errors} error{'s' if errors != 1 else ''}")
        return loaded.bundle


pass_deployment = click.make_pass_decorator(Deployment)
