"""The engine dies before or after any call of the outbox: nothing is lost, and at most what was under way comes twice.
And a storm is told in a handful of messages.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from bsm_remediate.domain.bundle import Bundle, NotifySettings, Settings, Team
from bsm_remediate.domain.on_call import OnCall
from bsm_remediate.domain.policy import Evidence, Mode
from bsm_remediate.domain.route import Route, Rule
from bsm_remediate.errors import StoreUnavailable
from bsm_remediate.testing.builders import alert, bundle, component, policy, service
from bsm_remediate.testing.store import MemoryStore
from bsm_remediate.testing.timeline import BEGIN, Timeline

OPS, ANA, LI = "mailto://ops.example", "mailto://ana.example", "mailto://li.example"
_MOST_CALLS = 60
TEAM = Team(
    name="payments",
    members=("ana", "li"),
    on_call=OnCall(rotation=("ana", "li"), every=timedelta(days=7), start=BEGIN),
)


class Life:
    """The store as one engine sees it: from its call of the outbox number `at` on nothing reaches it any more."""

    def __init__(self, store: MemoryStore, at: int, *, after_it: bool) -> None:
        self._store = store
        self._left = at
        self._after_it = after_it
        self.died_at = ""

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._store, name)

        def calling(*arguments: Any, **named: Any) -> Any:
            if self.died_at:
                raise StoreUnavailable("this engine is dead")
            self._left -= name in {"post", "settle", "messages"}
            if self._left > 0:
                return call(*arguments, **named)
            if self._after_it:
                call(*arguments, **named)
            self.died_at = name
            raise StoreUnavailable("this engine is dead")

        return calling


class Dying(Timeline):
    """Another engine takes over as soon as one has died."""

    def tick(self) -> Any:
        with contextlib.suppress(StoreUnavailable):
            return super().tick()
        self.store = self.stays
        self.restarts()
        return super().tick()

    def _started(self) -> Any:
        with contextlib.suppress(StoreUnavailable):
            return super()._started()
        self.store = self.stays
        return super()._started()

    stays: Any = None


def shop() -> Bundle:
    return bundle(
        component("db-1", owner="payments"),
        service("checkout", requires=["db-1"], loss=300, owner="payments"),
        policy("restart", match={"alertname": "Down"}, evidence=Evidence.DIRECT, mode=Mode.APPROVE),
        settings=Settings(notify=NotifySettings(escalate_after=timedelta(minutes=1), every=timedelta(seconds=30))),
        teams=[TEAM],
        routes=[
            Route(address=OPS, rules=(Rule(team="payments"),)),
            Route(address=ANA, rules=(Rule(person="ana"),)),
            Route(address=LI, rules=(Rule(person="li"),)),
        ],
    )


def told(life: Any, stays: MemoryStore) -> Dying:
    world = Dying.__new__(Dying)
    world.stays = stays
    Timeline.__init__(world, shop(), life)
    world.at("08:59:30").fires("Down", instance="db-1")
    world.at("09:02:00").resolves("Down", instance="db-1")
    world.at("09:04:00")
    return world


def titles(world: Timeline, address: str) -> list[str]:
    return [one.title for one in world.notifier.to(address)]


@pytest.mark.parametrize("after_it", [False, True])
def test_whatever_call_the_engine_dies_at_everybody_hears_everything_and_hardly_anything_twice(after_it: bool) -> None:
    store = MemoryStore()
    whole = told(Life(store, 10_000, after_it=False), store)
    expected = {address: titles(whole, address) for address in (OPS, ANA, LI)}
    assert [len(one) for one in expected.values()] == [2, 2, 2]
    died = set()
    for at in range(1, _MOST_CALLS):
        store = MemoryStore()
        life = Life(store, at, after_it=after_it)
        world = told(life, store)
        if not life.died_at:
            break
        died.add(life.died_at)
        twice = 0
        for address, wanted in expected.items():
            found = Counter(titles(world, address))
            assert set(found) == set(wanted), f"call {at}, {life.died_at}: {address}"
            twice += sum(found.values()) - len(wanted)
        # Each route's message may have been under way.
        assert twice <= len(expected), f"call {at}, {life.died_at}"
        assert [one for one in store.messages() if one.waits] == []
    assert died == {"post", "settle", "messages"}


def test_a_storm_of_ten_thousand_alerts_is_told_in_a_handful_of_messages() -> None:
    names = [f"node-{number}" for number in range(200)]
    world = Timeline(
        bundle(
            *(component(name, owner="payments") for name in names),
            *(service(f"service-{number}", requires=[names[number * 2]], owner="payments") for number in range(100)),
            policy("restart", match={"alertname": "Down"}, evidence=Evidence.DIRECT, mode=Mode.APPROVE),
            teams=[TEAM],
            routes=[
                Route(address=OPS, rules=(Rule(team="payments"),)),
                Route(address=ANA, rules=(Rule(person="ana"),)),
            ],
        ),
        MemoryStore(),
    )
    for minute in range(10):
        batch = names[minute * 20 : (minute + 1) * 20]
        now = world.clock.now()
        many = [
            alert("Down", since=now, instance=name, more={"n": str(number)}) for name in batch for number in range(50)
        ]
        world.store.record([replace(one, received_at=now) for one in many])
        for _ in range(6):
            world.clock.advance(10)
            world.engine.tick()
            world.clock.rest()
    assert len(world.engine.evaluation.situation.alerts) == 10_000  # type: ignore[union-attr]
    assert 2 <= len(world.notifier.to(OPS)) <= 4
    assert 2 <= len(world.notifier.to(ANA)) <= 4
    assert all(len(one.body) <= 1_800 for one in world.notifier.received)
    assert "waits for approval" in world.notifier.to(ANA)[-1].body
