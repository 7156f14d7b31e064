"""`serve`: the engine with its webhooks and API."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bsm_remediate.cli.cap import cap_text
from bsm_remediate.cli.completing import goals
from bsm_remediate.cli.context import Deployment, pass_deployment
from bsm_remediate.domain.bundle import DEFAULT_GOAL
from bsm_remediate.domain.policy import Mode
from bsm_remediate.errors import WrongUsage

if TYPE_CHECKING:
    from bsm_remediate.web.connections import Tls

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command(
    epilog="""\b
Examples:
  bsm-remediate serve                                   on loopback, without a token
  BSM_TOKEN_FILE=/etc/bsm/token bsm-remediate serve --host 0.0.0.0
  bsm-remediate serve --host 0.0.0.0 --tls-cert engine.pem --tls-key engine.key
  bsm-remediate serve --max-mode shadow                 looks and tells, never acts"""
)
@click.option("--host", help="Address to listen on  [default: 127.0.0.1]")
@click.option("--port", type=click.IntRange(0, 65535), help="Port; 0 takes a free one  [default: 8470]")
@click.option(
    "--goal",
    default=DEFAULT_GOAL,
    show_default=True,
    shell_complete=goals,
    help="Goal until somebody switches it.",
)
@click.option(
    "--max-mode",
    type=click.Choice(["shadow", "approve", "auto"]),
    default="auto",
    show_default=True,
    help="No policy goes further than that here.",
)
@click.option("--tls-cert", type=_FILE, help="Certificate in PEM: answer over TLS.")
@click.option("--tls-key", type=_FILE, help="Its key  [default: in the certificate's file]")
@click.option("--tls-client-ca", type=_FILE, help="Let in only who has a certificate of that authority (and a token).")
@pass_deployment
def command(
    deployment: Deployment,
    host: str | None,
    port: int | None,
    goal: str,
    max_mode: str,
    tls_cert: Path | None,
    tls_key: Path | None,
    tls_client_ca: Path | None,
) -> None:
    """Run the engine: take alerts by webhook, restore in business order, show it by API.

    Alertmanager posts to /api/v1/webhooks/alertmanager. SIGHUP reloads the bundle; SIGTERM lets running playbooks end.
    """
    from bsm_remediate.cli.moments import known_goal
    from bsm_remediate.engine.options import EngineOptions
    from bsm_remediate.web.server import serve

    level = [logging.WARNING, logging.INFO, logging.DEBUG][min(deployment.verbosity, 2)]
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("bsm_remediate.engine.sealer").setLevel(logging.INFO)  # the journal's head is to be noted always
    installation = deployment.installation()
    bundle = deployment.load_bundle(scrutinise=True)
    settings = installation.settings
    options = EngineOptions(max_mode=Mode[max_mode.upper()], goal=known_goal(bundle, goal))
    serve(
        installation,
        bundle,
        options,
        host=host or settings.host,
        port=port if port is not None else settings.port,
        tls=_tls(tls_cert or settings.tls_cert, tls_key or settings.tls_key, tls_client_ca or settings.tls_client_ca),
        announce=lambda url: _announce(url, max_mode),
    )


def _tls(certificate: Path | None, key: Path | None, client_ca: Path | None) -> Tls | None:
    from bsm_remediate.web.connections import Tls

    if certificate is not None:
        return Tls(certificate=certificate, key=key, client_ca=client_ca)
    if key is not None or client_ca is not None:
        raise WrongUsage("a key or an authority for TLS, and no certificate", hint="give --tls-cert")
    return None


def _announce(url: str, max_mode: str) -> None:
    text = f"The engine runs at {url}; alerts go to {url}/api/v1/webhooks/alertmanager. {cap_text(max_mode)}"
    click.echo(text.rstrip(), err=True)
