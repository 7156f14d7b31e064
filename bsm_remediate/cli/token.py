"""`token`: credentials for the API, in the database; only their SHA-256 is kept."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING

import click

from bsm_remediate.cli.context import Deployment, pass_deployment
from bsm_remediate.cli.output import emit, output_option
from bsm_remediate.cli.person import person
from bsm_remediate.cli.tables import plain, simple_table
from bsm_remediate.domain.access import IssuedToken, Role
from bsm_remediate.domain.duration import parse_duration
from bsm_remediate.domain.plan_document import time_text
from bsm_remediate.errors import WrongUsage

if TYPE_CHECKING:
    from rich.console import Console

    from bsm_remediate.adapters.sql.tokens import SqlTokens
    from bsm_remediate.app import Installation
    from bsm_remediate.domain.event import Json

_PREFIX = "bsm_"
"""So that those who scan for leaked secrets find it."""
_BYTES = 32
_REASON = click.option("--reason", default="", help="Why; it is kept in the journal.")


@click.group(
    epilog="""\b
Examples:
  bsm-remediate token create --role webhook --source alertmanager > alertmanager.token
  bsm-remediate token create --role approver --name ana --expires 90d
  bsm-remediate token list
  bsm-remediate token revoke 3fa9c2d1 --reason 'left the team'"""
)
def command() -> None:
    """Create, list and revoke the tokens that the API takes.

    They are in the database (`--database`), beside those of the settings file; a running server, every replica of it,
    knows of a change within a second. Roles: webhook posts alerts; viewer reads; operator also steers; approver also
    approves; admin may do all.
    """


@command.command(epilog="Example: bsm-remediate token create --role webhook --source alertmanager")
@click.option("--role", type=click.Choice([role.value for role in Role]), required=True, help="What it lets one do.")
@click.option("--source", "sources", multiple=True, help="Whose webhooks it may post; several times; without: all.")
@click.option("--expires", metavar="TIME", help="It holds for so long, like 90d; without: until it is revoked.")
@click.option("--name", help="By which the journal knows who uses it  [default: role and id]")
@_REASON
@output_option
@pass_deployment
def create(
    deployment: Deployment,
    role: str,
    sources: tuple[str, ...],
    expires: str | None,
    name: str | None,
    reason: str,
    output: str,
) -> None:
    """Make a token and print it, this once; what belongs to it goes to stderr."""
    from bsm_remediate.app import now
    from bsm_remediate.web.access import digest_of

    installation = deployment.installation()
    _require_sources(installation, Role(role), sources)
    token_id = secrets.token_hex(4)
    created_at = now()
    issued = IssuedToken(
        id=token_id,
        name=_name(installation, name) or f"{role}-{token_id}",
        role=Role(role),
        sources=frozenset(sources),
        created_at=created_at,
        created_by=person(),
        expires_at=_expiry(expires, created_at),
    )
    secret = _PREFIX + secrets.token_urlsafe(_BYTES)
    with _book(installation) as book:
        book.issue(issued, digest_of(secret.encode()), reason=reason)
    if output == "table":
        scope = f" for {', '.join(sorted(sources))}" if sources else ""
        until = f", until {time_text(issued.expires_at)}" if issued.expires_at is not None else ""
        click.echo(
            f"Token {issued.id} ({role}{scope}{until}), called '{issued.name}': it is shown this once.", err=True
        )
        click.echo(secret)
    else:
        emit({**_row(issued, created_at), "token": secret}, output, table=lambda _: None)


@command.command(name="list", epilog="Example: bsm-remediate token list -o json")
@output_option
@pass_deployment
def list_tokens(deployment: Deployment, output: str) -> None:
    """List the tokens: whose they are, what they may do, when they were last used."""
    from bsm_remediate.app import now

    installation = deployment.installation()
    with _book(installation) as book:
        rows = [_row(one, now()) for one in book.tokens().values()]
    rows += [
        {
            "id": None,
            "name": one.identity.name,
            "role": one.identity.role.value,
            "sources": sorted(one.identity.sources),
            "state": "in the settings",
        }
        for one in installation.settings.tokens
    ]
    emit({"items": rows, "next": None}, output, table=lambda console: _show(console, rows))


@command.command(epilog="Example: bsm-remediate token revoke 3fa9c2d1 --reason 'left the team'")
@click.argument("token_id", metavar="ID")
@_REASON
@pass_deployment
def revoke(deployment: Deployment, token_id: str, reason: str) -> None:
    """Take a token back: within a second no server of this database takes it."""
    from bsm_remediate.app import now

    with _book(deployment.installation()) as book:
        revoked = book.revoke(token_id, who=person(), reason=reason, at=now())
    click.echo(f"token {revoked.id} of '{revoked.name}' is revoked")


@contextmanager
def _book(installation: Installation) -> Iterator[SqlTokens]:
    book = installation.open_token_book()
    try:
        yield book
    finally:
        book.close()


def _require_sources(installation: Installation, role: Role, sources: tuple[str, ...]) -> None:
    if sources and role is not Role.WEBHOOK:
        raise WrongUsage("--source is for the role webhook: the others don't speak for senders")
    known = installation.senders.webhook_sources
    for source in sources:
        if source not in known:
            raise WrongUsage(f"there is no source '{source}'", hint=f"there are {', '.join(sorted(known))}")


def _name(installation: Installation, name: str | None) -> str:
    """As given. Raises `WrongUsage`: a name stands in the journal, so nobody else may have it."""
    if name is None:
        return ""
    if not name.strip() or len(name) > 100 or not name.isprintable():
        raise WrongUsage("--name must be up to 100 printable characters")
    if name in {"engine", "local", *(one.identity.name for one in installation.settings.tokens)}:
        raise WrongUsage(f"'{name}' is taken", hint="the journal names people by it: choose another")
    return name


def _expiry(expires: str | None, created_at: datetime) -> datetime | None:
    if expires is None:
        return None
    try:
        return created_at + parse_duration(expires)
    except ValueError as error:
        raise WrongUsage(f"--expires: {error}") from error


def _row(token: IssuedToken, now: datetime) -> dict[str, Json]:
    moments = {
        "created_at": token.created_at,
        "last_used_at": token.last_used_at,
        "expires_at": token.expires_at,
        "revoked_at": token.revoked_at,
    }
    return {
        "id": token.id,
        "name": token.name,
        "role": token.role.value,
        "sources": sorted(token.sources),
        "state": token.state(now),
        "created_by": token.created_by,
        **{name: time_text(moment) if moment is not None else None for name, moment in moments.items()},
    }


def _show(console: Console, rows: list[dict[str, Json]]) -> None:
    if not rows:
        console.print("There is no token: the server answers this machine only. See `token create --help`.")
        return
    table = simple_table("id", "name", "role", "sources", "state", "last used", "expires")
    for row in rows:
        sources = row["sources"]
        listed = ", ".join(map(str, sources)) if isinstance(sources, list) else ""
        cells = [
            row["id"],
            row["name"],
            row["role"],
            listed,
            row["state"],
            row.get("last_used_at"),
            row.get("expires_at"),
        ]
        table.add_row(*(plain(str(cell or "")) for cell in cells))
    console.print(table)
