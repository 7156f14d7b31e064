"""Loading a bundle: files → draft → domain values, with all findings at once (DESIGN 4)."""

from __future__ import annotations

import gc
import os
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path

from bsm_remediate.config.calendars import CalendarReader
from bsm_remediate.config.changes import ChangeReader
from bsm_remediate.config.draft import Draft, Entry, Model
from bsm_remediate.config.fields import read_id
from bsm_remediate.config.model import TIERS, MapReader
from bsm_remediate.config.notifying import RouteReader
from bsm_remediate.config.organisation import know_duties, read_goals, read_teams
from bsm_remediate.config.policies import PolicyReader
from bsm_remediate.config.pools import PoolReader
from bsm_remediate.config.reader import Document, Place, bundle_files, read
from bsm_remediate.config.schema import LATER, NAMED_SECTIONS, BundleSchema, DefaultsSection, SettingsSection
from bsm_remediate.config.standards import settings_of
from bsm_remediate.domain.bundle import Bundle
from bsm_remediate.domain.finding import Finding, Severity
from bsm_remediate.domain.ids import Digest
from bsm_remediate.domain.inventory import Inventory
from bsm_remediate.domain.planned_change import PlannedChange
from bsm_remediate.domain.policy import Policy

POINTS = "points"


@dataclass(frozen=True, kw_only=True, slots=True)
class Loaded:
    """The bundle, unless it has errors, and everything that was found."""

    bundle: Bundle | None
    findings: tuple[Finding, ...]


def load_bundle(
    policies: Path,
    *,
    inventory: Callable[[], Inventory] | None,
    playbooks: Path | None,
    scrutinise: bool,
    metric_sources: Mapping[str, str] | None = None,
) -> Loaded:
    """Read the bundle in `policies` (a folder or one file). Never raises for what is in the files.

    `inventory` is asked only when component sets or `scrutinise` need it. With `scrutinise` hosts must be in the
    inventory, playbooks in `playbooks`, and what is asked for figures in `metric_sources` (name → kind), where these
    are given; without, the model alone is read.
    """
    with _collector_paused():
        sources = metric_sources if scrutinise else None
        return _load(policies, inventory=inventory, playbooks=playbooks, scrutinise=scrutinise, sources=sources)


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Without the garbage collector: it would look at the growing bundle over and over and find nothing.

    On 10,000 components loading takes 0.8 s instead of 3 s.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _load(
    policies: Path,
    *,
    inventory: Callable[[], Inventory] | None,
    playbooks: Path | None,
    scrutinise: bool,
    sources: Mapping[str, str] | None,
) -> Loaded:
    draft = Draft()
    if not policies.exists():
        draft.add(Place(file=str(policies)).error("no-bundle", "there is no such file or folder", "see `init`"))
        return Loaded(bundle=None, findings=tuple(draft.findings))
    digest = sha256()
    for file in _files(policies, draft):
        document = read(file, _shown(file))
        digest.update(os.fsencode(file.name) + f"\0{_contents(file)}\0".encode())
        for finding in document.findings:
            draft.add(finding)
        _take(document, draft)
    if not draft.named and not draft.single and not draft.findings:
        draft.add(Place(file=str(policies)).error("empty-bundle", "there is nothing in it", "see `init`"))
    return _built(
        draft,
        folder=policies if policies.is_dir() else policies.parent,
        digest=Digest(f"sha256:{digest.hexdigest()}"),
        git_commit=_git_commit(policies) if scrutinise else None,
        inventory=inventory,
        playbooks=playbooks,
        scrutinise=scrutinise,
        sources=sources,
    )


def _files(policies: Path, draft: Draft) -> list[Path]:
    try:
        return list(bundle_files(policies))
    except OSError as error:
        draft.add(Place(file=_shown(policies)).error("unreadable", f"cannot be read: {error.strerror}"))
        return []


def _shown(file: Path) -> str:
    """Its name, printable even where it is no UTF-8."""
    return os.fsencode(file).decode("utf-8", "backslashreplace")


def _with_playbooks(digest: Digest, acting: Iterable[Policy | PlannedChange], playbooks: Path | None) -> Digest:
    """`digest` over the playbooks that the bundle names too: a plan doesn't outlive a change of what it would run."""
    if playbooks is None:
        return digest
    names = {name for one in acting for name in one.playbooks()}
    whole = sha256(digest.encode())
    for name in sorted(names):
        whole.update(f"\0{name}\0{_contents(playbooks / name)}".encode())
    return Digest(f"sha256:{whole.hexdigest()}")


def _with_files(digest: Digest, files: Iterable[Path]) -> Digest:
    """`digest` over further files that the bundle names."""
    named = sorted({(file.name, _contents(file)) for file in files})
    return Digest(f"sha256:{sha256(f'{digest} {named}'.encode()).hexdigest()}") if named else digest


def _contents(file: Path) -> str:
    try:
        return sha256(file.read_bytes()).hexdigest()
    except OSError:
        return "unreadable"


def _take(document: Document, draft: Draft) -> None:
    """File the sections of one document; a name may be defined once in all files."""
    if document.value is None:
        return
    if not isinstance(document.value, dict):
        draft.add(document.place(()).error("bad-value", "a bundle file is a mapping of sections"))
        return
    for section, value in document.value.items():
        place = document.place((section,), of_key=True)
        if section in LATER:
            draft.add(place.error("not-supported-yet", f"'{section}' comes with a later version: {LATER[section]}"))
        elif section not in BundleSchema.model_fields:
            hint = draft.nearest(section, BundleSchema.model_fields)
            draft.add(place.error("unknown-key", f"'{section}' is no section of a bundle", hint))
        elif section in NAMED_SECTIONS:
            _take_named(document, draft, section, value)
        elif section in draft.single:
            first = draft.single[section].document.file
            draft.add(place.error("duplicate-key", f"'{section}' is written twice", f"it is first in {first}"))
        else:
            draft.single[section] = Entry(document=document, path=(section,), value=value)


