"""The gate right before a playbook, and the file PAUSED: what was ordered since the decision stops the beginning."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bsm_remediate.adapters.pause_file import PauseFile
from bsm_remediate.domain.run import Run, RunEnd, RunState
from bsm_remediate.domain.situation import Hold, Pause
from bsm_remediate.engine.start_gate import StartGate
from bsm_remediate.records import Standing
from bsm_remediate.testing.builders import bundle, component, run
from bsm_remediate.testing.clock import VirtualClock
from bsm_remediate.testing.store import MemoryStore
from bsm_remediate.testing.timeline import BEGIN, Timeline
from tests.unit.pair import SHOP, Pair, bundle_of

NINE = datetime(2026, 1, 5, 9, tzinfo=UTC)


class Gate:
    """A gate with what it has told the others, and a run in front of it."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.said: list[int] = []
        self.brake: Pause | None = None
        self.run: Run = run("db-1", "restart", state=RunState.QUEUED)
        self.gate = StartGate(
            self.store,
            VirtualClock(NINE),
            bundle=lambda: bundle(component("db-1")),
            brake=lambda: self.brake,
            saw=self.said.append,
        )

    def passes(self) -> tuple[str, bool]:
        """The objection, and whether it has begun all the same."""
        begun: list[bool] = []
        return self.gate.pass_through(self.run, lambda: begun.append(True)), bool(begun)


def pause(scope: str = "", *, minutes: float | None = None) -> Pause:
    until = NINE + timedelta(minutes=minutes) if minutes is not None else None
    return Pause(who="ana", reason="smoke", since=NINE, scope=scope, until=until)


@pytest.mark.parametrize(
    ("standing", "objection"),
    [
        (Standing(), ""),
        (Standing(pauses=(pause(),)), "paused by ana"),
        (Standing(pauses=(pause("component:db-1"),)), "paused by ana"),
        (Standing(pauses=(pause("component:other"),)), ""),
        (Standing(pauses=(pause("of a later version:x"),)), "paused by ana"),
        (Standing(pauses=(pause(minutes=0),)), ""),
        (Standing(holds=(Hold(target="db-1", who="li", reason="disk", since=NINE),)), "li works on db-1"),
        (Standing(holds=(Hold(target="w-1", who="li", reason="disk", since=NINE),)), ""),
        (Standing(holds=(Hold(target="db-1", who="li", reason="disk", since=NINE, until=NINE),)), ""),
    ],
)
def test_what_stands_at_that_moment_counts(standing: Standing, objection: str) -> None:
    gate = Gate()
    gate.store.stand(standing)
    assert gate.passes() == (objection, not objection)


def test_the_brake_from_outside_the_store_counts_too() -> None:
    gate = Gate()
    gate.brake = Pause(who="the file PAUSED", reason="", since=NINE)
    assert gate.passes() == ("paused by the file PAUSED", False)


def test_nobody_is_told_that_an_order_is_kept_while_something_passes_that_does_not_know_of_it() -> None:
    gate = Gate()
    passing, go_on = threading.Event(), threading.Event()

    def begin() -> None:
        passing.set()
        assert go_on.wait(10)

    run_ = threading.Thread(target=gate.gate.pass_through, args=(gate.run, begin))
    run_.start()
    assert passing.wait(10)
    gate.store.stand(Standing(pauses=(pause(),), served=1))
    tick = threading.Thread(target=gate.gate.has_seen, args=(gate.store.standing(),))
    tick.start()
    tick.join(0.2)
    assert gate.said == []
    go_on.set()
    tick.join(10)
    run_.join(10)
    assert gate.said == [1]
    assert gate.passes() == ("paused by ana", False)


@pytest.fixture(params=[Timeline, Pair], ids=["one engine", "two that lead in turns"])
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Timeline:
    made: Timeline = request.param(bundle_of(SHOP, tmp_path), MemoryStore())
    return made.at("09:00:00")


def braked_between(shop: Timeline) -> None:
    """The file appears after the decision, and nobody but that engine knows of it."""
    looking = shop.prober.look

    def look(*arguments: object, **named: object) -> object:
        shop.brake = Pause(who="the file PAUSED", reason="fire drill", since=BEGIN)
        shop.prober.look = looking  # type: ignore[method-assign]
        return looking(*arguments, **named)  # type: ignore[arg-type]

    shop.prober.look = look  # type: ignore[method-assign, assignment]
    shop.fires("Down", instance="db-1")
    assert shop.run_of("db-1").state is RunState.QUEUED


def test_a_run_that_finds_the_file_waits_for_its_end(shop: Timeline) -> None:
    braked_between(shop)
    shop.at("09:00:30")
    assert (shop.run_of("db-1").state, shop.executor.calls) == (RunState.QUEUED, [])
    shop.brake = None
    shop.at("09:00:31")
    assert shop.run_of("db-1").state is RunState.RUNNING


def test_after_a_minute_it_is_decided_anew(shop: Timeline) -> None:
    braked_between(shop)
    shop.at("09:01:05")
    assert (shop.run_of("db-1").end, shop.executor.calls) == (RunEnd.DECIDED_ANEW, [])
    assert shop.run_of("db-1").outcome == "not begun: paused by the file PAUSED"


def test_without_the_file_there_is_no_pause(tmp_path: Path) -> None:
    assert PauseFile(tmp_path)() is None


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", ""),
        (b"fire drill\nsecond line\n", "fire drill"),
        (b"\xff\xfe\x1b[31mred\n", "\ufffd\ufffd[31mred"),
        (b"x" * 10_000, "x" * 200),
    ],
)
def test_whatever_is_in_the_file_it_pauses(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "PAUSED").write_bytes(content)
    found = PauseFile(tmp_path)()
    assert found is not None
    assert (found.scope, found.reason, found.until) == ("", reason, None)


def test_a_folder_a_dangling_link_or_a_place_that_cannot_be_looked_at_pauses_too(tmp_path: Path) -> None:
    (tmp_path / "folder" / "PAUSED").mkdir(parents=True)
    (tmp_path / "link").mkdir()
    (tmp_path / "link" / "PAUSED").symlink_to("nowhere")
    assert PauseFile(tmp_path / "folder")() is not None
    assert PauseFile(tmp_path / "link")() is not None
    (tmp_path / "a file").touch()
    found = PauseFile(tmp_path / "a file")()
    assert found is not None
    assert found.reason.startswith("it can't be looked at")
