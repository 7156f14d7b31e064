"""Sections that several others hold: what every section is, expectations, checks, rollbacks."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from bsm_remediate.config.fields import Duration, Share, SomeTime, Text

_CHECKS = ("tcp", "http", "command", "promql", "playbook", "alert")


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class ExpectSection(Section):
    """What a playbook usually takes and brings."""

    duration: SomeTime | None = Field(default=None, description="Until restored.")
    success: Share | None = Field(default=None, description="Chance, given that those before it failed.")


class RollbackSection(Section):
    """How to undo a failed alternative."""

    playbook: Text = Field(description="File in the playbooks folder.")
    vars: dict[Text, Any] = Field(default_factory=dict, description="Its variables.")


class CheckSection(Section):
    """One condition of `verify`; exactly one of tcp, http, command, promql, playbook, alert."""

    tcp: Text | None = Field(default=None, description="host:port that must accept a connection.")
    http: Text | None = Field(default=None, description="Address that must answer.")
    status: int = Field(default=200, ge=100, le=599, description="Status that http must answer.")
    body: Text | None = Field(default=None, description="Regular expression that the answer must contain.")
    command: Text | None = Field(default=None, description="Command on the component's host that must exit with 0.")
    promql: Text | None = Field(
        default=None, description="Expression that must return a sample which isn't 0; facts stand in quotes in it."
    )
    source: Text | None = Field(default=None, description="Which Prometheus promql asks, where there are several.")
    playbook: Text | None = Field(default=None, description="Playbook that must succeed on the component's host.")
    alert: Literal["off"] | None = Field(default=None, description="`off`: the policy's alerts must have ended.")
    within: SomeTime | None = Field(default=None, description="Must hold by then (default 60s).")
    hold: Duration | None = Field(default=None, description="And then for so long (default 0s).")
    every: SomeTime | None = Field(default=None, description="Asked again so often (default 1s).")

    @model_validator(mode="after")
    def _exactly_one_kind(self) -> CheckSection:
        kinds = [kind for kind in _CHECKS if getattr(self, kind) is not None]
        if len(kinds) != 1:
            raise ValueError(f"a check needs exactly one of {', '.join(_CHECKS)}; here: {', '.join(kinds) or 'none'}")
        if self.http is None and self.model_fields_set & {"status", "body"}:
            raise ValueError("status and body are of http checks only")
        if self.promql is None and self.source is not None:
            raise ValueError("source is of promql checks only")
        return self
