"""Rebalancing in words: what moves, what it brings, what it costs."""

from __future__ import annotations

from bsm_remediate.domain.rebalancing import NOTHING, Rebalancing, Share

_NAMED = 3
_HARDLY = 0.0005
"""Share of the traffic that is shown as none."""


def rebalancing_words(found: Rebalancing, currency: str) -> str:
    """One line: what would be done and why, or why nothing."""
    if not found.is_possible:
        return f"no member of {found.pool.id} is available: {_unavailable(found)}"
    if not found.helps:
        return f"{found.pool.id} is as good as it gets: {_standing(found, currency)}"
    parts = [f"moves {found.moved:.1%} of the traffic of {found.pool.id} away from {_names(found)}"]
    if found.moved < _HARDLY:
        parts = [f"leaves the traffic of {found.pool.id} where it is"]
    if found.gain.money > 0:
        parts.append(f"saves {found.gain.money:,.2f} of {found.now.money:,.2f} {currency}/min")
    elif found.gain.weighted > 0:
        parts.append(f"lowers the loss by {found.gain.weighted:,.2f}/min as the goal weighs it")
    else:
        before = max(one.use for one in found.members if not one.unavailable)
        after = max(one.use_after for one in found.members if not one.unavailable)
        parts.append(f"the fullest member is at {after:.0%} then instead of {before:.0%}")
    again = [one.name for one in found.traffic if one.turned_away > NOTHING and one.shed <= 0]
    if again:
        parts.append(f"there is room for all of {', '.join(again)} again")
    shed = shed_words(found)
    return "; ".join([*parts, shed] if shed else parts)


def shed_words(found: Rebalancing) -> str:
    """What can't be served, the least valuable first; empty when all can."""
    shed = sorted((one for one in found.traffic if one.shed > 0), key=lambda one: one.rate.weighted / one.load)
    return "there is no room for " + ", ".join(f"{one.shed:.1%} of {one.name}" for one in shed) if shed else ""


def turned_away(found: Rebalancing) -> str:
    """Of what a part is turned away now; empty: of nothing."""
    return ", ".join(one.name for one in found.traffic if one.turned_away > NOTHING)


def _standing(found: Rebalancing, currency: str) -> str:
    away = [f"{one.turned_away:.0%} of {one.name}" for one in found.traffic if one.turned_away > NOTHING]
    if away:
        return f"there is no room for the {', '.join(away)} that is turned away"
    if found.now.money > 0:
        return f"losing {found.now.money:,.2f} {currency}/min, which other weights hardly lower"
    if found.pressed > found.least:
        return "all have room, and whoever is pressed can hardly be relieved by the others"
    return "all have room, and no member is pressed"


def _names(found: Rebalancing) -> str:
    """The members that give most, the most first."""
    giving = sorted(
        (one for one in found.members if one.weight > one.weight_after),
        key=lambda one: (one.weight_after - one.weight, one.member),
    )
    shown = ", ".join(_full(one) for one in giving[:_NAMED])
    return f"{shown} and {len(giving) - _NAMED} more" if len(giving) > _NAMED else shown or "none"


def _full(one: Share) -> str:
    return f"{one.member} ({one.unavailable})" if one.unavailable else f"{one.member} (at {one.use:.0%})"


def _unavailable(found: Rebalancing) -> str:
    away = [f"{one.member} ({one.unavailable})" for one in found.members if one.unavailable]
    return ", ".join(away[:_NAMED]) + (f" and {len(away) - _NAMED} more" if len(away) > _NAMED else "")
