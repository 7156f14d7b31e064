"""`[sources.NAME]` of `bsm-remediate.toml`: where alerts come from, beside what their webhooks say by themselves, and
who is asked for figures.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag, model_validator

from bsm_remediate.config.generic_source import GenericSource
from bsm_remediate.domain.duration import parse_duration

PROMETHEUS = "prometheus"
"""The kind, and the name where there is only one."""
HOW_TO_CONFIGURE = 'write [sources.prometheus] with url = "http://prometheus:9090" into bsm-remediate.toml'


def _address(text: str) -> str:
    if not text.startswith(("http://", "https://")):
        raise ValueError(f"'{text[:80]}' is no address like http://monitoring:9090")
    return text


def _some(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _duration(value: object) -> object:
    return parse_duration(value) if isinstance(value, str) else value


SecretFiles = Annotated[list[Path], BeforeValidator(_some)]
"""Of the secrets that a source's signatures are made with, several while they are exchanged. With one, the signature
is the credential, without any a token is.
"""
Address = Annotated[str, AfterValidator(_address)]
Duration = Annotated[timedelta, BeforeValidator(_duration)]


class AlertmanagerSource(BaseModel):
    """An Alertmanager (or the peers of one cluster) whose list is read each minute."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["alertmanager"] = "alertmanager"
    url: Annotated[list[Address], BeforeValidator(_some)] = Field(default_factory=list)
    receiver: str = ""
    """Only alerts routed to that receiver; empty: all."""
    token_file: Path | None = None
    """Of a bearer token for its API."""
    settles_after: Duration = timedelta(minutes=3)
    """So long after its own start it may not have heard of everything yet."""
    secret_files: SecretFiles = Field(default_factory=list)
    """Where something between signs for it, since Alertmanager can't."""

    @model_validator(mode="after")
    def _make_sense(self) -> AlertmanagerSource:
        if not self.url and not self.secret_files:
            raise ValueError("says no `url`, of which its list is read, nor `secret_files` of who signs for it")
        return self


class _Asked(BaseModel):
    """Somebody who is asked for figures over HTTP; he sends nothing by himself."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: Annotated[list[Address], BeforeValidator(_some), Field(min_length=1)]
    token_file: Path | None = None
    """Of a bearer token."""
    username: str = ""
    password_file: Path | None = None
    """Of basic authentication."""
    ca_file: Path | None = None
    """Certificates that the other side's own is checked against, instead of the usual authorities."""

    @model_validator(mode="after")
    def _make_sense(self) -> Self:
        if bool(self.username) != (self.password_file is not None):
            raise ValueError("`username` and `password_file` go together")
        if self.username and self.token_file is not None:
            raise ValueError("has two credentials: `token_file`, and `username` with `password_file`")
        return self

    @property
    def secret_files(self) -> Sequence[Path]:
        """It signs nothing."""
        return ()


class PrometheusSource(_Asked):
    """A Prometheus, or what answers its queries as it would. Of several urls, which know the same, the first that
    answers is believed.
    """

    kind: Literal["prometheus"] = "prometheus"


class ScrapeSource(_Asked):
    """`/metrics` pages that are read directly; each one's figures have its host and port as `instance`."""

    kind: Literal["scrape"]
    every: Duration = timedelta(seconds=15)
    """A page that was read within that time isn't read again."""


class CommandSource(BaseModel):
    """A program on the engine's machine that prints figures."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["command"]
    command: Annotated[list[str], Field(min_length=1)]
    """Its words; there is no shell."""
    timeout: Duration = timedelta(seconds=10)
    every: Duration = timedelta(seconds=15)
    """What it printed within that time is good enough."""

    @property
    def secret_files(self) -> Sequence[Path]:
        """It signs nothing."""
        return ()


MetricSourceSection = PrometheusSource | ScrapeSource | CommandSource


def prometheus_meant(names: Collection[str]) -> str | None:
    """Which of them is asked where nobody says: the only one, or the one that is called so; None: who knows."""
    return next(iter(names)) if len(names) == 1 else PROMETHEUS if PROMETHEUS in names else None


class VendorSource(BaseModel):
    """A sender whose webhooks are understood as they are."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: str
    secret_files: SecretFiles = Field(default_factory=list)


_SHAPES = frozenset({"alertmanager", "generic", PROMETHEUS, "scrape", "command"})


def _shape(section: Any) -> str:
    kind = section.get("kind") if isinstance(section, Mapping) else getattr(section, "kind", None)
    return kind if isinstance(kind, str) and kind in _SHAPES else "vendor"


SourceSection = Annotated[
    Annotated[AlertmanagerSource, Tag("alertmanager")]
    | Annotated[GenericSource, Tag("generic")]
    | Annotated[PrometheusSource, Tag(PROMETHEUS)]
    | Annotated[ScrapeSource, Tag("scrape")]
    | Annotated[CommandSource, Tag("command")]
    | Annotated[VendorSource, Tag("vendor")],
    Discriminator(_shape),
]


def key_of(steps: Sequence[int | str]) -> str:
    """The key in the file that pydantic's `steps` lead to; of a source's, the third only names its shape."""
    named = (*steps[:2], *steps[3:]) if steps[:1] == ("sources",) else steps
    return ".".join(str(step) for step in named)


def with_kinds(written: Any) -> Any:
    """A source whose `kind` isn't written is of the kind that it is called."""
    if not isinstance(written, Mapping):
        return written
    return {
        name: {"kind": name, **section} if isinstance(section, Mapping) else section
        for name, section in written.items()
    }
