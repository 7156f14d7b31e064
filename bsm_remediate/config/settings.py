"""Deployment settings: `bsm-remediate.toml`, then the environment (`BSM_*`, `BSM_*_FILE` for secrets), then options."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator, model_validator

from bsm_remediate.config.sources import SourceSection, key_of, with_kinds
from bsm_remediate.domain.access import Identity, Role
from bsm_remediate.domain.duration import format_duration, parse_duration
from bsm_remediate.domain.metric_history import KEEPS, NAMES, Resolution
from bsm_remediate.errors import WrongUsage

DEFAULT_CONFIG = Path("bsm-remediate.toml")
DEFAULT_POLICIES = Path("policies")
DEFAULT_INVENTORY = Path("inventories/hosts.yml")
DEFAULT_PLAYBOOKS = Path("playbooks")
JOURNAL_KEY = "journal.key"
Network = IPv4Network | IPv6Network


class Secret:
    """A text that shows itself as `<secret>` wherever it is printed."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return "<secret>"


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ServerSection(_Section):
    host: str = "127.0.0.1"
    port: int = Field(default=8470, ge=0, le=65535)
    trusted_proxies: list[Network] = Field(default_factory=list)
    """Addresses whose `X-Forwarded-For` says where a request comes from."""
    tls_cert: Path | None = None
    tls_key: Path | None = None
    tls_client_ca: Path | None = None


class TokenSection(_Section):
    """One credential; the token itself stands in a file or an environment variable, never here."""

    role: Role
    name: str = "token"
    file: Path | None = None
    env: str | None = None
    sources: frozenset[str] = frozenset()
    """Whose webhooks it may post; empty: all."""

    @model_validator(mode="after")
    def _make_sense(self) -> TokenSection:
        if self.sources and self.role is not Role.WEBHOOK:
            raise ValueError("`sources` are for the role webhook: the others don't speak for senders")
        return self


class ProjectSection(_Section):
    """How Ansible is called."""

    project: Path | None = None
    """Folder with `ansible.cfg`, roles, collections; commands run in it."""
    environment: list[str] = Field(default_factory=list)
    """Names of environment variables that runs may see."""
    vault_ids: list[str] = Field(default_factory=list)
    private_key: Path | None = None


class ProfileSection(ProjectSection):
    """The project of one team, for the components that it owns."""

    inventory: Path | list[Path] | None = None
    """Instead of the deployment's."""


class AnsibleSection(ProjectSection):
    executor: Literal["cold", "warm"] = "cold"
    """Whether each run starts Ansible anew, or is forked from a server that has it imported."""
    profiles: dict[str, ProfileSection] = Field(default_factory=dict)
    """By team."""


class JournalSection(_Section):
    """How the journal is sealed and how long it is kept."""

    key_file: Path | None = None
    """One key a line, the first one seals; without it a key is made in the state directory."""
    keep_months: int | None = Field(default=None, ge=1)
    """Whole calendar months (UTC) beside the present one; without it everything is kept."""


class StatisticsSection(_Section):
    """How long the statistics are kept."""

    keep_months: int = Field(default=25, ge=1)
    """Whole calendar months (UTC) beside the present one."""
    metrics: dict[str, str] = Field(default_factory=dict)
    """How long buckets of a minute, an hour and a day are kept: `{"1m": "2d", "1h": "90d", "1d": "730d"}`."""

    @field_validator("metrics")
    @classmethod
    def _readable(cls, metrics: dict[str, str]) -> dict[str, str]:
        for name, text in metrics.items():
            if name not in NAMES:
                raise ValueError(f"'{name}' is none of {', '.join(NAMES)}")
            if parse_duration(text) < _LEAST[NAMES[name]]:
                least = format_duration(_LEAST[NAMES[name]])
                raise ValueError(f"{name} is kept for {least} at least: the next coarser ones are made of it")
        return metrics

    @property
    def keeps(self) -> Mapping[Resolution, timedelta]:
        """How long buckets of each resolution are kept."""
        return {**KEEPS, **{NAMES[name]: parse_duration(text) for name, text in self.metrics.items()}}


_LEAST = {
    Resolution.MINUTE: timedelta(hours=2),
    Resolution.HOUR: timedelta(days=2),
    Resolution.DAY: timedelta(days=1),
}


class FileSettings(_Section):
    policies: Path | None = None
    inventory: Path | list[Path] | None = None
    playbooks: Path | None = None
    database: str | None = None
    state_dir: Path | None = None
    url: str | None = None
    server: ServerSection = ServerSection()
    tokens: list[TokenSection] = Field(default_factory=list)
    ansible: AnsibleSection = AnsibleSection()
    journal: JournalSection = JournalSection()
    statistics: StatisticsSection = StatisticsSection()
    sources: Annotated[dict[str, SourceSection], BeforeValidator(with_kinds)] = Field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Token:
    """A credential of this server."""

    secret: Secret
    identity: Identity


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """Everything about this deployment, resolved."""

    policies: Path
    inventory: tuple[Path, ...]
    inventory_is_given: bool
    """Whether somebody named it, or it is only the default place."""
    playbooks: Path
    playbooks_are_given: bool
    state_dir: Path
    database: str
    database_is_given: bool
    host: str
    port: int
    trusted_proxies: tuple[Network, ...]
    tls_cert: Path | None
    tls_key: Path | None
    tls_client_ca: Path | None
    url: str | None
    """Of the server that the command line asks; None: the local database."""
    tokens: tuple[Token, ...]
    client_token: Secret | None
    ansible: AnsibleSection
    sources: Mapping[str, SourceSection]
    """By the name in `POST /api/v1/webhooks/NAME`."""
    journal_key_file: Path
    journal_key_is_given: bool
    """Whether somebody named it, or it is the one that is made in the state directory."""
    journal_keep_months: int | None
    statistics: StatisticsSection


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """What the command line says."""

    policies: Path | None = None
    inventory: tuple[Path, ...] = ()
    playbooks: Path | None = None
    config: Path | None = None
    database: str | None = None


