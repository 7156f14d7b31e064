"""Planned changes as the bundle has them: work that nobody's alert asks for, in a window that costs least."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from bsm_remediate.domain.attempts import BY_A_PERSON
from bsm_remediate.domain.ids import Digest, NodeId
from bsm_remediate.domain.policy import Alternative, Check, CheckKind


@dataclass(frozen=True, kw_only=True, slots=True)
class ChangeTimes:
    """When it may be done."""

    calendars: tuple[str, ...] = ()
    """While any of them is in force; empty: at any time."""
    lead: timedelta = timedelta(0)
    """From the proposal to the earliest begin: people need time to look at it."""
    within: timedelta = timedelta(days=14)
    """From the proposal to the latest end."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannedChange:
    """One entry of `changes:`."""

    name: str
    title: str = ""
    owner: str | None = None
    """A team."""
    components: tuple[NodeId, ...]
    """What it disturbs: none of them serves meanwhile. Never empty."""
    on: NodeId
    """Whose host the playbook runs on; its facts are what templates and checks see."""
    do: Alternative
    """Its playbook, what it takes until verified, its rollback."""
    verify: tuple[Check, ...]
    """Never empty, and none of alerts: nothing fires because of which it is done."""
    times: ChangeTimes = ChangeTimes()
    approvers: tuple[str, ...] = ()
    """Teams with the duty; empty: the owner's."""
    four_eyes_above: float | None = None
    """Money (or points): who proposed it may not approve it when it is expected to cost more."""
    dry_run: bool = True
    """Whether a successful dry run must come before an approval."""
    max_unavailable: str | None = None
    """A number or percentage as written, of the siblings in the nearest formula."""
    digest: Digest
    """Of the entry as it is written, and of its playbooks."""

    @property
    def needs(self) -> timedelta:
        """What its window must have room for: the change, and undoing it where that can be done."""
        undo = self.do.rollback
        return self.do.duration + (undo.duration if undo is not None else timedelta(0))

    def recovery(self, person: timedelta | None) -> timedelta:
        """How much longer it lasts when it fails: its rollback, or a person (`settings: person`) without one."""
        undo = self.do.rollback
        return undo.duration if undo is not None else person if person is not None else BY_A_PERSON

    def playbooks(self) -> Iterator[str]:
        """All that it may run."""
        yield self.do.playbook
        if self.do.rollback is not None:
            yield self.do.rollback.playbook
        for check in self.verify:
            if check.kind is CheckKind.PLAYBOOK and check.target is not None:
                yield check.target.source
