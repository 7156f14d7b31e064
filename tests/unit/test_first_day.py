"""The guide to the first day, walked through in its order: its files are written, its commands print what it shows."""

from __future__ import annotations

import json
import re
import shlex
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner

from bsm_remediate.cli import main

PAGE = Path(__file__).parents[2] / "docs" / "first-day.md"
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"# (\S+\.(?:ini|yml))\n")
_ALERTMANAGER = "http://127.0.0.1:9093"


def _alert(name: str, severity: str, instance: str) -> Mapping[str, object]:
    labels = {"alertname": name, "severity": severity, "instance": instance}
    status = {"state": "active", "silencedBy": [], "inhibitedBy": []}
    fingerprint = f"{name}-{instance}"
    return {"labels": labels, "annotations": {}, "startsAt": "2026-01-05T09:00:00Z", "status": status} | {
        "fingerprint": fingerprint
    }


_ANSWERS: Mapping[str, object] = {
    "/api/v2/alerts": [
        _alert("WebDown", "critical", "web-1:80"),
        _alert("WebDown", "critical", "10.0.1.3:80"),
        _alert("DiskFull", "warning", "10.0.0.7:9100"),
    ],
    "/api/v2/status": {"uptime": "2026-01-01T00:00:00Z"},
}


@pytest.fixture
def alertmanager() -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(_ANSWERS.get(self.path)).encode()
            self.send_response(200 if self.path in _ANSWERS else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_the_first_day_goes_as_its_page_says(
    alertmanager: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BSM_STATE_DIR", str(tmp_path / "state"))
    done = 0
    for kind, text in _BLOCK.findall(PAGE.read_text(encoding="utf-8")):
        if kind == "console":
            for part in text.split("$ ")[1:]:
                line, _, shown = part.partition("\n")
                _carry_out(line, shown, alertmanager)
                done += 1
        else:
            _write(tmp_path, kind, text)
    assert done >= 10


def _carry_out(line: str, shown: str, alertmanager: str) -> None:
    program, *arguments = shlex.split(line.replace(_ALERTMANAGER, alertmanager))
    assert program == "bsm-remediate"
    if arguments[0] == "serve":  # it would go on and on; that it takes these options is what the page promises
        command = main.get_command(main.make_context("bsm-remediate", ["serve"]), "serve")
        assert command is not None
        command.make_context("serve", arguments[1:])
        return
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, (line, result.output)
    if shown.strip():
        assert _lines(result.stdout) == _lines(shown), line


def _lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.strip().splitlines()]


def _write(folder: Path, kind: str, text: str) -> None:
    if kind == "json":
        alert = json.loads(text)
        (folder / alert.pop("file")).write_text(json.dumps(alert))
        return
    found = _FILE.match(text)
    assert found is not None, text
    file = folder / found[1]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
