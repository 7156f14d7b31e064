"""An engine with the real parts that kills itself at one event.

    python engine_that_dies.py FOLDER before|after|never NUMBER

NUMBER counts the events of runs from 1. It ends with 0, and prints the kinds of these events, once nothing is left to
do.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bsm_remediate.adapters.sql.store import SqlStore
from bsm_remediate.app import Installation
from bsm_remediate.config.settings import Options
from bsm_remediate.domain.alert import Alert, AlertStatus
from bsm_remediate.domain.event import Event
from bsm_remediate.domain.ids import Fingerprint
from bsm_remediate.engine.options import EngineOptions

FOLDER, WHEN, NUMBER = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
_SETTLED_WITHIN_S = 60.0


class Death:
    """Strikes right before or right after the transaction that writes the chosen event."""

    def __init__(self) -> None:
        self.kinds: list[str] = []
        self._turn = threading.RLock()

    def around(self, write: Callable[..., Any]) -> Callable[..., Any]:
        def writing(store: SqlStore, *arguments: Any) -> Any:
            events: Sequence[Event] = next((one for one in arguments if isinstance(one, list)), [])
            with self._turn:
                before = len(self.kinds)
                self.kinds += [event.kind for event in events if event.kind.startswith("run.")]
                is_time = before < NUMBER <= len(self.kinds)
                if is_time and WHEN == "before":
                    os.kill(os.getpid(), signal.SIGKILL)
                found = write(store, *arguments)
                if is_time and WHEN == "after":
                    os.kill(os.getpid(), signal.SIGKILL)
                return found

        return writing


def main() -> None:
    death = Death()
    for name in ("reserve", "insert", "update", "append"):
        setattr(SqlStore, name, death.around(getattr(SqlStore, name)))
    os.environ["BSM_STATE_DIR"] = str(FOLDER / "state")
    installation = Installation.from_options(Options())
    bundle = installation.load_bundle(scrutinise=False).bundle
    if bundle is None:
        raise SystemExit("the bundle has errors")
    with installation.engine(bundle, EngineOptions(), alone=True) as (engine, store):
        if not store.active():
            now = datetime.now(UTC)
            store.record(
                [
                    Alert(
                        source="test",
                        fingerprint=Fingerprint("a1"),
                        status=AlertStatus.FIRING,
                        labels={"alertname": "Down", "instance": "db-1", "severity": "critical"},
                        starts_at=now,
                        received_at=now,
                    )
                ]
            )
        end = time.monotonic() + _SETTLED_WITHIN_S
        while time.monotonic() < end:
            was_busy = engine.is_busy()
            evaluation = engine.tick()
            if not was_busy and not engine.is_busy() and not evaluation.plan.steps:
                break
            engine.wait(0.1)
        engine.drain(0)
    sys.stdout.write("\n".join(death.kinds))


main()