def read_settings(options: Options, environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings of this deployment. Raises `WrongUsage` for a file or value that can't be used."""
    file = read_file(options.config)
    state_dir = _state_dir(file, environment)
    inventory = options.inventory or _paths(environment.get("BSM_INVENTORY")) or listed(file.inventory)
    playbooks = options.playbooks or _path(environment.get("BSM_PLAYBOOKS")) or file.playbooks
    database = options.database or _secret("BSM_DATABASE", environment) or file.database
    tokens = _tokens(file, environment)
    host = environment.get("BSM_HOST", file.server.host)
    port = _port(environment.get("BSM_PORT"), file.server.port)
    client_token = _secret("BSM_TOKEN", environment)
    journal_key_file = _path(environment.get("BSM_JOURNAL_KEY_FILE")) or file.journal.key_file
    return Settings(
        policies=options.policies or _path(environment.get("BSM_POLICIES")) or file.policies or DEFAULT_POLICIES,
        inventory=inventory or (DEFAULT_INVENTORY,),
        inventory_is_given=bool(inventory),
        playbooks=playbooks or DEFAULT_PLAYBOOKS,
        playbooks_are_given=playbooks is not None,
        state_dir=state_dir,
        database=database or f"sqlite:///{(state_dir / 'bsm-remediate.sqlite').absolute()}",
        database_is_given=options.database is not None,
        host=host,
        port=port,
        trusted_proxies=tuple(file.server.trusted_proxies),
        tls_cert=file.server.tls_cert,
        tls_key=file.server.tls_key,
        tls_client_ca=file.server.tls_client_ca,
        url=environment.get("BSM_URL") or file.url,
        tokens=tokens,
        client_token=Secret(client_token) if client_token else None,
        ansible=file.ansible,
        sources=file.sources,
        journal_key_file=journal_key_file or state_dir / JOURNAL_KEY,
        journal_key_is_given=journal_key_file is not None,
        journal_keep_months=file.journal.keep_months,
        statistics=file.statistics,
    )


def read_file(given: Path | None) -> FileSettings:
    """The settings file, or an empty one where there is none. Raises `WrongUsage`."""
    path = given or DEFAULT_CONFIG
    if given is None and not path.exists():
        return FileSettings()
    try:
        raw: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
        return FileSettings.model_validate(raw)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise WrongUsage(f"{path}: {error}") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise WrongUsage(
            f"{path}: {key_of(first['loc'])}: {first['msg']}", hint="see the page on deployment"
        ) from error


def _state_dir(file: FileSettings, environment: Mapping[str, str]) -> Path:
    for name in ("BSM_STATE_DIR", "STATE_DIRECTORY"):
        if environment.get(name):
            return Path(environment[name].split(":")[0])
    if file.state_dir is not None:
        return file.state_dir
    home = environment.get("XDG_STATE_HOME")
    return (Path(home) if home else Path.home() / ".local" / "state") / "bsm-remediate"


def _tokens(file: FileSettings, environment: Mapping[str, str]) -> tuple[Token, ...]:
    """Those of the file, and `BSM_TOKEN` (or `BSM_TOKEN_FILE`) as an admin's."""
    found = []
    for one in file.tokens:
        text = environment.get(one.env, "") if one.env else read_secret(one.file) if one.file else ""
        if not text:
            raise WrongUsage(f"token '{one.name}' is empty", hint="give it `file` or `env`")
        found.append(Token(secret=Secret(text), identity=Identity(name=one.name, role=one.role, sources=one.sources)))
    own = _secret("BSM_TOKEN", environment)
    if own:
        found.append(Token(secret=Secret(own), identity=Identity(name="BSM_TOKEN", role=Role.ADMIN)))
    return tuple(found)


def _secret(name: str, environment: Mapping[str, str]) -> str | None:
    file = environment.get(f"{name}_FILE")
    return read_secret(Path(file)) if file else environment.get(name) or None


def read_secret(file: Path) -> str:
    """The text in `file`. Raises `WrongUsage`."""
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise WrongUsage(f"{file} cannot be read: {error}") from error


def _port(text: str | None, usual: int) -> int:
    if text is None:
        return usual
    if not text.isdigit() or int(text) > 65535:
        raise WrongUsage(f"BSM_PORT is '{text}', not a port")
    return int(text)


def _path(text: str | None) -> Path | None:
    return Path(text) if text else None


def _paths(text: str | None) -> tuple[Path, ...]:
    return tuple(Path(part) for part in text.split(":") if part) if text else ()


def listed(value: Path | list[Path] | None) -> tuple[Path, ...]:
    """One, several or none, as written."""
    return () if value is None else tuple(value) if isinstance(value, list) else (value,)
