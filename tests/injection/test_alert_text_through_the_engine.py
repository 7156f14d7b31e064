"""The whole corpus in every field of alerts, of a component and of a policy, through the running engine, as whose
Ansible either core serves: nothing of it is executed, all of it arrives unchanged.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import requests
import yaml

from tests.injection.hostile import Canary, cleaned, paired
from tests.injection.playing import CORES, INVENTORY, python_beside, trail, ways, write_playbook

ALLOWED_NAMES = (
    "changed",
    "failed",
    "rc",
    "stdout",
    "PATH",
    "LD_PRELOAD",
    "PYTHONPATH",
    "ANSIBLE_CONFIG",
    "constructor",
)
"""As variables of a policy: they mean something elsewhere, but not to Ansible."""
OF_THE_COMPONENT = ("running", "names", "hosts", "options", "shells")


class Site:
    """A deployment in a folder, and an engine for it that takes Ansible from beside its python."""

    def __init__(self, folder: Path, core: str) -> None:
        self.folder = folder
        self.canary = Canary(folder)
        self.out = folder / "out"
        self.out.mkdir()
        self.facts = paired(self.canary.texts(*OF_THE_COMPONENT), 1)
        self._python = python_beside(core, folder / "python")
        write_playbook(folder / "playbooks", self.canary)
        (folder / "policies").mkdir()
        (folder / "policies" / "shop.yml").write_text(yaml.safe_dump(self._bundle(), width=10**6))
        (folder / "inventories").mkdir()
        (folder / "inventories" / "hosts.yml").write_text(INVENTORY)
        self._process: subprocess.Popen[str] | None = None
        self.url = ""

    def _bundle(self) -> dict[str, Any]:
        again = "{{ \"{{ lookup('pipe', 'echo again >> " + str(self.canary.file) + "') }}\" }}"
        label = "{{ component.labels['-e'] }} {{ component.labels['hostvars'] }} {{ component.labels['all'] }}"
        variables = {
            "folder": str(self.out),
            "from_label": label,
            "nested": {
                "list": [label, again, {"x": [label, again]}],
                "deeper": {"value": label, "{{ hostvars }}": label, "<<": label},
            },
            **dict.fromkeys(ALLOWED_NAMES, label),
        }
        return {
            "currency": "EUR",
            "services": {"checkout": {"loss_per_minute": 300, "requires": ["shop-1"]}},
            "components": {"shop-1": {"host": "h1", "labels": self.facts}},
            "policies": {
                "use": {
                    "match": {"job": "hostile"},
                    "evidence": "direct",
                    "do": [
                        {"playbook": "uses.yml", "vars": variables, "expect": {"duration": "60s"}, "timeout": "180s"}
                    ],
                    "verify": [{"command": f"test -e {self.out}/trail.json", "within": "10s"}],
                    "mode": "auto",
                }
            },
        }

    def start(self) -> None:
        self._process = subprocess.Popen(
            [self._python, "-m", "bsm_remediate", "serve", "--port", "0"],
            cwd=self.folder,
            env={**os.environ, "BSM_STATE_DIR": str(self.folder / "state")},
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._process.stderr is not None
        line = self._process.stderr.readline()
        assert "The engine runs at" in line, line
        self.url = line.split(" at ")[1].split(";")[0]

    def stop(self) -> str:
        """End the engine; what it has said."""
        process, self._process = self._process, None
        if process is None:
            return ""
        process.send_signal(signal.SIGTERM)
        return process.communicate(timeout=60)[1]

    def post(self, body: bytes, source: str = "alertmanager") -> requests.Response:
        return requests.post(
            f"{self.url}/api/v1/webhooks/{source}",
            data=body,
            headers={"content-type": "application/json"},
            timeout=20,
        )

    def get(self, what: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = requests.get(f"{self.url}/api/v1/{what}", timeout=20).json()["items"]
        return found

    def run(self, *, within_s: float) -> dict[str, Any]:
        """The one run, when it is over."""
        end = time.monotonic() + within_s
        while time.monotonic() < end:
            runs = self.get("runs")
            if runs and runs[0].get("ended_at"):
                assert len(runs) == 1, runs
                return runs[0]
            time.sleep(0.2)
        raise AssertionError(f"no run was over after {within_s:.0f} s: {self.get('runs')}")


@pytest.fixture(params=CORES)
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path, request.param)
    try:
        made.start()
        yield made
    finally:
        made.stop()


def hostile_body(texts: list[str]) -> dict[str, Any]:
    """Every text as name and value of labels and annotations, as a fingerprint, and all that we don't read."""
    about = {"job": "hostile", "instance": "h1", "component": "shop-1", "severity": "critical"}
    now = datetime.now(UTC).isoformat()
    first = {
        "status": "firing",
        "labels": {**paired(texts, 1), **about, "alertname": texts[-1]},
        "annotations": paired(texts, 2),
        "startsAt": now,
        "endsAt": "0001-01-01T00:00:00Z",
        "fingerprint": texts[0][:200],
        "generatorURL": texts[0],
    }
    others = [
        {
            **first,
            "labels": {"alertname": text, **about},
            "annotations": {"summary": text},
            "fingerprint": f"{text[:180]}-{number}",
            "generatorURL": text,
        }
        for number, text in enumerate(texts[::40])
    ]
    fields = ("receiver", "groupKey", "externalURL", "version", *texts[:40])
    return {
        **{name: texts[number % len(texts)] for number, name in enumerate(fields)},
        "groupLabels": paired(texts, 3),
        "commonLabels": paired(texts, 4),
        "commonAnnotations": paired(texts, 5),
        "alerts": [first, *others],
    }


