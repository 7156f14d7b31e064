"""The shop of the lab with a real engine that repairs it, and the times that this took."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator

import pytest

from lab.real.engine import LabEngine, until
from lab.real.faults import mend_all
from lab.real.shop import Lab
from lab.real.stopwatch import Stopwatch

_STOPWATCH = Stopwatch()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Beside the whole time the part that isn't the engine's: until Prometheus and Alertmanager had told it."""
    for number, line in enumerate(_STOPWATCH.table()):
        if number == 0:
            terminalreporter.section("lab: seconds since kill -9")
        terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def stopwatch() -> Stopwatch:
    return _STOPWATCH


@pytest.fixture(scope="module")
def serving(real_lab: Lab) -> Iterator[LabEngine]:
    """An engine for the lab, ended with the module: other tests break things that nobody may repair for them."""
    real_lab.wait_until_well(time.monotonic() + 30)
    engine = LabEngine(real_lab)
    engine.start()
    yield engine
    engine.stop()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test that fails shows what the engine thought and did."""
    report = yield
    shop = getattr(item, "funcargs", {}).get("shop")
    if report.when == "call" and report.failed and isinstance(shop, LabEngine):
        report.sections.append(("engine", shop.account()))
    return report


@pytest.fixture
def shop(serving: LabEngine) -> Iterator[LabEngine]:
    """The engine of a shop that is well, and is well again afterwards, whatever a test has left broken."""
    yield serving
    if not serving.is_running:
        serving.start()
    try:
        serving.lab.wait_until_well(time.monotonic() + 2)
    except RuntimeError:
        mend_all(serving.lab)
    for row in serving.listing("components"):
        serving.ask("release", target=row["id"])  # the tests break the same things so often that they count as flapping
    until(lambda: _is_calm(serving), "nothing alerts or runs in the engine", within_s=90)


def _is_calm(engine: LabEngine) -> bool:
    if engine.is_busy():
        return False
    if engine.alerts():
        engine.read_sources()  # instead of waiting for the minute
        time.sleep(1)
    return not engine.alerts()
