"""The composition root: the only place where the parts meet. Nothing opens or connects before it is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from bsm_remediate.config.loader import Loaded, load_bundle
from bsm_remediate.config.settings import Options, Settings, read_settings
from bsm_remediate.domain.alert import Alert
from bsm_remediate.domain.finding import Finding
from bsm_remediate.domain.inventory import Inventory
from bsm_remediate.errors import WrongUsage

if TYPE_CHECKING:
    from bsm_remediate.ports import Lease, Store


@dataclass(frozen=True, kw_only=True)
class Installation:
    """One deployment: its settings, and everything that is made from them."""

    settings: Settings

    @classmethod
    def from_options(
        cls,
        *,
        policies: Path | None = None,
        inventory: tuple[Path, ...] = (),
        playbooks: Path | None = None,
        config: Path | None = None,
        database: str | None = None,
    ) -> Installation:
        """From the command line's options, the environment and the settings file. Raises `WrongUsage`."""
        options = Options(policies=policies, inventory=inventory, playbooks=playbooks, config=config, database=database)
        return cls(settings=read_settings(options))

    # --- reading ---------------------------------------------------------------------------------------------------

    def load_bundle(self, *, scrutinise: bool) -> Loaded:
        """The bundle with its findings; `scrutinise` also checks hosts and playbooks where there are any."""
        return load_bundle(
            self.settings.policies,
            inventory=self.read_inventory if self.has_inventory else None,
            playbooks=self.settings.playbooks if self.has_playbooks else None,
            scrutinise=scrutinise,
        )

    @property
    def has_inventory(self) -> bool:
        """Whether there is one to check against: named by somebody, or in the default place."""
        return self.settings.inventory_is_given or self.settings.inventory[0].exists()

    @property
    def has_playbooks(self) -> bool:
        return self.settings.playbooks_are_given or self.settings.playbooks.is_dir()

    def read_inventory(self) -> Inventory:
        """The inventory as Ansible sees it. Raises `InventoryUnreadable`."""
        from bsm_remediate.adapters.ansible.inventory import read_inventory

        return read_inventory(
            self.settings.inventory,
            cache=self.settings.state_dir / "cache",
            project=self.settings.ansible_project,
        )

    def scan_playbooks(self) -> Sequence[Finding]:
        """What is dangerous in the playbooks."""
        from bsm_remediate.adapters.ansible.scan import scan_playbooks

        if not self.has_playbooks or not self.settings.playbooks.is_dir():
            return ()
        return scan_playbooks(sorted(self.settings.playbooks.glob("*.yml")))

    def read_alert_file(self, path: str, *, at: datetime) -> Sequence[Alert]:
        """The alerts in the file `path` (`-` for standard input). Raises `MalformedAlerts` or `WrongUsage`."""
        import sys

        from bsm_remediate.adapters.webhooks.files import read_alerts

        try:
            raw = sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
        except OSError as error:
            raise WrongUsage(f"{path} cannot be read: {error.strerror}") from error
        return read_alerts(raw, received_at=at)

    # --- acting ----------------------------------------------------------------------------------------------------

    def open_store(self) -> Store:
        """The database, migrated. Raises `StoreUnavailable`."""
        from bsm_remediate.adapters.sql.store import open_store

        self.prepare_state_dir()
        return open_store(self.settings.database)

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


def now() -> datetime:
    """The time, for commands that ask for none."""
    return datetime.now(UTC)
