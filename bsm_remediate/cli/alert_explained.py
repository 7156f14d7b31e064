"""`why --alert`: what was tried on an alert, as a document and for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bsm_remediate.cli.tables import plain, state_text
from bsm_remediate.domain.explanation import Explanation, PolicyTried, Tried
from bsm_remediate.domain.mapping import Attempt, Mapped, Rule

if TYPE_CHECKING:
    from rich.console import Console

    from bsm_remediate.domain.event import Json

SCHEMA = "bsm-remediate/why-alert/v1"
_NEAR_MISSES = 5
"""How many policies and components that don't fit a person is shown; documents have all."""
_YES, _NO = "[green]✓[/]", "[red]✗[/]"


def document(explanations: tuple[Explanation, ...]) -> dict[str, Json]:
    return {"schema": SCHEMA, "alerts": [_one(explanation) for explanation in explanations]}


def _one(explanation: Explanation) -> dict[str, Json]:
    reading = explanation.reading
    return {
        "alert": reading.alert.name,
        "fingerprint": reading.alert.fingerprint,
        "labels": dict(reading.alert.labels),
        "mapping": [
            _attempt(attempt, decides=place == explanation.answered)
            for place, attempt in enumerate(explanation.attempts)
            if attempt[0] is not Rule.NONE or place == explanation.answered
        ],
        "component_matches": [
            {"component": one.component, "fits": one.fits, "matchers": [_matcher(tried) for tried in one.matchers]}
            for one in explanation.components
        ],
        "components": [{"id": one.node, "how": one.how} for one in reading.mapped.components],
        "service": reading.mapped.service.node if reading.mapped.service is not None else None,
        "unmapped": reading.mapped.reason or None,
        "sets": reading.sets.value,
        "evidence": reading.evidence.value,
        "policies": [_policy(one) for one in explanation.policies],
        "decisions": [
            {
                "component": one.component,
                "policy": one.policy,
                "verdict": one.verdict.value,
                "reason": one.reason,
                "deciding": one in explanation.deciding,
            }
            for one in explanation.decisions
        ],
        "suppressed": explanation.suppressed or None,
    }


def _attempt(attempt: Attempt, *, decides: bool) -> dict[str, Json]:
    rule, label, text, answer = attempt
    said, fits = _said(answer), _names_something(answer)
    return {"rule": rule.name.lower(), "from": label, "text": text, "fits": fits, "answer": said, "decides": decides}


def _policy(tried: PolicyTried) -> dict[str, Json]:
    policy = tried.policy
    return {
        "policy": policy.id,
        "mode": str(policy.mode),
        "acts": bool(policy.do),
        "precedence": policy.precedence,
        "speaks": tried.speaks,
        "matchers": [_matcher(one) for one in tried.matchers],
        "when": policy.when.source if policy.when is not None else None,
        "conditions": [{"component": node, "holds": holds} for node, holds in tried.conditions],
        "place": policy.place,
    }


def _matcher(tried: Tried) -> dict[str, Json]:
    return {"matcher": str(tried.matcher), "seen": tried.seen, "fits": tried.fits}


def _names_something(answer: Mapped | None) -> bool:
    return answer is not None and not answer.reason


def _said(answer: Mapped | None) -> str | None:
    if answer is None:
        return None
    if answer.service is not None:
        return f"service {answer.service.node}"
    return ", ".join(one.node for one in answer.components) or answer.reason


# --- for people ------------------------------------------------------------------------------------------------------


def show(console: Console, explanations: tuple[Explanation, ...]) -> None:
    for number, explanation in enumerate(explanations):
        if number:
            console.print()
        alert = explanation.reading.alert
        console.print(f"[bold]{plain(alert.name or alert.fingerprint)}[/]")
        console.print(plain("  " + ", ".join(f"{name}={value}" for name, value in sorted(alert.labels.items()))))
        _show_mapping(console, explanation)
        _show_policies(console, explanation)
        _show_outcome(console, explanation)


def _show_mapping(console: Console, explanation: Explanation) -> None:
    console.print("Which component?")
    if explanation.answered is None:
        console.print("  none: it is the heartbeat of monitoring itself (settings: watchdog)")
        return
    if not any(attempt[0] is Rule.POLICY for attempt in explanation.attempts):
        console.print(f"  {_NO} {Rule.POLICY.value}: none that matches says `component:`")
    for place, attempt in enumerate(explanation.attempts):
        if attempt[0] is Rule.NONE and place != explanation.answered:
            continue
        is_later = place > explanation.answered
        console.print(
            f"  {_mark(fits=_names_something(attempt[3]))} {plain(_told(attempt))}"
            + (" (an earlier one has answered)" if is_later else "")
        )
        if attempt[0] is Rule.MATCH:
            for one in explanation.components[:_NEAR_MISSES]:
                console.print(f"      {_mark(fits=one.fits)} {plain(one.component)}: {_matchers(one.matchers)}")


def _told(attempt: Attempt) -> str:
    rule, label, text, answer = attempt
    said = _said(answer)
    if rule is Rule.NONE:
        return said or ""
    looked_at = {Rule.POLICY: f": {label} says '{text}'", Rule.MATCH: ""}.get(rule, f": {label}={text}")
    return f"{rule.value}{looked_at}" + (f" → {said}" if said else "")


def _show_policies(console: Console, explanation: Explanation) -> None:
    console.print("Which policies?")
    speaking = [one for one in explanation.policies if one.speaks]
    others = [one for one in explanation.policies if not one.speaks]
    for one in [*speaking, *others[:_NEAR_MISSES]]:
        kind = str(one.policy.mode) if one.policy.do else f"{one.policy.mode}, without playbook"
        console.print(f"  {_mark(fits=one.speaks)} {plain(one.policy.id)} ({kind}): {_matchers(one.matchers)}")
        for node, holds in one.conditions:
            source = one.policy.when.source if one.policy.when is not None else ""
            wrong = " (a value of the wrong kind)" if holds is None else ""
            console.print(f"      {_mark(fits=bool(holds))} on {plain(node)}: when {plain(source)}{wrong}")
    if len(others) > _NEAR_MISSES:
        console.print(f"  {_NO} and {len(others) - _NEAR_MISSES} more; -o json has all")
    if not explanation.policies:
        console.print("  the bundle has none")


def _show_outcome(console: Console, explanation: Explanation) -> None:
    reading = explanation.reading
    console.print("And so")
    for target in reading.mapped.components:
        console.print(plain(f"  it is about {target.node} ({target.how}) and says ") + state_text(reading.sets.value))
    if reading.mapped.service is not None:
        console.print(
            plain(f"  it reports on service {reading.mapped.service.node}: ") + state_text(reading.sets.value)
        )
    for one in explanation.decisions:
        weight = "" if one in explanation.deciding else " (beside)"
        who = f"{one.component or 'no component'}, {one.policy or 'no policy'}"
        console.print(f"  {plain(who)}: {state_text(one.verdict)}{weight}, {plain(one.reason)}")
    if explanation.suppressed:
        console.print(plain(f"  at its source it is {explanation.suppressed}"))


def _matchers(tried: tuple[Tried, ...]) -> str:
    return ", ".join(
        f"{_mark(fits=one.fits)} {plain(str(one.matcher))}" + ("" if one.fits else plain(f" (is '{one.seen}')"))
        for one in tried
    )


def _mark(*, fits: bool) -> str:
    return _YES if fits else _NO
