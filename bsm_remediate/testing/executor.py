"""Stand-ins for Ansible and the network on a clock of the test's choice."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass

from bsm_remediate.domain.ids import NodeId
from bsm_remediate.domain.playbook import PlaybookCall, PlaybookEvent, PlaybookOutcome, PlaybookResult
from bsm_remediate.domain.policy import Check
from bsm_remediate.domain.service_map import Component
from bsm_remediate.domain.verification import Observation
from bsm_remediate.ports import Clock


@dataclass(frozen=True, kw_only=True, slots=True)
class Scripted:
    """How one execution goes."""

    duration_s: float = 10.0
    outcome: PlaybookOutcome = PlaybookOutcome.SUCCEEDED
    reason: str = ""
    exit_code: int | None = 0


def _nothing(_call: PlaybookCall) -> None:
    return


class SimulatedExecutor:
    """Implements `Executor`. Each playbook goes as its script says: the entry for (playbook, first host), else for the
    playbook, else `otherwise`. A script that is a list is used up one execution at a time, the last entry stays.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        hosts: Collection[str] | None = None,
        playbooks: Collection[str] | None = None,
        otherwise: Scripted | None = None,
        effect: Callable[[PlaybookCall], None] = _nothing,
    ) -> None:
        """`hosts` and `playbooks` are all there are; None: whatever is asked for. `effect` happens at each success."""
        self._clock = clock
        self._hosts = hosts
        self._playbooks = playbooks
        self._otherwise = otherwise or Scripted()
        self._effect = effect
        self._scripts: dict[tuple[str, str | None], list[Scripted]] = {}
        self._guard = threading.Lock()
        self.calls: list[PlaybookCall] = []
        """Every call that was not refused, in the order of their beginnings."""

    def script(self, playbook: str, *executions: Scripted, host: str | None = None) -> None:
        """Say how the next executions of `playbook` (on `host`) go."""
        self._scripts[playbook, host] = list(executions)

    def execute(
        self,
        call: PlaybookCall,
        *,
        on_event: Callable[[PlaybookEvent], None],
        cancelled: Callable[[], bool],
    ) -> PlaybookResult:
        """As the script has it, on the clock: `duration_s` passes, less when cancelled or beyond the time limit."""
        objection = self._objection(call)
        if objection is not None:
            return PlaybookResult(outcome=PlaybookOutcome.NOT_STARTED, reason=objection, exit_code=None, duration_s=0.0)
        with self._guard:
            self.calls.append(call)
            scripted = self._next(call)
        begin = self._clock.monotonic()
        self._tell(call, on_event, "task", host=None)
        limit = call.time_limit.total_seconds()
        if self._clock.wait(min(scripted.duration_s, limit), until=cancelled):
            return self._ended(PlaybookOutcome.CANCELLED, "cancelled", begin, exit_code=None)
        if scripted.duration_s > limit:
            return self._ended(PlaybookOutcome.TIMED_OUT, "still running at its time limit", begin, exit_code=None)
        is_success = scripted.outcome is PlaybookOutcome.SUCCEEDED
        if is_success and not call.check_mode:
            self._effect(call)
        self._tell(call, on_event, "changed" if is_success else "failed", host=call.hosts[0])
        self._tell(call, on_event, "stats", host=None)
        return self._ended(
            scripted.outcome,
            scripted.reason or f"{scripted.outcome} on {', '.join(call.hosts)}",
            begin,
            exit_code=scripted.exit_code if is_success else scripted.exit_code or 2,
            changed=int(is_success),
        )

    def _objection(self, call: PlaybookCall) -> str | None:
        if not call.hosts:
            return "a run without hosts would reach all of them"
        if self._playbooks is not None and call.playbook not in self._playbooks:
            return f"there is no playbook {call.playbook}"
        unknown = [host for host in call.hosts if self._hosts is not None and host not in self._hosts]
        return f"host '{unknown[0]}' is not in the inventory" if unknown else None

    def _next(self, call: PlaybookCall) -> Scripted:
        for key in ((call.playbook, call.hosts[0]), (call.playbook, None)):
            script = self._scripts.get(key)
            if script:
                return script.pop(0) if len(script) > 1 else script[0]
        return self._otherwise

    def _tell(
        self, call: PlaybookCall, on_event: Callable[[PlaybookEvent], None], kind: str, *, host: str | None
    ) -> None:
        task = None if kind == "stats" else f"Run {call.playbook}"
        at = self._clock.now()
        diff = f"-before {call.playbook}\n+after" if call.check_mode and kind == "changed" else ""
        on_event(PlaybookEvent(run=call.run, attempt=call.attempt, at=at, kind=kind, host=host, task=task, diff=diff))

    def _ended(
        self, outcome: PlaybookOutcome, reason: str, begin: float, *, exit_code: int | None, changed: int = 0
    ) -> PlaybookResult:
        duration = self._clock.monotonic() - begin
        return PlaybookResult(outcome=outcome, reason=reason, exit_code=exit_code, duration_s=duration, changed=changed)


class SimulatedProber:
    """Implements `Prober`: checks of the components in `broken` don't hold, all others do."""

    def __init__(self, clock: Clock, broken: Collection[NodeId] = ()) -> None:
        self._clock = clock
        self.broken: set[NodeId] = set(broken)

    def look(
        self,
        check: Check,
        component: Component,
        *,
        cancelled: Callable[[], bool],  # noqa: ARG002 - it takes no time
    ) -> Observation:
        holds = component.id not in self.broken
        detail = f"{component.id} {'answers' if holds else 'does not answer'}"
        return Observation(check=check, at=self._clock.now(), holds=holds, detail=detail)
