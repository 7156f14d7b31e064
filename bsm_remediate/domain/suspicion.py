"""Suspicion: how much of what fails is likely to come from which failing component.

A walk with absorption, as in random-walk root-cause rankings (Kim, Sumbaly, Shah: Root cause detection in a
service-oriented architecture, SIGMETRICS 2013), over the failing part of the map. Suspicion starts where things fail,
one half shared among the failing services by loss, the other among all components that signal, and moves on to what
each requires as far as that can explain it: it began at about the same time, is about as strong, is no worse off for
its own evidence. What nothing below explains stays where it is. Silent components pass on all that comes to them.

Everything is worked off in rounds over arrays, and only where suspicion still moves, so a storm costs what fails.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bsm_remediate.domain.anomaly import Anomalies, Flags, Floats
from bsm_remediate.domain.topology import Adjacency, Numbers

_LAG_S = 60.0
"""Lag between an effect and its cause, either way and beyond the skew, at which a link is believed half as much."""
_LEAD_S, _LATE_S = 90.0, 180.0
"""How long before and after the outage began, beyond the skew, an anomaly counts half: what was there before it is
likely to be something else, what comes later may well belong to it.
"""
_RATIO_POWER = 0.3
"""How much less a weaker anomaly explains a stronger one: the ratio to this power."""
_STRENGTH_POWER = 0.3
"""How much more a stronger anomaly has to be explained."""
_STAY = 0.15
"""Weight of the explanation that it failed by itself, where nothing below fits at all."""
_LEAST_STAY = 0.02
"""Share that stays even where something below fits perfectly."""
_THROUGH_SILENCE = 0.7
"""How much less is believed through each component that should have signalled and didn't."""
_OWN_EVIDENCE = 0.1
"""How much less what lies below explains a component that signals about itself."""
_OWN_WEIGHT = 2.0
"""How much more such a component has to be explained."""
_OWN_MOMENT = 0.1
"""How much less such a signal says about when an outage began: a full memory may have long done no harm."""
_DEMAND_WEIGHT = 0.2
"""How much less a component has to be explained that is only asked too little."""
_STARVED = 0.5
"""How much one such component explains what requires it; where several are, the square of their number less."""
_STARVED_TOO = 0.2
"""How much less where that which requires it is itself asked too little."""
_MAY_BE_DEAD = 0.8
"""How much less that which requires it explains the only one asked too little; of several, the square of their number
less: all of them can't be dead.
"""
_ROUNDS = 500
"""Links in a row that suspicion follows at most: by then all but nothing has settled."""
_ENOUGH = 1e-4
"""Share of all suspicion that needn't be moved any further."""
_MOMENTS = 200
"""Moments tried as the beginning of the outage."""


@dataclass(frozen=True, kw_only=True)
class Links:
    """What fails, by place, and what each place needs that isn't ok: whose failing has a part in it."""

    number: int
    owners: Numbers
    ends: Numbers
    share: Floats
    """By link: how far the end's state accounts for the owner's, within 0..1."""
    is_component: Flags
    """By place: a component, not a service nor a nested formula."""


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What is known about one moment's failures."""

    links: Links
    speakers: Numbers
    """The places that have anomalies, in the order of `anomalies`."""
    anomalies: Anomalies
    loss: Floats
    """By place: weighted loss per minute; of services only."""
    claim: Floats
    """By speaker: how much it has to be explained beside what its signals say; none for mere suspects."""
    skew_s: float


def suspicion(scene: Scene) -> Floats:
    """By speaker, shares of 1; zeros where none of them has to be explained."""
    number = len(scene.speakers)
    if number < 2:
        return np.ones(number)
    return _Walk(scene).shares()


