"""The database fails a run at its n-th call, for all n: the run waits, and goes on to its end."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from bsm_remediate.domain.policy import Check, CheckKind, Evidence, Mode
from bsm_remediate.domain.run import RunState
from bsm_remediate.domain.work_order import Written
from bsm_remediate.errors import StoreUnavailable
from bsm_remediate.testing.builders import alternative, bundle, component, policy, service
from bsm_remediate.testing.store import MemoryStore
from bsm_remediate.testing.timeline import Timeline

_MOST_CALLS = 200


class StumblingStore(MemoryStore):
    """Fails the threads of runs once, at their call number `at`."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self.left = at
        self.failed = ""

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if name.startswith("_") or not callable(found):
            return found
        call: Callable[..., Any] = found

        def stumbling(*arguments: Any, **named: Any) -> Any:
            if threading.current_thread().name.startswith("run-"):
                self.left -= 1
                if self.left == 0:
                    self.failed = name
                    raise StoreUnavailable("it is away")
            return call(*arguments, **named)

        return stumbling


def test_a_run_whose_store_fails_at_any_call_goes_on_to_its_end() -> None:
    check = Check(kind=CheckKind.TCP, target=Written("db-1:5432"))
    shop = bundle(
        component("db-1"),
        service("checkout", requires=["db-1"], loss=300),
        policy(
            "restart",
            match={"alertname": "Down"},
            evidence=Evidence.DIRECT,
            do=(alternative("restart.yml", seconds=5),),
            verify=(check,),
            mode=Mode.AUTO,
        ),
    )
    failed = []
    for at in range(1, _MOST_CALLS):
        store = StumblingStore(at)
        told = Timeline(shop, store)
        told.at("09:00:00").fires("Down", instance="db-1")
        told.at("09:01:30")
        if not store.failed:
            break
        failed.append(store.failed)
        [run] = told.runs()
        assert run.state is RunState.SUCCEEDED, f"call {at}, {store.failed}: {run.state}: {run.outcome}"
        assert run.attempt == len(told.executor.calls) == 1, f"call {at}, {store.failed}"
    assert {"order", "claim", "run", "update", "append", "standing"} <= set(failed)
