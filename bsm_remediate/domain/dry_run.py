"""What a run would change, as its playbook says in check mode on the real hosts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bsm_remediate.domain.event import Json
from bsm_remediate.domain.playbook import PlaybookOutcome, PlaybookResult

_MOST_TOLD = 50
"""Changes that are kept with the run; nobody reads more before approving, and the artifacts have all."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """One task that would change something on one host."""

    host: str
    task: str
    diff: str = ""
    """Before and after, redacted and shortened; empty where the task can't say."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DryRun:
    """The result. Tasks that check mode passes over (commands, most of them) are not among the changes."""

    playbook: str
    result: PlaybookResult
    changes: tuple[Change, ...]
    skipped: int
    """Tasks that were passed over."""

    @property
    def is_sound(self) -> bool:
        """Whether the playbook came to its end."""
        return self.result.outcome is PlaybookOutcome.SUCCEEDED

    def words(self) -> str:
        """One line for people."""
        if not self.is_sound:
            return f"{self.playbook} fails in check mode already: {self.result.reason}"
        tasks = len(self.changes)
        passed = f"; {self.skipped} that check mode passes over" if self.skipped else ""
        what = f"would change something in {tasks} task{'s' if tasks != 1 else ''}" if tasks else "would change nothing"
        return f"{self.playbook} {what}{passed}"

    def facts(self) -> dict[str, Json]:
        """For the journal."""
        told: Sequence[Change] = self.changes[:_MOST_TOLD]
        return {
            "playbook": self.playbook,
            "playbook_outcome": self.result.outcome.value,
            "detail": self.words(),
            "changes": [{"host": one.host, "task": one.task, "diff": one.diff} for one in told],
            "changes_left_out": len(self.changes) - len(told),
            "skipped": self.skipped,
            "duration_s": round(self.result.duration_s, 3),
            "artifacts": self.result.artifacts,
            "artifacts_digest": self.result.digest,
        }