class _Walk:
    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        size = scene.links.number
        self._speaks = np.zeros(size, np.bool_)
        self._speaks[scene.speakers] = True
        anomalies = scene.anomalies
        self._onset_s = np.full(size, np.nan)
        self._strength = np.ones(size)
        self._is_scored = np.zeros(size, np.bool_)
        self._is_own = self._by_place(anomalies.is_own)
        self._starves = self._by_place(anomalies.is_demand_only)
        self._lacks_demand = self._by_place(anomalies.is_demand)
        self._below, turned = Adjacency.of(scene.links.owners, scene.links.ends, size)
        self._share = scene.links.share[turned]
        self._noticed = self._shares_of_services()
        self._relevance = self._relevance_of_speakers()
        self._speak_for_the_silent()

    def shares(self) -> Floats:
        """By speaker."""
        scene = self._scene
        weight = self._relevance[scene.speakers]
        if not weight.any():
            return weight
        mass = np.zeros(scene.links.number)
        mass[scene.speakers] = weight / weight.sum()
        noticed = self._noticed[scene.speakers] * weight
        if noticed.any():
            mass[scene.speakers] += noticed / noticed.sum()
        settled = self._absorbed(mass / mass.sum())[scene.speakers]
        return np.asarray(settled / settled.sum())

    def _by_place(self, flags: Flags) -> Flags:
        found = np.zeros(self._scene.links.number, np.bool_)
        found[self._scene.speakers] = flags
        return found

    # --- where it starts -------------------------------------------------------------------------------------------

    def _shares_of_services(self) -> Floats:
        """By place: the loss that reaches each speaker through silent places; without services, by what is on top."""
        scene, number = self._scene, self._scene.links.number
        mass = scene.loss.copy()
        if not mass.any():
            mass[np.bincount(scene.links.ends, minlength=number) == 0] = 1.0
        if not mass.any():
            mass[scene.speakers] = 1.0
        passes = np.where(self._speaks, 0.0, np.where(scene.links.is_component, _THROUGH_SILENCE, 1.0))
        weight = np.ones(len(self._below.ends))
        return self._moved(mass / mass.sum(), passes, self._below, weight) * self._speaks

    def _relevance_of_speakers(self) -> Floats:
        """By place: how much each speaker has to be explained; on the way, which of its signals speaks for it."""
        scene, anomalies = self._scene, self._scene.anomalies
        relevance = np.zeros(scene.links.number)
        relevance[scene.speakers] = 1.0
        if len(anomalies.owner):
            places = scene.speakers[anomalies.owner]
            weight = anomalies.strength**_STRENGTH_POWER
            began = self._beginning(places, weight)
            weight = weight * _kernel(began - anomalies.onset_s, scene.skew_s, _LEAD_S, _LATE_S)
            order = np.lexsort((-anomalies.onset_s, weight))  # the weightiest last, of equals the earliest
            relevance[places[order]] = weight[order]
            self._onset_s[places[order]] = anomalies.onset_s[order]
            self._strength[places[order]] = anomalies.strength[order]
            self._is_scored[places[order]] = anomalies.is_scored[order]
        relevance[self._is_own] *= _OWN_WEIGHT
        relevance[self._starves] *= _DEMAND_WEIGHT
        relevance[scene.speakers] *= scene.claim
        return relevance

    def _beginning(self, places: Numbers, weight: Floats) -> float:
        """When the outage began: the moment around which most of that was noticed which services lean on."""
        scene, onset_s = self._scene, self._scene.anomalies.onset_s
        weight = weight * self._noticed[places] * np.where(scene.anomalies.is_about_itself, _OWN_MOMENT, 1.0)
        if not weight.any():
            weight = np.ones(len(places))
        moments, which = np.unique(onset_s, return_inverse=True)
        at = np.bincount(which, weight)
        candidates = np.sort(np.argsort(-at, kind="stable")[:_MOMENTS])
        density = [
            float(np.round(at @ _kernel(moment - moments, scene.skew_s, _LEAD_S, _LEAD_S), 9))
            for moment in moments[candidates].tolist()
        ]
        return float(moments[candidates[int(np.argmax(density))]])

    def _speak_for_the_silent(self) -> None:
        """Silent places take over the anomaly below them that matters most."""
        above, _ = Adjacency.of(self._below.ends, self._owners, self._scene.links.number)
        fading = np.where(self._scene.links.is_component, _THROUGH_SILENCE, 1.0)
        active = self._scene.speakers.astype(np.int32)
        for _ in range(_ROUNDS):
            edges = above.edges_from(active)
            counts = above.starts[active + 1] - above.starts[active]
            source, owner = np.repeat(active, counts), above.ends[edges]
            offered = self._relevance[source] * fading[owner]
            better = ~self._speaks[owner] & (offered > self._relevance[owner] * (1 + 1e-9))
            if not better.any():
                return
            source, owner, offered = source[better], owner[better], offered[better]
            order = np.lexsort((-source, offered))
            source, owner, offered = source[order], owner[order], offered[order]
            for of in (self._onset_s, self._strength, self._is_scored, self._is_own, self._starves):
                of[owner] = of[source]
            self._relevance[owner] = offered
            active = np.unique(owner)

    # --- where it goes ---------------------------------------------------------------------------------------------

    @property
    def _owners(self) -> Numbers:
        starts = self._below.starts
        return np.repeat(np.arange(len(starts) - 1, dtype=np.int32), np.diff(starts))

    def _absorbed(self, mass: Floats) -> Floats:
        """By place: what stays there in the end."""
        number = self._scene.links.number
        owners, ends = self._owners, self._below.ends
        weight = self._belief(owners, ends) * self._share
        up, up_weight = self._starved_by(owners, ends)
        graph, turned = Adjacency.of(np.concatenate((owners, ends[up])), np.concatenate((ends, owners[up])), number)
        weight = np.concatenate((weight, up_weight))[turned]
        owners = np.repeat(np.arange(number, dtype=np.int32), np.diff(graph.starts))
        best = np.zeros(number)
        np.maximum.at(best, owners, weight)
        stay = np.where(self._speaks, _STAY * (1 - best), 0.0)
        passes = np.divide(best, best + stay, out=np.zeros(number), where=best > 0)
        passes[self._speaks] *= 1 - _LEAST_STAY
        return self._moved(mass, passes, graph, weight)

    def _belief(self, owners: Numbers, ends: Numbers) -> Floats:
        """By link: how well the end's anomaly explains the owner's."""
        lag = self._onset_s[owners] - self._onset_s[ends]
        belief = np.where(np.isnan(lag), 1.0, _kernel(np.nan_to_num(lag), self._scene.skew_s, _LAG_S, _LAG_S))
        ratio = np.minimum(1.0, self._strength[ends] / self._strength[owners]) ** _RATIO_POWER
        belief *= np.where(self._is_scored[owners] & self._is_scored[ends], ratio, 1.0)
        belief[~self._speaks[ends] & self._scene.links.is_component[ends]] *= _THROUGH_SILENCE
        belief[self._is_own[owners] & self._speaks[owners]] *= _OWN_EVIDENCE
        starved = self._starves[ends]
        siblings = np.bincount(owners[starved], minlength=self._scene.links.number)[owners[starved]]
        belief[starved] *= _STARVED / siblings**2
        belief[starved & self._lacks_demand[owners]] *= _STARVED_TOO
        belief[self._starves[owners] & self._speaks[owners]] = 0.0
        return belief

    def _starved_by(self, owners: Numbers, ends: Numbers) -> tuple[Numbers, Floats]:
        """The links that are to be followed upwards, from what is asked too little to what asks, and their weights."""
        up = np.flatnonzero(self._starves[ends] & self._speaks[ends] & self._speaks[owners]).astype(np.int32)
        siblings = np.bincount(owners[up], minlength=self._scene.links.number)[owners[up]]
        lag = self._onset_s[ends[up]] - self._onset_s[owners[up]]
        belief = np.where(np.isnan(lag), 1.0, _kernel(np.nan_to_num(lag), self._scene.skew_s, _LAG_S, _LAG_S))
        return up, belief * (1 - _MAY_BE_DEAD / siblings**2)

    def _moved(self, mass: Floats, passes: Floats, graph: Adjacency, weight: Floats) -> Floats:
        """By place: the mass that settled, after all places passed on their part until little moves."""
        settled = np.zeros(len(mass))
        active = np.flatnonzero(mass).astype(np.int32)
        amount = mass[active]
        for _ in range(_ROUNDS):
            settled[active] += amount * (1 - passes[active])
            going = amount * passes[active]
            if going.sum() < _ENOUGH:
                break
            active, going = active[going > 0], going[going > 0]
            edges = graph.edges_from(active)
            counts = graph.starts[active + 1] - graph.starts[active]
            of = np.repeat(np.arange(len(active)), counts)
            together = np.bincount(of, weight[edges], minlength=len(active))
            part = weight[edges] / np.where(together > 0, together, 1.0)[of]
            active, which = np.unique(graph.ends[edges], return_inverse=True)
            amount = np.bincount(which, going[of] * part, minlength=len(active)).astype(np.float64)
        return settled


def _kernel(lead_s: Floats, skew_s: float, half_before_s: float, half_after_s: float) -> Floats:
    """1 within the skew, one half at the given time beyond it, and slowly less: far off is unlikely, not impossible."""
    beyond = np.maximum(0.0, np.abs(lead_s) - skew_s) / np.where(lead_s > 0, half_before_s, half_after_s)
    return np.asarray(1 / (1 + beyond * beyond))
