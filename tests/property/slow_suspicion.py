"""Suspicion as docs/causes.md says it, place by place and link by link: slow and obvious."""

from __future__ import annotations

from collections import defaultdict

import bsm_remediate.domain.suspicion as fast
from bsm_remediate.domain.suspicion import Scene


def kernel(lead_s: float, skew_s: float, before_s: float, after_s: float) -> float:
    beyond = max(0.0, abs(lead_s) - skew_s) / (before_s if lead_s > 0 else after_s)
    return 1 / (1 + beyond**2)


class Slow:
    """Everything by place: `relevance`, `onset`, `strength` and so on of what speaks there or is spoken for."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.below: dict[int, list[tuple[int, float]]] = defaultdict(list)
        links = scene.links
        for owner, end, share in zip(links.owners.tolist(), links.ends.tolist(), links.share.tolist(), strict=True):
            self.below[owner].append((end, share))
        self.speakers: list[int] = scene.speakers.tolist()
        self.place_of = dict(enumerate(self.speakers))
        said = scene.anomalies
        self.own = {place for place, is_own in zip(self.speakers, said.is_own, strict=True) if is_own}
        self.starved = {place for place, it in zip(self.speakers, said.is_demand_only, strict=True) if it}
        self.asked_less = {place for place, it in zip(self.speakers, said.is_demand, strict=True) if it}
        self.onset: dict[int, float] = {}
        self.strength: dict[int, float] = {}
        self.scored: dict[int, float] = {}
        self.relevance: dict[int, float] = {}

    def is_silent_component(self, place: int) -> bool:
        return place not in self.speakers and bool(self.scene.links.is_component[place])

    def shares(self) -> list[float]:
        if len(self.speakers) < 2:
            return [1.0] * len(self.speakers)
        noticed = self.noticed()
        self.weigh(noticed)
        self.speak_for_the_silent()
        start = {place: self.relevance[place] for place in self.speakers}
        if not any(start.values()):
            return [0.0] * len(start)
        leaning = {place: noticed.get(place, 0.0) * start[place] for place in self.speakers}
        mass = scaled(start)
        if any(leaning.values()):
            mass = scaled({place: mass[place] + share for place, share in scaled(leaning).items()})
        settled = self.absorbed(mass)
        return list(scaled({place: settled.get(place, 0.0) for place in self.speakers}).values())

    def noticed(self) -> dict[int, float]:
        places = range(self.scene.links.number)
        mass = {place: float(loss) for place, loss in enumerate(self.scene.loss) if loss}
        if not mass:
            needed = {end for links in self.below.values() for end, _ in links}
            mass = {place: 1.0 for place in places if place not in needed}
        if not mass:
            mass = dict.fromkeys(self.speakers, 1.0)
        passing = {}
        for place in places:
            part = 0.0 if place in self.speakers else fast._THROUGH_SILENCE if self.is_silent_component(place) else 1.0
            passing[place] = (part, [(end, 1.0) for end, _ in self.below[place]])
        return {place: part for place, part in self.moved(scaled(mass), passing).items() if place in self.speakers}

    def weigh(self, noticed: dict[int, float]) -> None:
        said = self.scene.anomalies
        signals = [
            (self.place_of[owner], onset, strength, scored, about)
            for owner, onset, strength, scored, about in zip(
                said.owner.tolist(),
                said.onset_s.tolist(),
                said.strength.tolist(),
                said.is_scored.tolist(),
                said.is_about_itself.tolist(),
                strict=True,
            )
        ]
        self.relevance = dict.fromkeys(self.speakers, 1.0)
        began = self.beginning(signals, noticed) if signals else 0.0
        best: dict[int, tuple[float, float]] = {}
        for place, onset, strength, scored, _ in signals:
            weight = strength**fast._STRENGTH_POWER * self.near(began - onset, fast._LEAD_S, fast._LATE_S)
            if (weight, -onset) > best.get(place, (-1.0, 0.0)):
                best[place] = (weight, -onset)
                self.relevance[place] = weight
                self.onset[place], self.strength[place], self.scored[place] = onset, strength, scored
        for place, claim in zip(self.speakers, self.scene.claim.tolist(), strict=True):
            if place in self.own:
                self.relevance[place] *= fast._OWN_WEIGHT
            if place in self.starved:
                self.relevance[place] *= fast._DEMAND_WEIGHT
            self.relevance[place] *= claim

    def beginning(self, signals: list[tuple[int, float, float, bool, bool]], noticed: dict[int, float]) -> float:
        weighed = [
            (onset, strength**fast._STRENGTH_POWER * noticed.get(place, 0.0) * (fast._OWN_MOMENT if about else 1.0))
            for place, onset, strength, _, about in signals
        ]
        if not any(weight for _, weight in weighed):
            weighed = [(onset, 1.0) for onset, _ in weighed]

        def density(moment: float) -> float:
            near = (weight * self.near(moment - onset, fast._LEAD_S, fast._LEAD_S) for onset, weight in weighed)
            return float(round(sum(near), 9))

        return max(sorted({onset for onset, _ in weighed}), key=density)

    def near(self, lead_s: float, before_s: float, after_s: float) -> float:
        return kernel(lead_s, self.scene.skew_s, before_s, after_s)

    def speak_for_the_silent(self) -> None:
        changed = True
        while changed:
            changed = False
            for place in range(self.scene.links.number):
                if place in self.speakers:
                    continue
                fading = fast._THROUGH_SILENCE if self.scene.links.is_component[place] else 1.0
                for end, _ in sorted(self.below[place], reverse=True):
                    offered = self.relevance.get(end, 0.0) * fading
                    if offered > self.relevance.get(place, 0.0) * (1 + 1e-9):
                        self.relevance[place] = offered
                        for told in (self.onset, self.strength, self.scored):
                            told.pop(place, None)
                            if end in told:
                                told[place] = told[end]
                        for group in (self.own, self.starved):
                            (group.add if end in group else group.discard)(place)
                        changed = True

    def absorbed(self, mass: dict[int, float]) -> dict[int, float]:
        links: dict[int, list[tuple[int, float]]] = defaultdict(list)
        for owner, ends in self.below.items():
            starved = [end for end, _ in ends if end in self.starved]
            for end, share in ends:
                links[owner].append((end, self.belief(owner, end, len(starved)) * share))
            spoken = [end for end in starved if end in self.speakers and owner in self.speakers]
            for end in spoken:
                links[end].append((owner, self.lag(end, owner) * (1 - fast._MAY_BE_DEAD / len(spoken) ** 2)))
        passing = {}
        for place in range(self.scene.links.number):
            best = max((weight for _, weight in links[place]), default=0.0)
            part = float(best > 0)
            if best > 0 and place in self.speakers:
                part = best / (best + fast._STAY * (1 - best)) * (1 - fast._LEAST_STAY)
            passing[place] = (part, links[place])
        return self.moved(mass, passing)

    def belief(self, owner: int, end: int, starved: int) -> float:
        if owner in self.starved and owner in self.speakers:
            return 0.0
        belief = self.lag(owner, end)
        if self.scored.get(owner) and self.scored.get(end):
            belief *= min(1.0, self.strength[end] / self.strength[owner]) ** fast._RATIO_POWER
        if self.is_silent_component(end):
            belief *= fast._THROUGH_SILENCE
        if owner in self.own and owner in self.speakers:
            belief *= fast._OWN_EVIDENCE
        if end in self.starved:
            belief *= fast._STARVED / starved**2 * (fast._STARVED_TOO if owner in self.asked_less else 1.0)
        return belief

    def lag(self, owner: int, end: int) -> float:
        if owner not in self.onset or end not in self.onset:
            return 1.0
        return self.near(self.onset[owner] - self.onset[end], fast._LAG_S, fast._LAG_S)

    def moved(
        self, mass: dict[int, float], passing: dict[int, tuple[float, list[tuple[int, float]]]]
    ) -> dict[int, float]:
        settled: dict[int, float] = defaultdict(float)
        for _ in range(fast._ROUNDS):
            under_way: dict[int, float] = defaultdict(float)
            for place, amount in mass.items():
                part, links = passing[place]
                settled[place] += amount * (1 - part)
                together = sum(weight for _, weight in links)
                for end, weight in links:
                    under_way[end] += amount * part * weight / together if together else 0.0
            mass = under_way
            if sum(mass.values()) < 1e-5:
                break
        return settled


def scaled(mass: dict[int, float]) -> dict[int, float]:
    together = sum(mass.values())
    return {place: amount / together for place, amount in mass.items()}
