"""The schema of `changes:`, planned work (docs/changes.md)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from pydantic import Field

from bsm_remediate.config.fields import Duration, HostName, Id, SomeTime, Text
from bsm_remediate.config.schema_parts import CheckSection, ExpectSection, Section


class ChangeRollbackSection(Section):
    """How a change that failed is undone."""

    playbook: Text = Field(description="File in the playbooks folder.")
    vars: dict[Text, Any] = Field(default_factory=dict, description="Its variables.")
    duration: SomeTime | None = Field(default=None, description="How long that takes (default: as the change).")


class ChangeWindowSection(Section):
    """When it may be done; which begin loses least is worked out."""

    calendars: list[Id] = Field(
        default_factory=list, description="While one of them is in force (default: at any time)."
    )
    lead: Duration = Field(default=timedelta(0), description="Not sooner after its proposal.")
    within: SomeTime = Field(default=timedelta(days=14), description="Over so long after its proposal.")


class ChangeSection(Section):
    """Planned work: a playbook that disturbs components, in the window that costs least, once it is approved."""

    title: Text = Field(default="", description="What it is, for people.")
    owner: Id | None = Field(default=None, description="A team.")
    components: list[Id] = Field(
        min_length=1, description="What doesn't serve meanwhile; sets and pools stand for their members."
    )
    on: Id | None = Field(default=None, description="Whose host the playbook runs on (default: each of `components`).")
    hosts: list[HostName] = Field(default_factory=list, description="More of its limit and locks, beside that.")
    playbook: Text = Field(description="File in the playbooks folder.")
    vars: dict[Text, Any] = Field(default_factory=dict, description="Variables; templates see component facts only.")
    expect: ExpectSection = Field(
        default_factory=ExpectSection, description="Duration until verified (default 60s), and success chance."
    )
    timeout: SomeTime | None = Field(default=None, description="Default: 3 times the expected duration + 60 s.")
    once: bool = Field(default=False, description="Not repeatable: after a crash in its middle a person decides.")
    verify: list[CheckSection] = Field(min_length=1, description="All must hold afterwards, or it has failed.")
    rollback: ChangeRollbackSection | None = Field(default=None, description="Run when it failed.")
    window: ChangeWindowSection = Field(default_factory=ChangeWindowSection, description="When it may be done.")
    approvers: list[Id] = Field(
        default_factory=list, description="Teams with the duty `approver` (default: the owner's)."
    )
    four_eyes_above: float | None = Field(
        default=None, ge=0, description="Who proposed it may not approve it when it is expected to cost more."
    )
    dry_run: bool = Field(default=True, description="Whether a dry run must have succeeded before it is approved.")
    max_unavailable: Text | None = Field(default=None, description="Number or share of siblings worked on at once.")