def _take_named(document: Document, draft: Draft, section: str, value: object) -> None:
    if value is None:
        return
    if not isinstance(value, dict):
        draft.add(document.place((section,)).error("bad-value", f"'{section}' is a mapping of ids"))
        return
    known = draft.named.setdefault(section, {})
    for name, entry in value.items():
        place = document.place((section, name), of_key=True)
        if name in known:
            first = known[name].place(of_key=True)
            hint = f"it is first at {first.file}:{first.line}:{first.column}"
            draft.add(place.error("duplicate-key", f"'{name}' is defined twice", hint))
        else:
            draft.attempt(place, "bad-id", partial(read_id, name))
            known[name] = Entry(document=document, path=(section, name), value=entry)


def _built(
    draft: Draft,
    *,
    folder: Path,
    digest: Digest,
    git_commit: str | None,
    inventory: Callable[[], Inventory] | None,
    playbooks: Path | None,
    scrutinise: bool,
    sources: Mapping[str, str] | None,
) -> Loaded:
    settings = _section(draft, "settings", SettingsSection)
    defaults = _section(draft, "defaults", DefaultsSection)
    calendar_reader = CalendarReader(draft, folder)
    calendars = calendar_reader.read()
    tiers = {**TIERS, **settings.tiers}
    map_reader = MapReader(
        draft=draft, inventory=inventory, check_hosts=scrutinise and inventory is not None, tiers=tiers
    )
    service_map = map_reader.read()
    pool_reader = PoolReader(draft=draft, service_map=service_map, sets=map_reader.members)
    pools = pool_reader.read()
    groups = {name: tuple(members) for name, members in {**map_reader.members, **pool_reader.groups}.items()}
    _know_freezes(draft, settings)
    reader = PolicyReader(
        draft=draft,
        defaults=defaults,
        service_map=service_map,
        groups=groups,
        pools=pools,
        playbooks=playbooks if scrutinise else None,
        person=settings.person,
        inventory=map_reader.inventory_read,
        metric_sources=sources,
    )
    bundle_policies = reader.read()
    currency = _currency(draft, settings)
    goals = read_goals(draft, service_map)
    teams = read_teams(draft)
    routes = RouteReader(draft, calendars).read(teams, settings)
    know_duties(draft, bundle_policies.values(), teams)
    changes = ChangeReader(
        draft=draft,
        checks=reader.checks,
        service_map=service_map,
        groups=groups,
        teams=teams,
        inventory=map_reader.inventory_read,
        playbooks=playbooks,
    ).read()
    found = tuple(sorted(draft.findings))
    if any(one.severity is Severity.ERROR for one in found):
        return Loaded(bundle=None, findings=found)
    acting: tuple[Policy | PlannedChange, ...] = (*bundle_policies.values(), *changes.values())
    bundle = Bundle(
        digest=_with_playbooks(_with_files(digest, calendar_reader.files), acting, playbooks),
        git_commit=git_commit,
        currency=currency,
        service_map=service_map,
        policies=bundle_policies,
        goals=goals,
        calendars=calendars,
        teams=teams,
        settings=settings_of(settings),
        sets=groups,
        pools={name: one.pool for name, one in pools.items() if one.pool is not None},
        routes=routes,
        changes=changes,
    )
    return Loaded(bundle=bundle, findings=found)


def _section(draft: Draft, name: str, model: type[Model]) -> Model:
    entry = draft.single.get(name)
    found = draft.validated(model, entry) if entry is not None and entry.value is not None else None
    return found if found is not None else model()


def _know_freezes(draft: Draft, settings: SettingsSection) -> None:
    for number, calendar in enumerate(settings.freeze):
        draft.known(draft.single["settings"].place("freeze", number), calendar, draft.names("calendars"), "calendar")


def _currency(draft: Draft, settings: SettingsSection) -> str:
    entry = draft.single.get("currency")
    services = [(one.place(), one.value) for _, one in draft.entries("services")]
    with_money = [place for place, value in services if isinstance(value, dict) and "loss_per_minute" in value]
    with_tier = [place for place, value in services if isinstance(value, dict) and "tier" in value]
    if entry is not None and not (isinstance(entry.value, str) and entry.value):
        draft.add(entry.place().error("bad-value", "currency is a text like EUR"))
    if with_money and with_tier and not settings.tiers:
        message = "tiers and money are mixed: say what a tier is worth in the currency"
        draft.add(with_tier[0].error("mixed-loss", message, "settings: {tiers: {critical: …, high: …}}"))
    if entry is not None and isinstance(entry.value, str):
        return entry.value
    if with_money:
        draft.add(with_money[0].warning("no-currency", "losses are money, but no currency is given", "currency: EUR"))
        return "money"
    return POINTS


def _git_commit(policies: Path) -> str | None:
    """The commit that the bundle is checked out at, if it is in a repository."""
    folder = policies if policies.is_dir() else policies.parent
    try:
        found = subprocess.run(
            ["git", "-C", str(folder), "rev-parse", "HEAD"], capture_output=True, text=True, timeout=2, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return found.stdout.strip() or None if found.returncode == 0 else None
