"""What ansible-runner tells while a playbook runs, as our events and as the facts that decide the outcome."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from difflib import unified_diff
from typing import Any

from bsm_remediate.domain.ids import RunId
from bsm_remediate.domain.playbook import PlaybookEvent

_LONGEST_MESSAGE = 500
_LONGEST_DIFF = 4_000
_UNPRINTABLE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_KINDS = {
    "playbook_on_play_start": "play",
    "playbook_on_task_start": "task",
    "playbook_on_handler_task_start": "task",
    "runner_on_ok": "ok",
    "runner_on_failed": "failed",
    "runner_on_unreachable": "unreachable",
    "runner_on_skipped": "skipped",
    "playbook_on_stats": "stats",
}
_COUNTS = ("ok", "changed", "failures", "dark", "skipped", "rescued", "ignored")


@dataclass(frozen=True, kw_only=True, slots=True)
class Recap:
    """The statistics at the end of a playbook: host to count."""

    ok: Mapping[str, int] = field(default_factory=dict)
    changed: Mapping[str, int] = field(default_factory=dict)
    failures: Mapping[str, int] = field(default_factory=dict)
    dark: Mapping[str, int] = field(default_factory=dict)
    """Unreachable."""
    skipped: Mapping[str, int] = field(default_factory=dict)
    rescued: Mapping[str, int] = field(default_factory=dict)
    ignored: Mapping[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        hosts = sorted({host for counts in _COUNTS for host in getattr(self, counts)})
        return "; ".join(
            f"{host}: "
            + ", ".join(f"{name} {getattr(self, name)[host]}" for name in _COUNTS if getattr(self, name).get(host))
            for host in hosts
        )


@dataclass(kw_only=True)
class Account:
    """What has happened so far in one playbook; `hear` is given each event in turn."""

    run: RunId
    attempt: int
    redact: Callable[[str], str]
    tell: Callable[[PlaybookEvent], None]
    shows_diffs: bool = False
    recap: Recap | None = None
    begun: bool = False
    """Whether a task was started."""
    tasks: int = 0
    """Results seen, over all hosts."""
    trouble: str = ""
    """The first failure or unreachable host that wasn't ignored, for people."""

    def hear(self, raw: Mapping[str, Any]) -> None:
        """Take one event of ansible-runner; others than those of plays, tasks and results are passed over."""
        kind = _KINDS.get(str(raw.get("event")))
        if kind is None:
            return
        facts: Mapping[str, Any] = raw.get("event_data") or {}
        result: Mapping[str, Any] = facts.get("res") or {}
        message = one_line(self.redact(_message(kind, facts, result)))
        if kind == "stats":
            self.recap = Recap(**{name: dict(facts.get(name) or {}) for name in _COUNTS})
            message = str(self.recap)
        elif kind == "ok" and result.get("changed"):
            kind = "changed"
        elif kind == "failed" and facts.get("ignore_errors"):
            kind, message = "ok", f"failed, ignored: {message}"
        self._note(kind, facts, message)
        self.tell(
            PlaybookEvent(
                run=self.run,
                attempt=self.attempt,
                at=_moment(raw.get("created")),
                kind=kind,
                host=facts.get("host"),
                task=one_line(self.redact(str(facts["task"]))) if facts.get("task") else None,
                message=message,
                diff=self.redact(diff_text(result))[:_LONGEST_DIFF] if self.shows_diffs else "",
                duration_s=facts.get("duration"),
            )
        )

    def _note(self, kind: str, facts: Mapping[str, Any], message: str) -> None:
        self.begun = self.begun or kind == "task"
        if kind in {"ok", "changed", "failed", "unreachable"}:
            self.tasks += 1
        if kind in {"failed", "unreachable"} and not self.trouble:
            task = one_line(self.redact(str(facts.get("task") or "")))
            self.trouble = f"{kind} on {facts.get('host')} in task '{task}': {message or 'no message'}"


def one_line(text: str) -> str:
    """`text` as one printable line of bounded length."""
    line = " ".join(_UNPRINTABLE.sub(" ", text).split())
    return line if len(line) <= _LONGEST_MESSAGE else line[: _LONGEST_MESSAGE - 1] + "…"


def _message(kind: str, facts: Mapping[str, Any], result: Mapping[str, Any]) -> str:
    if kind == "play":
        return str(facts.get("play") or "")
    if kind not in {"ok", "failed", "unreachable"}:
        return ""
    failed_items = [item for item in result.get("results") or () if isinstance(item, dict) and item.get("failed")]
    if failed_items and kind == "failed":
        return _message(kind, facts, failed_items[0])
    said = result.get("msg")
    parts = [said if isinstance(said, str) else "" if said is None else repr(said)]
    if kind == "failed" and "rc" in result:
        parts.append(str(result.get("stderr") or result.get("module_stderr") or result.get("stdout") or ""))
    return ": ".join(part.strip() for part in parts if part.strip())


def diff_text(result: Mapping[str, Any]) -> str:
    """What `--diff` had the task say, as lines: a module gives a finished text, or before and after."""
    given = result.get("diff")
    parts = given if isinstance(given, list) else [given]
    lines: list[str] = []
    for part in parts:
        if not isinstance(part, Mapping):
            continue
        if isinstance(part.get("prepared"), str):
            lines += part["prepared"].splitlines()
            continue
        before, after = (_lines(part.get(side)) for side in ("before", "after"))
        old, new = (str(part.get(f"{side}_header") or side) for side in ("before", "after"))
        lines += unified_diff(before, after, old, new, n=2, lineterm="")
    return "\n".join(_UNPRINTABLE.sub(" ", line) for line in lines)


def _lines(side: object) -> list[str]:
    if side is None:
        return []
    return (side if isinstance(side, str) else json.dumps(side, indent=2, sort_keys=True, default=str)).splitlines()


def _moment(created: object) -> datetime:
    moment = datetime.fromisoformat(str(created))
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
