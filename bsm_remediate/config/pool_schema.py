"""What the bundle says of pools: members or replicas, load, and what sets them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from pydantic import Field

from bsm_remediate.config.fields import (
    Duration,
    Id,
    Share,
    SomeTime,
    Text,
)
from bsm_remediate.config.schema_parts import ExpectSection
from bsm_remediate.config.schema_parts import Section as _Section
from bsm_remediate.domain.pool import LOAD_EVERY


class PoolMemberSection(_Section):
    """One member of a pool: a component, or a set for all of its own."""

    capacity: float | None = Field(
        default=None, gt=0, le=1e15, allow_inf_nan=False, description="Most that it can take, in the unit of the load."
    )
    serves: list[Id] | None = Field(default=None, min_length=1, description="Only these of the pool's services.")


class PoolLoadSection(_Section):
    """Where the live load is read."""

    query: Text = Field(description="PromQL; each series names its member, or the service whose load it is.")
    every: SomeTime = Field(default=LOAD_EVERY, description="Asked so often.")


class PoolReplicasSection(_Section):
    """Members that are all alike: how many of them may run."""

    at_least: int = Field(default=1, ge=0, le=10_000, description="Never fewer.")
    at_most: int = Field(ge=1, le=10_000, description="Never more.")
    capacity: float = Field(
        gt=0, le=1e15, allow_inf_nan=False, description="Most that each can take, in the unit of the load."
    )
    running: Text = Field(default="", description="PromQL for how many run now: one series, or their sum.")
    cost_per_minute: float = Field(
        default=0.0, ge=0, allow_inf_nan=False, description="What each costs; one more must save more than that."
    )


class PoolApplySection(_Section):
    """How weights, or the number of replicas, get into force."""

    component: Id = Field(description="Where the playbook runs, the load balancer; locked meanwhile, as the pool is.")
    playbook: Text = Field(description="File in the playbooks folder; it gets `bsm.weights`, or `bsm.replicas`.")
    vars: dict[Text, Any] = Field(default_factory=dict, description="Variables; templates see component facts only.")
    expect: ExpectSection = Field(default_factory=ExpectSection, description="Duration and success chance.")


class PoolSection(_Section):
    """Members that share load: their weights, or how many of them run, follow capacity, load and business value."""

    members: dict[Id, PoolMemberSection] = Field(default_factory=dict, description="Components with their capacity.")
    replicas: PoolReplicasSection | None = Field(default=None, description="Instead of `members`: as many as needed.")
    load: PoolLoadSection | None = Field(default=None, description="Where the live load is read.")
    serves: list[Id] = Field(default_factory=list, description="Services that live on it.")
    apply: PoolApplySection | None = Field(default=None, description="The playbook that sets weights.")
    comfortable: Share = Field(default=0.8, description="Share of its capacity up to which a member has room.")
    clear: Share = Field(
        default=0.7, description="The pressure is gone when normal weights would keep all members below that."
    )
    hold: Duration = Field(default=timedelta(minutes=10), description="For so long, before weights return to normal.")
    window: Duration = Field(
        default=timedelta(minutes=1), description="Until a move shows in the load; no further move before."
    )
