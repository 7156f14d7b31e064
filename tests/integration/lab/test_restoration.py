"""Real processes are killed; real alerts lead, over SSH, to services that work again."""

from __future__ import annotations

from datetime import datetime

import pytest

from lab.real.engine import LabEngine, now, until
from lab.real.faults import DISK, break_, mend
from lab.real.layout import PROGRAMS
from lab.real.stopwatch import Stopwatch


def _seconds(since: datetime, moment: str) -> float:
    return (datetime.fromisoformat(moment) - since).total_seconds()


@pytest.mark.parametrize(
    ("component", "alertname"),
    [("cache", "CacheDown"), ("web-1", "WebServerDown"), ("lb", "LoadBalancerDown")],
)
def test_a_killed_process_is_restored_and_verified(
    shop: LabEngine, stopwatch: Stopwatch, component: str, alertname: str
) -> None:
    program = next(one for one in PROGRAMS if one.component == component)
    killed = now()
    break_(shop.lab, component)
    until(lambda: (alertname, component) in shop.alerts(), f"{alertname} has arrived")
    received = shop.alerts()[alertname, component]["received_at"]
    until(lambda: shop.lab.answers(program), f"{component} answers")
    serving = (now() - killed).total_seconds()
    until(lambda: shop.run(since=killed, component=component, state="succeeded"), f"{component} is verified")
    (run,) = shop.runs(since=killed)
    assert (run["component"], run["playbook"], run["attempt"]) == (component, "restart_service.yml", 1)
    assert run["end"] == "restored"
    until(lambda: shop.lab.page("/checkout") == shop.lab.page("/catalogue") == 200, "customers are served")
    stopwatch.note(
        f"{component} alone",
        told=_seconds(killed, received),
        started=_seconds(killed, run["started_at"]),
        serving=serving,
        verified=_seconds(killed, run["ended_at"]),
    )


def test_of_several_killed_at_once_the_one_that_stops_the_most_loss_is_restored_first(
    shop: LabEngine, stopwatch: Stopwatch
) -> None:
    broken = {"web-2": "WebServerDown", "standby": "StandbyDown", "cache": "CacheDown", "database": "DatabaseDown"}
    killed = now()
    shop.ask("pause", reason="until all alerts are there, so that the order is the engine's and not the alerts'")
    for component in broken:
        break_(shop.lab, component)
    wanted = {(alertname, component) for component, alertname in broken.items()}
    until(lambda: wanted <= shop.alerts().keys(), "all alerts have arrived")
    received = max(shop.alerts()[key]["received_at"] for key in wanted)
    services = {row["id"]: (row["state"], row["loss_per_minute"]) for row in shop.listing("services")}
    assert services == {"checkout": ("down", 300.0), "catalogue": ("down", 100.0), "reporting": ("down", 12.0)}
    shop.ask("resume")
    until(
        lambda: {run["component"] for run in shop.runs(since=killed) if run["state"] == "succeeded"} == broken.keys(),
        "all four are restored",
        within_s=90,
    )
    until(lambda: shop.lab.page("/checkout") == shop.lab.page("/catalogue") == 200, "customers are served")
    serving = (now() - killed).total_seconds()
    runs = sorted(shop.runs(since=killed), key=lambda run: run["started_at"])
    assert [run["component"] for run in runs[:2]] == ["database", "cache"]
    assert sorted(run["component"] for run in runs) == sorted(broken)
    stopwatch.note(
        "four at once, after a pause",
        told=_seconds(killed, received),
        started=_seconds(killed, runs[0]["started_at"]),
        serving=serving,
        verified=max(_seconds(killed, run["ended_at"]) for run in runs),
    )


def test_symptoms_are_not_acted_on(shop: LabEngine) -> None:
    symptoms = [("WebServerOut", "web-1"), ("WebServerOut", "web-2"), ("PageFails", "app")]
    killed = now()
    shop.ask("hold", target="database", reason="so that there is time to look at what else alerts")
    break_(shop.lab, "database")
    until(lambda: all(symptom in shop.alerts() for symptom in symptoms), "the symptoms alert too")
    until(lambda: shop.verdict("DatabaseDown", "database")[0] == "held_by", "somebody works on the database")
    for symptom in symptoms:
        verdict, reason = shop.verdict(*symptom)
        assert (verdict, reason.split()[0]) == ("symptom", "requires")
    shop.ask("release", target="database")
    until(lambda: shop.run(since=killed, component="database", state="succeeded"), "the database is restored")
    until(lambda: not shop.alerts(), "no alert is left")
    assert [run["component"] for run in shop.runs(since=killed)] == ["database"]


def test_a_host_that_nobody_can_log_in_to_goes_to_the_person_on_call(shop: LabEngine) -> None:
    killed = now()
    break_(shop.lab, "ssh@web2")
    break_(shop.lab, "web-2")
    until(lambda: shop.run(since=killed, component="web-2", state="escalated"), "web-2 is handed over")
    tried = shop.runs(since=killed)
    assert [(run["playbook"], run["state"], run["end"]) for run in tried] == [
        ("restart_service.yml", "failed", "unreachable"),
        ("collect_diagnostics.yml", "escalated", "unreachable"),
    ]
    assert "on call for shop, must take over" in tried[-1]["outcome"]
    until(lambda: shop.verdict("WebServerDown", "web-2")[0] == "held_by", "it is left to that person")
    assert shop.lab.page("/checkout") == 200  # the other one serves
    mend(shop.lab, "ssh@web2")
    released = now()
    shop.ask("release", target="web-2")
    until(
        lambda: shop.run(since=released, component="web-2", state="succeeded"), "it is restored once that is possible"
    )


def test_after_a_playbook_that_fails_the_next_alternative_is_tried(shop: LabEngine, stopwatch: Stopwatch) -> None:
    killed = now()
    break_(shop.lab, DISK)
    until(lambda: ("DatabaseDown", "database") in shop.alerts(), "DatabaseDown has arrived")
    received = shop.alerts()["DatabaseDown", "database"]["received_at"]
    until(lambda: shop.lab.page("/checkout", method="POST") == 200, "orders are taken again", within_s=60)
    serving = (now() - killed).total_seconds()
    until(lambda: shop.run(since=killed, component="database", state="succeeded"), "the fail-over is verified")
    runs = shop.runs(since=killed, component="database")
    assert [(run["playbook"], run["state"]) for run in runs] == [
        ("restart_service.yml", "failed"),
        ("fail_over.yml", "succeeded"),
    ]
    until(lambda: shop.verdict("NoStandby", "standby")[0] == "no_policy", "a standby is built by a person")
    assert shop.lab.ssh("db2", "psql service=shop -XtAc 'select inet_server_addr()'").stdout.strip() == (
        shop.lab.layout.address("db2")
    )
    stopwatch.note(
        "damaged disk, fail-over",
        told=_seconds(killed, received),
        started=_seconds(killed, runs[0]["started_at"]),
        serving=serving,
        verified=_seconds(killed, runs[-1]["ended_at"]),
    )
