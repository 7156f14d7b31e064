"""What an execution amounts to. Exit code 0 alone is no success: the recap must name every host that was meant."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from bsm_remediate.adapters.ansible.events import Recap
from bsm_remediate.domain.playbook import PlaybookOutcome

_SIGNALLED = 128
"""Exit codes from here on say which signal ended the process."""


class Stopped(StrEnum):
    """Why we ended it ourselves."""

    CANCELLED = "cancelled"
    TIMED_OUT = "timed_out"


@dataclass(frozen=True, kw_only=True, slots=True)
class Ended:
    """How an `ansible-playbook` ended."""

    exit_code: int | None
    stopped: Stopped | None = None
    recap: Recap | None = None
    begun: bool = False
    """Whether a task was started."""
    tasks: int = 0
    """Results of tasks, over all hosts."""
    trouble: str = ""
    last_words: str = ""
    """Its error message, or the end of its output."""


def classify(ended: Ended, hosts: tuple[str, ...]) -> tuple[PlaybookOutcome, str]:
    """The outcome for `hosts`, and the sentence for people."""
    if ended.stopped is Stopped.CANCELLED:
        return PlaybookOutcome.CANCELLED, f"cancelled after {_tasks(ended.tasks)}"
    if ended.stopped is Stopped.TIMED_OUT:
        return PlaybookOutcome.TIMED_OUT, f"still running at its time limit, stopped after {_tasks(ended.tasks)}"
    if ended.recap is None:
        return _without_recap(ended)
    if any(ended.recap.failures.values()):
        return PlaybookOutcome.FAILED, ended.trouble or f"failed: {ended.recap}"
    if any(ended.recap.dark.values()):
        return PlaybookOutcome.UNREACHABLE, ended.trouble or f"unreachable: {ended.recap}"
    untouched = [host for host in hosts if ended.recap.ok.get(host, 0) + ended.recap.changed.get(host, 0) == 0]
    if ended.exit_code != 0:
        said = ended.last_words or str(ended.recap)
        return PlaybookOutcome.FAILED, f"ansible-playbook ended with exit code {ended.exit_code}: {said}"
    if untouched:
        return PlaybookOutcome.NO_HOST_MATCHED, f"no task of the playbook ran on {', '.join(untouched)}"
    return PlaybookOutcome.SUCCEEDED, str(ended.recap)


def _without_recap(ended: Ended) -> tuple[PlaybookOutcome, str]:
    code = ended.exit_code
    said = f": {ended.last_words}" if ended.last_words else ""
    if not ended.begun and code is not None and 0 < code < _SIGNALLED:
        return PlaybookOutcome.NOT_STARTED, f"ansible-playbook refused it (exit code {code}){said}"
    how = "no exit code" if code is None else f"exit code {code}"
    if code is not None and code > _SIGNALLED:
        how = f"killed by signal {code - _SIGNALLED}"
    after = f"after {_tasks(ended.tasks)}, without statistics"
    return (
        PlaybookOutcome.DIED,
        f"ansible-playbook vanished ({how}) {after}{said if code and code < _SIGNALLED else ''}",
    )


def _tasks(count: int) -> str:
    return f"{count} task result{'' if count == 1 else 's'}"