def by_name(pairs: list[dict[str, str]]) -> dict[str, str]:
    return {pair["name"]: pair["value"] for pair in pairs}


def all_cleaned(pairs: dict[str, str]) -> dict[str, str]:
    return {cleaned(name): cleaned(text) for name, text in pairs.items()}


def test_nothing_of_an_alert_a_component_or_a_policy_is_executed_and_all_of_it_arrives(site: Site) -> None:
    texts = site.canary.texts()
    body = hostile_body(texts)
    answer = site.post(json.dumps(body).encode())
    assert (answer.status_code, answer.json()) == (202, {"accepted": len(body["alerts"])})
    run = site.run(within_s=150)
    assert run["state"] == "succeeded", run

    assert set(trail(site.out).values()) == {0}, trail(site.out)
    assert len(trail(site.out)) == len(ways()) > 36
    assert site.canary.executed == set()

    arrived = json.loads((site.out / "facts.json").read_text())
    first = next(alert for alert in arrived["alerts"] if len(alert["labels"]) > 100)
    assert by_name(first["labels"]) == all_cleaned(body["alerts"][0]["labels"])
    assert by_name(first["annotations"]) == all_cleaned(body["alerts"][0]["annotations"])
    assert len(arrived["alerts"]) == len(body["alerts"])
    assert {alert["name"] for alert in arrived["alerts"]} == {
        cleaned(one["labels"]["alertname"]) for one in body["alerts"]
    }
    assert by_name(arrived["component"]["labels"]) == all_cleaned(site.facts)
    templated = (site.out / "templated").read_bytes().decode()
    assert [text for text in texts if cleaned(text).rstrip("\r\n") not in templated] == []

    log = site.stop()
    (site.folder / "log").write_text(log)
    kept = [path for path in site.folder.rglob("*") if path != site.folder / "secret" and "python" not in path.parts]
    assert site.canary.gave_itself_away_in(kept) == []


BODIES = {
    "a lone surrogate": b'{"alerts": [{"status": "firing", "labels": {"a": "\\ud800"}}]}',
    "a byte-order mark": b'\xef\xbb\xbf{"alerts": []}',
    "UTF-16": '{"alerts": []}'.encode("utf-16"),
    "bytes that are no UTF-8": b'{"alerts": [{"labels": {"a": "\xff"}}]}',
    "5,000 digits": b'{"alerts": [{"status": "firing", "labels": {"a": ' + b"9" * 5000 + b"}}]}",
    "deep nesting": b'{"alerts": ' + b"[" * 5000 + b"]" * 5000 + b"}",
    "a value that is no text": b'{"alerts": [{"status": "firing", "startsAt": "2026-01-05T09:00:00Z",'
    b' "labels": {"a": {"b": "c"}}}]}',
    "YAML": b"alerts:\n- !!python/object/apply:os.system ['x']\n",
}


def test_bodies_that_upset_decoders_and_names_that_are_no_source_leave_nothing_behind(tmp_path: Path) -> None:
    site = Site(tmp_path, "2.19")
    try:
        site.start()
        for what, body in BODIES.items():
            answer = site.post(body)
            assert answer.status_code in {400, 422}, (what, answer.text)
            assert answer.headers["content-type"] == "application/problem+json", what
        good = json.dumps(hostile_body(["a", "b"])).encode()
        for text in site.canary.texts("running", "options", "paths", "names"):
            assert site.post(good, source=quote(text, safe="")).status_code in {400, 404, 405}, text
        assert (site.get("alerts"), site.get("runs")) == ([], [])
    finally:
        site.stop()
    assert site.canary.executed == set()
