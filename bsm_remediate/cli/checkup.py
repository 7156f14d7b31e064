"""The examinations of `doctor`, each a function that says what it found."""

from __future__ import annotations

import platform
import shutil
import stat
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version

from bsm_remediate.app import Installation
from bsm_remediate.cli.examined import Examined, Health
from bsm_remediate.cli.figures import examine_figures
from bsm_remediate.config.origin import secret_files
from bsm_remediate.config.settings import Options
from bsm_remediate.domain.bundle import Bundle
from bsm_remediate.domain.finding import Severity
from bsm_remediate.domain.route import shown
from bsm_remediate.errors import RemediationError, SourceUnreachable

_LITTLE_SPACE = 1024**3
_MOST_SKEW_S = 5.0
_SHOWN = 5


def examine(
    installation: Installation, options: Options, *, with_hosts: bool, tell: Callable[[str], None]
) -> list[Examined]:
    """Everything, in the order in which one thing rests on another; `tell` hears what is being done."""
    found = [_versions()]
    bundle, about_bundle = _bundle(installation)
    found += about_bundle
    found += [
        *_secrets(installation, options),
        *_vaults(installation),
        *_sources(installation),
        *examine_figures(installation, bundle),
        *_database(installation),
    ]
    found += _journal(installation)
    if bundle is not None:
        found += _routes(installation, bundle)
    if bundle is not None and with_hosts:
        found += _hosts(installation, bundle, tell)
    return found


def _versions() -> Examined:
    names = ("bsm-remediate", "ansible-core", "ansible-runner")
    said = ", ".join(f"{name} {version(name)}" for name in names)
    return Examined(name="versions", detail=f"Python {platform.python_version()}, {said}; {_machine_code()}")


def _machine_code() -> str:
    try:
        return f"numba {version('numba')} (extra fast)"
    except PackageNotFoundError:
        return "without numba (extra fast): plans are the same, wide outages in large maps take up to a second longer"


def _bundle(installation: Installation) -> tuple[Bundle | None, list[Examined]]:
    loaded = installation.load_bundle(scrutinise=True)
    findings = [*loaded.findings, *installation.scan_playbooks(loaded.bundle)]
    errors = [one for one in findings if one.severity is Severity.ERROR]
    where = str(installation.settings.policies)
    if errors:
        detail = f"{where}: {len(errors)} errors, the first: {errors[0]}"
        return loaded.bundle, [Examined(name="bundle", health=Health.FAILED, detail=detail, hint="see `check`")]
    if loaded.bundle is None:
        return None, []
    parts, services = loaded.bundle.service_map.components, loaded.bundle.service_map.services
    detail = f"{where}: {len(services)} services, {len(parts)} components, {len(loaded.bundle.policies)} policies"
    if findings:
        said = f"{detail}; {len(findings)} warnings, the first: {findings[0]}"
        return loaded.bundle, [Examined(name="bundle", health=Health.WARNING, detail=said, hint="see `check`")]
    return loaded.bundle, [Examined(name="bundle", detail=detail)]


def _secrets(installation: Installation, options: Options) -> Iterator[Examined]:
    made = installation.settings.journal_key_file
    for path in dict.fromkeys([*secret_files(options), *([made] if made.exists() else [])]):
        try:
            mode = path.stat().st_mode
        except OSError as error:
            yield Examined(name="secrets", health=Health.FAILED, detail=f"{path}: {error.strerror}")
            continue
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            detail = f"{path} can be read by others ({stat.filemode(mode)})"
            yield Examined(name="secrets", health=Health.WARNING, detail=detail, hint=f"chmod 600 {path}")


def _vaults(installation: Installation) -> Iterator[Examined]:
    for name, opened in installation.open_vaults():
        label = "vault" if not name else f"vault of {name}"
        if opened.trouble or opened.unread:
            detail = opened.trouble or f"{opened.unread} vaulted values are opened by none of the vault ids"
            hint = "see `vault_ids` under [ansible], and `vault_identity_list` in the project's ansible.cfg"
            yield Examined(name=label, health=Health.FAILED, detail=detail, hint=hint)
        else:
            detail = (
                f"{opened.files} files with vaulted values, all of them open" if opened.files else "nothing is vaulted"
            )
            yield Examined(name=label, detail=detail)


