"""What the shell offers for the arguments of commands: the ids of the bundle, and what is live.

A shell asks at each press of the key, so nothing waits long, is created or fails: what can't be had is not offered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

if TYPE_CHECKING:
    from bsm_remediate.app import Installation
    from bsm_remediate.cli.context import Deployment
    from bsm_remediate.cli.live import Row, Server
    from bsm_remediate.domain.bundle import Bundle

Offer = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]

_SERVER_ANSWERS_WITHIN_S = 1.0
_SQLITE = "sqlite:///"


def _offer(found: Callable[[click.Context], Iterable[tuple[str, str]]]) -> Offer:
    """Offers those of `found`, which are values with a word about each, that begin as what is typed."""

    def offer(ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
        try:
            return [CompletionItem(value, help=about) for value, about in found(ctx) if value.startswith(incomplete)]
        except Exception:  # noqa: BLE001 - the outermost place: a broken bundle must not print into a command line
            return []

    return offer


def several(offer: Offer) -> Offer:
    """The same for values with commas between them: the last one is being typed."""

    def of_the_last(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
        before, comma, last = incomplete.rpartition(",")
        taken = set(before.split(","))
        items = [one for one in offer(ctx, parameter, last) if one.value not in taken]
        return [CompletionItem(f"{before}{comma}{one.value}", help=one.help) for one in items]

    return of_the_last


def runs_that(states: Iterable[str] = ()) -> Offer:
    """Runs, newest first, in one of `states` (all without any)."""
    wanted = frozenset(states)

    def found(ctx: click.Context) -> Iterable[tuple[str, str]]:
        for row in _runs(ctx):
            if not wanted or row["state"] in wanted:
                yield row["id"], f"{row['playbook']} on {row['component']}, {row['state']}"

    return _offer(found)


def _components(ctx: click.Context) -> Iterable[tuple[str, str]]:
    for one in _bundle(ctx).service_map.components.values():
        yield one.id, f"on {one.host}"


def _hosts(ctx: click.Context) -> Iterable[tuple[str, str]]:
    for host in sorted({one.host for one in _bundle(ctx).service_map.components.values()}):
        yield host, "host"


def _policies(ctx: click.Context) -> Iterable[tuple[str, str]]:
    for one in _bundle(ctx).policies.values():
        yield one.id, one.description or "policy"


def _metric_policies(ctx: click.Context) -> Iterable[tuple[str, str]]:
    for one in _bundle(ctx).policies.values():
        if one.metric is not None:
            yield one.id, one.description or str(one.metric.threshold)


def _sets(ctx: click.Context) -> Iterable[tuple[str, str]]:
    for name, members in _bundle(ctx).sets.items():
        yield name, f"{len(members)} components"


def _scopes(ctx: click.Context) -> Iterable[tuple[str, str]]:
    for kind, found in (("component", _components), ("host", _hosts), ("policy", _policies)):
        for name, about in found(ctx):
            yield f"{kind}:{name}", about
    for team in _bundle(ctx).teams:
        yield f"team:{team}", "team"


def _teams(ctx: click.Context) -> Iterable[tuple[str, str]]:
    for one in _bundle(ctx).teams.values():
        yield one.name, f"{len(one.members)} members"


def _services(ctx: click.Context) -> Iterable[tuple[str, str]]:
    for one in _bundle(ctx).service_map.services.values():
        yield one.id, one.title or "service"


def _pools(ctx: click.Context) -> Iterable[tuple[str, str]]:
    for one in _bundle(ctx).pools.values():
        yield one.id, f"{len(one.members)} members"


def _unique(*sources: Callable[[click.Context], Iterable[tuple[str, str]]]) -> Offer:
    def found(ctx: click.Context) -> Iterable[tuple[str, str]]:
        # The first to say something about a value is the one that means it: a component is often called as its host.
        return dict(pair for source in reversed(sources) for pair in source(ctx)).items()

    return _offer(found)


def _explained(ctx: click.Context) -> Iterable[tuple[str, str]]:
    yield from _services(ctx)
    yield from _components(ctx)


def _bundle(ctx: click.Context) -> Bundle:
    from bsm_remediate.errors import InvalidBundle

    loaded = _deployment(ctx).installation().load_bundle(scrutinise=False)
    if loaded.bundle is None:
        raise InvalidBundle
    return loaded.bundle


def changes_that(states: Iterable[str] = ()) -> Offer:
    """Planned changes, newest first, in one of `states` (all without any)."""
    wanted = frozenset(states)

    def found(ctx: click.Context) -> Iterable[tuple[str, str]]:
        for row in _planned(ctx):
            if not wanted or row["state"] in wanted:
                yield row["id"], f"{row['name']}, {row['state']}"

    return _offer(found)


def _deployment(ctx: click.Context) -> Deployment:
    """By the global options as typed so far; the group itself isn't run for a completion."""
    from bsm_remediate.cli.context import Deployment

    given = ctx.find_root().params
    names = ("policies", "inventory", "playbooks", "config", "database")
    return Deployment(**{name: given[name] for name in names if given.get(name)})


