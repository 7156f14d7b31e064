"""Whatever comes over the wire, a real server neither breaks nor says that it did: no 5xx, no traceback, no crash."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from tests.integration.hostile import WIRE, good_bodies, raw_bodies, variants
from tests.integration.served import ROOT, Served

TOKEN = "fuzzed-with-this-token-of-an-admin"
AUTHORISED = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
ANSWERS = {202, 400, 401, 403, 404, 405, 413, 415, 422}
WORKERS = 6
CHECKS = "not_a_server_error,content_type_conformance,response_schema_conformance,unsupported_method"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    project = [("--policies", "policies"), ("--playbooks", "playbooks"), ("--inventory", "inventories/hosts.yml")]
    running = Served(
        tmp_path_factory.mktemp("fuzzed"),
        *("--max-mode", "shadow"),
        environment={"BSM_TOKEN": TOKEN},
        globally=tuple(part for name, path in project for part in (name, str(ROOT / path))),
    )
    yield running
    assert running.is_alive
    log = running.stop()
    assert "Traceback" not in log, log[log.index("Traceback") :][:6000]
    assert " ERROR " not in log


def post(server: Served, jobs: Iterable[tuple[str, bytes, dict[str, str]]]) -> Counter[tuple[str, int]]:
    """Post source, body, headers of each; how often each source answered what."""

    def posted(share: list[tuple[str, bytes, dict[str, str]]]) -> Counter[tuple[str, int]]:
        answers: Counter[tuple[str, int]] = Counter()
        with requests.Session() as session:
            for source, body, headers in share:
                url = f"{server.url}/api/v1/webhooks/{source}"
                answer = session.post(url, data=body, headers={**AUTHORISED, **headers}, timeout=30)
                assert answer.status_code in ANSWERS, (answer.status_code, body[:500], headers, answer.text[:500])
                answers[source, answer.status_code] += 1
        return answers

    listed = list(jobs)
    with ThreadPoolExecutor(WORKERS) as pool:
        return sum(pool.map(posted, (listed[first::WORKERS] for first in range(WORKERS))), Counter())


def is_well(server: Served) -> None:
    """It answers, and takes a good alert."""
    assert requests.get(f"{server.url}/healthz", timeout=5).status_code == 200
    answers = post(server, [("generic", b'{"name": "StillThere", "component": "db-1"}', {})])
    assert answers == {("generic", 202): 1}


def test_every_source_survives_every_hostile_value_in_every_place(server: Served) -> None:
    bodies = good_bodies()
    assert len(bodies) == 9
    jobs = [
        # Escaped, so that half surrogate pairs reach the server too.
        (source, json.dumps(variant).encode(), dict[str, str]())
        for number, (source, body) in enumerate(bodies.items())
        for variant in islice(variants(body), number % 3, None, 1 if source in {"alertmanager", "generic"} else 3)
    ]
    answers = post(server, jobs)
    for source in bodies:
        assert answers[source, 202] > 20, "nothing of what is good was taken"
        assert answers[source, 422] + answers[source, 400] > 20, "nothing was refused"
    is_well(server)


def test_every_source_survives_bodies_that_are_no_decent_json(server: Served) -> None:
    answers = post(server, [(source, body, headers) for source in good_bodies() for body, headers in raw_bodies()])
    assert {status for _, status in answers} >= {400, 413, 415, 422}
    is_well(server)


@pytest.mark.parametrize("name", WIRE)
def test_the_wire_may_carry_anything(server: Served, name: str) -> None:
    place = urlsplit(server.url)
    with socket.create_connection((place.hostname, place.port), timeout=5) as connection:
        connection.sendall(WIRE[name])
        connection.shutdown(socket.SHUT_WR)
        answered = b""
        while part := connection.recv(65536):
            answered += part
    statuses = {line.split()[1] for line in answered.split(b"\r\n") if line.startswith(b"HTTP/1.")}
    assert not any(status.startswith(b"5") for status in statuses), answered[:500]
    if b"api/v1" in WIRE[name]:
        assert b"202" not in statuses  # it came without a token
    is_well(server)


def test_the_served_description_is_kept_whatever_is_asked(server: Served, tmp_path: Path) -> None:
    # The journal's stream never ends, so its operation has a test of its own.
    tester = Path(sys.executable).with_name("schemathesis")
    command: list[str | Path] = [
        tester,
        "run",
        f"{server.url}/openapi.json",
        "--exclude-path",
        "/api/v1/events",
        "--checks",
        CHECKS,
    ]
    command += ["--header", f"Authorization: Bearer {TOKEN}", "--phases", "examples,coverage,fuzzing"]
    command += ["--max-examples", "25", "--seed", "1", "--workers", "1", "--no-shrink", "--request-timeout", "10"]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=240, check=False)
    assert ran.returncode == 0, ran.stdout[-8000:] + ran.stderr[-2000:]
    assert "No operations" not in ran.stdout
    assert "Failures" not in ran.stdout
    is_well(server)