def _sources(installation: Installation) -> Iterator[Examined]:
    for source in installation.senders.alert_sources():
        try:
            listing = source.listing()
        except SourceUnreachable as error:
            hint = f"see [sources.{source.name}]; without its list lost webhooks and silences stay unknown"
            detail = str(error.args[0])
            yield Examined(name=f"source {source.name}", health=Health.FAILED, detail=detail, hint=hint)
            continue
        detail = f"{len(listing.alerts)} alerts fire there, {len(listing.suppressed)} of them silenced or inhibited"
        yield Examined(name=f"source {source.name}", detail=detail)


def _database(installation: Installation) -> Iterator[Examined]:
    try:
        store = installation.open_store()
        store.standing()
        store.close()
        running = "an engine runs on it" if installation.lease().is_held() else "no engine runs on it"
        yield Examined(name="database", detail=f"can be opened and has the schema of this version; {running}")
    except RemediationError as error:
        yield Examined(name="database", health=Health.FAILED, detail=str(error))
        return
    free = shutil.disk_usage(installation.settings.state_dir).free
    detail = f"{free / 1024**3:.1f} GiB are free for {installation.settings.state_dir}"
    health = Health.OK if free >= _LITTLE_SPACE else Health.WARNING
    yield Examined(name="disk", health=health, detail=detail, hint="artifacts of runs and the database grow there")


def _journal(installation: Installation) -> Iterator[Examined]:
    settings = installation.settings
    file = settings.journal_key_file
    if not settings.journal_key_is_given and not file.exists():
        yield Examined(name="journal", detail=f"its key is made at the first start, in {file}")
        return
    try:
        keys = installation.journal_keys()
        store = installation.open_store()
        seals = store.seals()
        store.close()
    except RemediationError as error:
        yield Examined(name="journal", health=Health.FAILED, detail=str(error))
        return
    if seals.head.position and keys.of_link(seals.head.link) is None:
        used = seals.head.link.partition(":")[0]
        detail = f"its latest entry was sealed with the key {used}, which isn't in {file}"
        hint = "all engines of a database need the same key (BSM_JOURNAL_KEY_FILE); keep old ones in it, one a line"
        yield Examined(name="journal", health=Health.FAILED, detail=detail, hint=hint)
        return
    detail = f"{seals.head.position} entries are sealed, with the key {keys.current.id}"
    if settings.database.startswith("sqlite:"):
        detail += "; key and database are on one machine, so note its head on another one (see `audit head`)"
    yield Examined(name="journal", detail=detail)


def _routes(installation: Installation, bundle: Bundle) -> Iterator[Examined]:
    """Whether each address can be used as things are; nothing is sent."""
    notifier = installation.notifier()
    lacking = [(shown(route.address), notifier.objection(route.address)) for route in bundle.routes]
    for address, objection in lacking:
        if objection:
            hint = "see `teams: notify` and `people`; `notify test TEAM` sends a message to try"
            yield Examined(name="notify", health=Health.FAILED, detail=f"{address}: {objection}", hint=hint)
    if bundle.routes and not any(objection for _, objection in lacking):
        detail = f"{len(lacking)} addresses can be read; `notify test TEAM` sends a message to try"
        yield Examined(name="notify", detail=detail)


def _hosts(installation: Installation, bundle: Bundle, tell: Callable[[str], None]) -> Iterator[Examined]:
    components = bundle.service_map.components.values()
    tell(f"Pinging {len({one.host for one in components})} hosts through Ansible …")
    pinged = installation.ping(list(components), answered=lambda one: tell(f"  {one.host}: {one.trouble or 'answers'}"))
    lost = [one for one in pinged if one.trouble]
    for one in lost:
        hint = f"try `ansible -i … {one.host} -m ping` in the project; host keys must be known"
        yield Examined(name=f"host {one.host}", health=Health.FAILED, detail=one.trouble, hint=hint)
    yield Examined(name="hosts", detail=f"{len(pinged) - len(lost)} of {len(pinged)} answer")
    skewed = [one for one in pinged if one.skew_s is not None and abs(one.skew_s) > _MOST_SKEW_S]
    if skewed:
        said = ", ".join(f"{one.host} by {one.skew_s:+.0f} s" for one in skewed[:_SHOWN])
        hint = "causes are ranked by who failed first: keep clocks in step (NTP), or raise `settings: skew`"
        yield Examined(name="clocks", health=Health.WARNING, detail=f"{len(skewed)} hosts are off: {said}", hint=hint)
    elif pinged:
        yield Examined(name="clocks", detail=f"within {_MOST_SKEW_S:.0f} s of ours on every host that told")
