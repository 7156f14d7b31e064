"""One deployment, and everything that is made from its settings."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING

from bsm_remediate.app.figures import Figures
from bsm_remediate.app.senders import Senders
from bsm_remediate.config.loader import Loaded, load_bundle
from bsm_remediate.config.settings import Options, ProjectSection, Settings, listed, read_settings
from bsm_remediate.config.sources import (
    prometheus_meant,
)
from bsm_remediate.domain.bundle import Bundle
from bsm_remediate.domain.evaluation import Evaluator
from bsm_remediate.domain.finding import Finding, Severity
from bsm_remediate.domain.inventory import Inventory
from bsm_remediate.domain.policy import Check, CheckKind
from bsm_remediate.domain.service_map import Component
from bsm_remediate.domain.situation import Pause, Situation
from bsm_remediate.domain.verification import Observation
from bsm_remediate.errors import WrongUsage

if TYPE_CHECKING:
    from bsm_remediate.adapters.ansible.executor import AnsibleExecutor
    from bsm_remediate.adapters.ansible.ping import Pinged
    from bsm_remediate.adapters.ansible.project import AnsibleProjects
    from bsm_remediate.adapters.ansible.vault import Opened
    from bsm_remediate.adapters.ansible.warm import WarmServers
    from bsm_remediate.adapters.sql.tokens import SqlTokens
    from bsm_remediate.domain.seal import Keyring
    from bsm_remediate.engine.engine import Engine
    from bsm_remediate.engine.options import EngineOptions
    from bsm_remediate.ports import Clock, Lease, Notifier, Prober, Workflows
    from bsm_remediate.records import Store


@dataclass(frozen=True, kw_only=True)
class Installation:
    """One deployment: its settings, and everything that is made from them."""

    settings: Settings

    @classmethod
    def from_options(cls, options: Options) -> Installation:
        """From the command line's options, the environment and the settings file. Raises `WrongUsage`."""
        return cls(settings=read_settings(options))

    @property
    def senders(self) -> Senders:
        """Where its alerts come from."""
        return Senders(settings=self.settings)

    @property
    def figures(self) -> Figures:
        """Who can be asked for figures."""
        return Figures(settings=self.settings)

    # --- reading ---------------------------------------------------------------------------------------------------

    def load_bundle(self, *, scrutinise: bool) -> Loaded:
        """The bundle with its findings; `scrutinise` also checks hosts and playbooks where there are any."""
        return load_bundle(
            self.settings.policies,
            inventory=self.read_inventory if self.has_inventory else None,
            playbooks=self.settings.playbooks if self.has_playbooks else None,
            scrutinise=scrutinise,
            metric_sources=self.figures.kinds,
        )

    @property
    def has_inventory(self) -> bool:
        """Whether there is one to check against: named by somebody, or in the default place."""
        return self.settings.inventory_is_given or self.settings.inventory[0].exists()

    @property
    def has_playbooks(self) -> bool:
        return self.settings.playbooks_are_given or self.settings.playbooks.is_dir()

    def read_inventory(self) -> Inventory:
        """The inventories as Ansible sees them, those of teams too. Raises `InventoryUnreadable`."""
        from bsm_remediate.adapters.ansible.inventory import read_inventory

        cache = self.settings.state_dir / "cache"
        read: dict[tuple[Path, ...], Inventory] = {}
        for one in self.ansible_projects().all():
            if one.inventory not in read:
                read[one.inventory] = read_inventory(one.inventory, cache=cache, now=now(), project=one)
        return reduce(Inventory.joined, read.values())

    def scan_playbooks(self, bundle: Bundle | None = None) -> Sequence[Finding]:
        """What is dangerous in the playbooks: those at the top of their folder, and those that `bundle` names."""
        from bsm_remediate.adapters.ansible.scan import scan_playbooks

        folder = self.settings.playbooks
        if not self.has_playbooks or not folder.is_dir():
            return ()
        named = [] if bundle is None else [folder / name for name in sorted(bundle.playbooks())]
        paths = {*folder.glob("*.yml"), *folder.glob("*.yaml"), *(path for path in named if path.is_file())}
        inventory = self.read_inventory() if self.has_inventory else None
        return scan_playbooks(sorted(paths), inventory=inventory)

    # --- acting ----------------------------------------------------------------------------------------------------

    def ansible_projects(self) -> AnsibleProjects:
        """Where Ansible is and what it is given: for the deployment, and for teams with a project of their own."""
        from bsm_remediate.adapters.ansible.project import AnsibleProject, AnsibleProjects

        def project(section: ProjectSection, inventory: tuple[Path, ...]) -> AnsibleProject:
            return AnsibleProject(
                inventory=inventory,
                project=section.project,
                vault_ids=tuple(section.vault_ids),
                private_key=section.private_key,
                environment=tuple(section.environment),
            )

        ansible, inventory = self.settings.ansible, self.settings.inventory
        profiles = ansible.profiles.items()
        return AnsibleProjects(
            usual=project(ansible, inventory),
            of_teams={team: project(one, listed(one.inventory) or inventory) for team, one in profiles},
        )

    def open_vaults(self) -> Iterator[tuple[str, Opened]]:
        """What the vault ids of each project open; by team, the deployment's first with an empty name."""
        from bsm_remediate.adapters.ansible.vault import VaultedValues

        projects = self.ansible_projects()
        for team, project in (("", projects.usual), *projects.of_teams.items()):
            yield team, VaultedValues(project, self.settings.playbooks).opened()

    def ping(self, components: Sequence[Component], *, answered: Callable[[Pinged], None]) -> list[Pinged]:
        """Whether the hosts of `components` answer, each as runs would reach it; host by host to `answered`."""
        from bsm_remediate.adapters.ansible.confidential import Secrets
        from bsm_remediate.adapters.ansible.ping import ping

        projects = self.ansible_projects()
        secrets = Secrets(projects, self.settings.playbooks)
        state = self.prepare_state_dir()
        found = []
        for project in projects.all():
            hosts = sorted({one.host for one in components if projects.of(one) is project})
            if hosts:
                redact, limit = secrets.redactor(project), 60.0 + 2 * len(hosts)
                found += ping(hosts, project=project, state=state, redact=redact, answered=answered, time_limit_s=limit)
        return found

    def open_store(self) -> Store:
        """The database, migrated. Raises `StoreUnavailable`."""
        from bsm_remediate.adapters.sql.store import open_store

        self.prepare_state_dir()
        return open_store(self.settings.database)

    def open_token_book(self) -> SqlTokens:
        """The issued tokens. Raises `StoreUnavailable`."""
        from bsm_remediate.adapters.sql.tokens import open_tokens

        self.prepare_state_dir()
        return open_tokens(self.settings.database)

    @contextmanager
    def engine(self, bundle: Bundle, options: EngineOptions, *, alone: bool) -> Iterator[tuple[Engine, Store]]:
        """An engine with the real parts, and its store, while the context lasts: it holds the lease, with `alone` as
        the only one of its database, and has taken up what an earlier one left. Raises `StoreUnavailable`.
        """
        from bsm_remediate.adapters.durable.workflows import DbosWorkflows
        from bsm_remediate.adapters.sql.backends import backend_of
        from bsm_remediate.adapters.sql.lease import lease_of
        from bsm_remediate.adapters.sql.store import open_store

        self.prepare_state_dir()
        database = backend_of(self.settings.database).url
        store = open_store(self.settings.database)
        lease = lease_of(self.settings.database)
        with closing(store), lease.hold(alone=alone):
            store.decides_under(lease.require_leading)
            workflows = DbosWorkflows(database, replica=lease.replica, is_shared=lease.is_shared)
            engine = self._engine(bundle, store, options, lease=lease, workflows=workflows)
            lease.on_news = engine.wake
            engine.recover()
            try:
                yield engine, store
            finally:
                workflows.close()

    def _engine(
        self, bundle: Bundle, store: Store, options: EngineOptions, *, lease: Lease, workflows: Workflows
    ) -> Engine:
        from bsm_remediate.adapters.system_clock import SystemClock
        from bsm_remediate.domain.outlook import Outlook
        from bsm_remediate.domain.rebalancing_program import prepare
        from bsm_remediate.engine.delivery import Delivery
        from bsm_remediate.engine.engine import Engine
        from bsm_remediate.engine.metering import Metering
        from bsm_remediate.engine.metric_keeper import MetricKeeper
        from bsm_remediate.engine.pool_meter import PoolMeter
        from bsm_remediate.engine.sealer import Sealer
        from bsm_remediate.engine.statistics_keeper import StatisticsKeeper
        from bsm_remediate.engine.telling import Telling
        from bsm_remediate.engine.under_way import spawn_thread
        from bsm_remediate.engine.week import Week

        clock = SystemClock()
        executor = self.executor(self.warm_servers())
        executor.warm_up()
        if any(one.rebalance for policy in bundle.policies.values() for one in policy.do):
            threading.Thread(target=prepare, name="linear programme", daemon=True).start()
        figures = self.figures.open_all()
        delivery = Delivery(store, self.notifier(), clock, spawn=spawn_thread, arrived=lambda: engine.wake())  # noqa: PLW0108
        prometheus = self.figures.usual_prometheus
        engine = Engine(
            evaluator=Evaluator(bundle),
            store=store,
            executor=executor,
            prober=self._prober(clock),
            clock=clock,
            workflows=workflows,
            lease=lease,
            sources=self.senders.alert_sources(),
            metrics=Metering(
                figures,
                usual=prometheus,
                clock=clock,
                seed=os.getpid(),
                foresights=lambda _threshold: Outlook(),
                keeper=MetricKeeper(store, clock, keeps=self.settings.statistics.keeps),
            ),
            sealer=Sealer(
                store,
                self.journal_keys(make=True),
                clock,
                keep_months=self.settings.journal_keep_months,
                read_through=lambda: store.progress().position,
            ),
            statistics=StatisticsKeeper(store, clock, keep_months=self.settings.statistics.keep_months),
            reload=self._reloaded,
            brake=self.brake,
            meter=PoolMeter(
                figures.get(prometheus) if prometheus is not None else None,
                bundle=lambda: engine.bundle,
                clock=clock,
                spawn=spawn_thread,
                arrived=lambda: engine.wake(),  # noqa: PLW0108 - it is made a moment later
                seed=os.getpid(),
            ),
            telling=Telling(store, delivery, Week(store, spawn=spawn_thread, arrived=lambda: engine.wake()))  # noqa: PLW0108
            if options.tells
            else None,
            options=options,
        )
        return engine

    def notifier(self) -> Notifier:
        """Who reaches people; nothing of it is loaded before the first message."""
        from bsm_remediate.adapters.apprise_notifier import AppriseNotifier

        return AppriseNotifier()

    def executor(self, warm: WarmServers | None = None) -> AnsibleExecutor:
        """Who carries out playbooks with this deployment's Ansible."""
        from bsm_remediate.adapters.ansible.executor import AnsibleExecutor
        from bsm_remediate.adapters.system_clock import SystemClock

        return AnsibleExecutor(
            projects=self.ansible_projects(),
            playbooks=self.settings.playbooks,
            state=self.prepare_state_dir(),
            clock=SystemClock(),
            secrets=[token.secret.reveal() for token in self.settings.tokens],
            warm=warm,
        )

    def warm_servers(self) -> WarmServers | None:
        """What runs are left to, where the settings say so; nothing is started yet."""
        from bsm_remediate.adapters.ansible.warm import WarmServers

        return WarmServers(self.prepare_state_dir()) if self.settings.ansible.executor == "warm" else None

    def journal_keys(self, *, make: bool = False) -> Keyring:
        """The keys of the journal's seal; with `make` one is made where none was given and none is there yet.

        Raises `WrongUsage`.
        """
        from bsm_remediate.adapters.journal_key import make_key, read_keys

        file = self.settings.journal_key_file
        if make and not self.settings.journal_key_is_given:
            self.prepare_state_dir()
            make_key(file)
        return read_keys(file)

    def _prober(self, clock: Clock) -> Prober:
        from bsm_remediate.adapters.ansible.host_probe import AnsibleProber
        from bsm_remediate.adapters.metrics.promql_probe import PromqlProber
        from bsm_remediate.adapters.network_probe import NetworkProber

        network = NetworkProber(clock)
        on_host = AnsibleProber(
            projects=self.ansible_projects(),
            playbooks=self.settings.playbooks,
            state=self.settings.state_dir,
            clock=clock,
            secrets=[token.secret.reveal() for token in self.settings.tokens],
        )
        prometheus = self.figures.open_prometheus()
        return _ProberByKind(
            {
                CheckKind.TCP: network,
                CheckKind.HTTP: network,
                CheckKind.COMMAND: on_host,
                CheckKind.PLAYBOOK: on_host,
                CheckKind.PROMQL: PromqlProber(prometheus, usual=prometheus_meant(prometheus), clock=clock),
            }
        )

    def _reloaded(self) -> Evaluator | str:
        """The bundle as it is on disk now; or why it is refused."""
        loaded = self.load_bundle(scrutinise=True)
        if loaded.bundle is None:
            errors = [one for one in loaded.findings if one.severity is Severity.ERROR]
            return f"the bundle has {len(errors)} errors, the old one stays; the first: {errors[0]}"
        return Evaluator(loaded.bundle)

    def with_history(self, situation: Situation) -> Situation:
        """`situation` with what the database knows: runs, holds, pauses."""
        from bsm_remediate.engine.history import with_history

        store = self.open_store()
        try:
            return with_history(situation, store)
        finally:
            store.close()

    def brake(self) -> Pause | None:
        """What the file `PAUSED` in the state directory orders."""
        from bsm_remediate.adapters.pause_file import PauseFile

        return PauseFile(self.settings.state_dir)()

    def lease(self) -> Lease:
        """Who the engine of this database is."""
        from bsm_remediate.adapters.sql.lease import lease_of

        return lease_of(self.settings.database)

    def prepare_state_dir(self) -> Path:
        """The state directory, made if it isn't there; only its owner can read it."""
        try:
            self.settings.state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise WrongUsage(
                f"{self.settings.state_dir} cannot be made: {error.strerror}", hint="set BSM_STATE_DIR"
            ) from error
        return self.settings.state_dir


class _ProberByKind:
    """Sends each check to whoever can look at it. Implements `ports.Prober`."""

    def __init__(self, probers: Mapping[CheckKind, Prober]) -> None:
        self._probers = probers

    def look(self, check: Check, component: Component, *, cancelled: Callable[[], bool]) -> Observation:
        return self._probers[check.kind].look(check, component, cancelled=cancelled)


def now() -> datetime:
    """The time, for commands that ask for none."""
    return datetime.now(UTC)
