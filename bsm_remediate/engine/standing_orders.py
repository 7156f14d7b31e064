"""People's controls that stand for a time: pause, hold, maintenance, goal, and what lifts them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from bsm_remediate.domain.ids import NodeId, PolicyId, RunId
from bsm_remediate.domain.scope import scope_named, scope_of_run
from bsm_remediate.domain.situation import Hold, MaintenanceWindow, Pause
from bsm_remediate.domain.standing_orders import covered_by, is_over
from bsm_remediate.engine.desk import Answer, Desk, refused
from bsm_remediate.records import Control, Standing


def pause(desk: Desk, wish: Control, standing: Standing) -> Answer:
    """No new runs, of everything or of the part that `scope` names; with `cancel_running` those under way end too."""
    scope, problem = scope_named(wish.details.get("scope", ""), desk.bundle)
    if problem:
        return refused(standing, problem)
    ordered = Pause(who=wish.who, reason=wish.reason, since=desk.now, until=wish.until, scope=scope)
    stands = replace(standing, pauses=(*standing.pauses, ordered))
    text = f"no new runs are started{f' of {scope}' if scope else ''}"
    if wish.details.get("cancel_running") != "yes":
        return Answer(done=True, text=text, standing=stands)
    stopped = [
        run.id
        for run in desk.store.runs(since=desk.now)
        if run.state.holds_locks and scope_of_run(scope, run, desk.bundle)
    ]
    stands = replace(stands, cancelling=(*still_going(desk, standing), *stopped))
    return Answer(done=True, text=f"{text}; {len(stopped)} under way are being stopped", standing=stands)


def resume(desk: Desk, wish: Control, standing: Standing) -> Answer:
    """Ends all pauses, or only those of `scope`."""
    if not standing.pauses:
        return refused(standing, "the engine is not paused")
    if "scope" not in wish.details:
        return Answer(done=True, text="runs are started again", standing=replace(standing, pauses=()))
    scope, problem = scope_named(wish.details["scope"], desk.bundle)
    others = tuple(one for one in standing.pauses if one.scope not in {scope, wish.details["scope"]})
    if len(others) == len(standing.pauses):
        paused = ", ".join(one.scope or "everything" for one in others)
        return refused(standing, problem or f"{scope} is not paused by itself; paused: {paused}")
    return Answer(done=True, text=f"runs of {scope} are started again", standing=replace(standing, pauses=others))


def hold(desk: Desk, wish: Control, standing: Standing) -> Answer:
    components = desk.bundle.service_map.components
    if wish.target not in components and all(one.host != wish.target for one in components.values()):
        return refused(standing, f"'{wish.target}' is neither a component nor a host of one")
    ordered = Hold(target=wish.target, who=wish.who, reason=wish.reason, since=desk.now, until=wish.until)
    others = tuple(one for one in standing.holds if one.target != wish.target)
    return Answer(
        done=True, text=f"nothing is run on {wish.target}", standing=replace(standing, holds=(*others, ordered))
    )


def release(desk: Desk, wish: Control, standing: Standing) -> Answer:
    """Gives a component or host back to the engine, or closes a policy's breaker."""
    component, policy = NodeId(wish.target), PolicyId(wish.target)
    is_component = component in desk.bundle.service_map.components
    is_policy = policy in desk.bundle.policies
    if not is_component and not is_policy and all(one.target != wish.target for one in standing.holds):
        return refused(standing, f"'{wish.target}' is neither a component nor a policy, nor held")
    released = {**standing.released, **({component: desk.now} if is_component else {})}
    closed = {**standing.closed, **({policy: desk.now} if is_policy else {})}
    holds = tuple(one for one in standing.holds if one.target != wish.target)
    text = f"{wish.target} is the engine's again" if not is_policy else f"the breaker of {wish.target} is closed"
    return Answer(done=True, text=text, standing=replace(standing, holds=holds, released=released, closed=closed))


def adopt(desk: Desk, wish: Control, standing: Standing) -> Answer:
    policy = PolicyId(wish.target)
    if policy not in desk.bundle.policies:
        return refused(standing, f"there is no policy '{policy}'")
    return Answer(
        done=True,
        text=f"{policy} may act on signals that began before it",
        standing=replace(standing, adopted={**standing.adopted, policy: desk.now}),
    )


def goal(desk: Desk, wish: Control, standing: Standing) -> Answer:
    if wish.target not in desk.bundle.goals:
        return refused(standing, f"there is no goal '{wish.target}'; there are {', '.join(sorted(desk.bundle.goals))}")
    return Answer(done=True, text=f"the goal is {wish.target} now", standing=replace(standing, goal=wish.target))


def maintain(desk: Desk, wish: Control, standing: Standing) -> Answer:
    """A window on a component, set, pool, host or service, from `from` (else now) to `until`, or by `calendar`."""
    if not covered_by(wish.target, desk.bundle):
        return refused(standing, f"'{wish.target}' is no component, set, pool, host or service")
    calendar = wish.details.get("calendar", "")
    if calendar and calendar not in desk.bundle.calendars:
        known = ", ".join(sorted(desk.bundle.calendars)) or "none"
        return refused(standing, f"there is no calendar '{calendar}'; there are {known}")
    try:
        since = datetime.fromisoformat(wish.details["from"]) if wish.details.get("from") else desk.now
        since = since.astimezone(UTC) if since.tzinfo is not None else since
    except (ValueError, OverflowError):
        return refused(standing, f"'{wish.details['from']}' is no time like 2026-01-05T22:00:00+00:00")
    if since.tzinfo is None:
        return refused(standing, f"'{wish.details['from']}' says no time zone")
    if wish.until is not None and wish.until <= max(since, desk.now):
        return refused(standing, "it would be over before it begins")
    if wish.until is None and not calendar:
        return refused(standing, "say when it ends, or by which calendar")
    window = MaintenanceWindow(
        id=f"m{wish.id}",
        target=wish.target,
        who=wish.who,
        reason=wish.reason,
        since=since,
        until=wish.until,
        calendar=calendar,
    )
    others = tuple(one for one in standing.maintenance if not is_over(one, desk.now))
    text = f"{window.id}: {wish.target} is in maintenance {_when(window)}"
    return Answer(done=True, text=text, standing=replace(standing, maintenance=(*others, window)))


def end_maintenance(_desk: Desk, wish: Control, standing: Standing) -> Answer:
    """Ends that window, or all on that target."""
    ended = [one for one in standing.maintenance if wish.target in {one.id, one.target}]
    if not ended:
        return refused(standing, f"there is no maintenance '{wish.target}'")
    others = tuple(one for one in standing.maintenance if one not in ended)
    text = f"{', '.join(f'{one.id} on {one.target}' for one in ended)} ended"
    return Answer(done=True, text=text, standing=replace(standing, maintenance=others))


def _when(window: MaintenanceWindow) -> str:
    during = f" while calendar {window.calendar} is in force" if window.calendar else ""
    until = f" until {window.until:%Y-%m-%d %H:%M} UTC" if window.until is not None else ""
    return f"from {window.since:%Y-%m-%d %H:%M} UTC{until}{during}"


def still_going(desk: Desk, standing: Standing) -> tuple[RunId, ...]:
    """Those of the runs that are being stopped that aren't over yet."""
    known = {one: desk.store.run(one) for one in standing.cancelling}
    return tuple(one for one, run in known.items() if run is not None and not run.state.is_over)
