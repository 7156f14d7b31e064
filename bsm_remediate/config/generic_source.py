"""`[sources.NAME]` of kind `generic`: how a sender's own JSON is read, by paths instead of code."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import tzinfo
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from bsm_remediate.domain.field_path import FieldPath, parse_field_path


def _paths(value: object) -> object:
    listed = value if isinstance(value, list) else [value]
    if not listed or not all(isinstance(one, str) for one in listed):
        raise ValueError("must be a path like data.events, or a list of them")
    return tuple(parse_field_path(str(one)) for one in listed)


def _parts(value: object) -> object:
    return (_paths(value),)


def _words(value: object) -> object:
    listed = value if isinstance(value, list) else [value]
    if not all(isinstance(one, str | int) for one in listed):
        raise ValueError("must be a word of the status, or a list of them")
    return frozenset(str(one).strip().lower() for one in listed)


def _small(value: object) -> object:
    return {str(word).lower(): one for word, one in value.items()} if isinstance(value, Mapping) else value


def _zone(value: object) -> object:
    if not isinstance(value, str):
        raise ValueError("must be a time zone like Europe/Berlin")
    try:
        return ZoneInfo(value)
    except (KeyError, ValueError, OSError):  # KeyError: there is none of that name
        raise ValueError(f"'{value[:60]}' is no time zone like Europe/Berlin") from None


def _some_paths(value: object) -> object:
    return [value] if isinstance(value, str) else value


Paths = Annotated[tuple[FieldPath, ...], BeforeValidator(_paths)]
Parts = Annotated[tuple[tuple[FieldPath, ...], ...], BeforeValidator(_parts)]
Words = Annotated[frozenset[str], BeforeValidator(_words)]


_NOT_OF_THE_BODY = frozenset({"kind", "secret_files"})


class GenericSource(BaseModel):
    """Without `labels` the body is the one that the page on webhooks describes. Where a list of paths is given, the
    first that leads somewhere counts; only those of `fingerprint` are taken together.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    kind: Literal["generic"]
    secret_files: Annotated[list[Path], BeforeValidator(_some_paths)] = Field(default_factory=list)
    alerts: Paths = ()
    status: Paths = ()
    firing: Words = frozenset()
    resolved: Words = frozenset()
    unknown: Words = frozenset()
    ignored: Words = frozenset()
    labels: dict[str, Paths] = Field(default_factory=dict)
    tags: Paths = ()
    severities: Annotated[dict[str, str], BeforeValidator(_small)] = Field(default_factory=dict)
    annotations: dict[str, Paths] = Field(default_factory=dict)
    starts_at: Paths = ()
    ends_at: Paths = ()
    timezone: Annotated[tzinfo | None, BeforeValidator(_zone)] = None
    fingerprint: Parts = ()

    @model_validator(mode="after")
    def _make_sense(self) -> GenericSource:
        if self.model_fields_set - _NOT_OF_THE_BODY and "alertname" not in self.labels:
            raise ValueError('says no `labels = {alertname = "path.to.its.name"}`, and an alert needs a name')
        if self.status and not (self.firing or self.resolved):
            raise ValueError("says no `firing` or `resolved`: which words of the status mean what")
        words = (self.firing, self.resolved, self.unknown, self.ignored)
        if any(words) and not self.status:
            raise ValueError("says no `status`: where the word stands that `firing` and `resolved` are about")
        twice = sorted(word for word in frozenset().union(*words) if sum(word in one for one in words) > 1)
        if twice:
            raise ValueError(f"says two things about {', '.join(twice)}")
        return self

    def reading(self) -> Mapping[str, Any] | None:
        """How the body is read; None for the usual body."""
        names = type(self).model_fields.keys() - _NOT_OF_THE_BODY
        return {name: getattr(self, name) for name in names} if self.labels else None