def _runs(ctx: click.Context) -> Iterable[Row]:
    server, installation = _server(ctx)
    if server is not None:
        return server.rows("runs")
    from bsm_remediate.cli.live import LocalDatabase

    return LocalDatabase(_deployment(ctx), installation).rows("runs") if has_database(installation) else []


def _planned(ctx: click.Context) -> Iterable[Row]:
    server, installation = _server(ctx)
    if server is not None:
        return server.changes()
    from bsm_remediate.cli.live import LocalDatabase

    return LocalDatabase(_deployment(ctx), installation).changes() if has_database(installation) else []


def _alerts(ctx: click.Context) -> Iterable[tuple[str, str]]:
    server, installation = _server(ctx)
    if server is not None:
        return [(row["fingerprint"], row["labels"].get("alertname", "")) for row in server.rows("alerts")]
    active = installation.open_store().active() if has_database(installation) else []
    return [(alert.fingerprint, alert.name) for alert in active]


def _server(ctx: click.Context) -> tuple[Server | None, Installation]:
    from bsm_remediate.cli.live import Server

    installation = _deployment(ctx).installation()
    address = ctx.params.get("url") or installation.settings.url
    if address is None:
        return None, installation
    token = installation.settings.client_token
    return Server(str(address).rstrip("/"), token, within_s=_SERVER_ANSWERS_WITHIN_S), installation


def has_database(installation: Installation) -> bool:
    """Whether there is a local one; looking must not make it."""
    from pathlib import Path

    database = installation.settings.database
    return database.startswith(_SQLITE) and Path(database.removeprefix(_SQLITE)).exists()


teams = _offer(_teams)
pools = _offer(_pools)
components = _offer(_components)
components_and_hosts = _unique(_components, _hosts)
released = _unique(_components, _hosts, _policies)
maintained = _unique(_components, _hosts, _sets, _services)
scopes = _offer(_scopes)
services_and_components = _offer(_explained)
fingerprints = _offer(_alerts)
policies = _offer(_policies)
metric_policies = _offer(_metric_policies)
planned_changes = _offer(lambda ctx: ((name, one.title) for name, one in _bundle(ctx).changes.items()))
goals = _offer(lambda ctx: ((name, "goal") for name in _bundle(ctx).goals))


def _incidents(ctx: click.Context) -> Iterable[tuple[str, str]]:
    yield "latest", "the latest incident"
    server, installation = _server(ctx)
    if server is None and not has_database(installation):
        return
    from bsm_remediate.cli.live import LocalDatabase

    live = server if server is not None else LocalDatabase(_deployment(ctx), installation)
    for row in live.incidents(None, None)["items"]:
        yield row["id"], ", ".join(row["services"]) or "no service"


def incidents_and_runs(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Incidents of the last week, and runs."""
    return [*_offer(_incidents)(ctx, parameter, incomplete), *runs_that()(ctx, parameter, incomplete)]


def anything_explained(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Services, components and runs."""
    return [*services_and_components(ctx, parameter, incomplete), *runs_that()(ctx, parameter, incomplete)]
