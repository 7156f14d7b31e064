"""Apprise behind its port: plain text, reasons without secrets, nothing in our log."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from bsm_remediate.adapters.apprise_notifier import AppriseNotifier

SECRET = "geheim-wort-77"


class Receiver(HTTPServer):
    status = 200

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.bodies: list[dict[str, str]] = []

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        self.server.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        return


@contextmanager
def receiving() -> Iterator[Receiver]:
    with Receiver() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def test_a_message_arrives_as_plain_text() -> None:
    with receiving() as receiver:
        assert AppriseNotifier().send(f"json://{receiver.address}", "A *title*", "one <b>\n* two `x` & [a](b)") == ""
    assert [(one["title"], one["message"]) for one in receiver.bodies] == [
        ("A *title*", "one <b>\n* two `x` & [a](b)"),
    ]


def test_a_refusal_says_why_and_nothing_secret_is_logged_even_when_everything_is() -> None:
    script = "import logging, sys; logging.basicConfig(level=1); "
    script += "from bsm_remediate.adapters.apprise_notifier import AppriseNotifier; "
    script += "print(AppriseNotifier().send(sys.argv[1], 't', 'b'))"
    with receiving() as receiver:
        receiver.status = 500
        url = f"json://me:{SECRET}@{receiver.address}/{SECRET}?-token={SECRET}"
        done = subprocess.run([sys.executable, "-c", script, url], capture_output=True, text=True, check=True)
        assert len(receiver.bodies) == 1
    assert "error=500" in done.stdout
    assert SECRET not in done.stdout + done.stderr


def test_nobody_there_says_so() -> None:
    why = AppriseNotifier().send(f"json://me:{SECRET}@127.0.0.1:1/", "t", "b")
    assert "onnection" in why
    assert SECRET not in why


@pytest.mark.parametrize("address", [f"nosuch://{SECRET}", f"slack://{SECRET}", "mailto://"])
def test_an_address_that_apprise_does_not_know_is_objected_to(address: str) -> None:
    why = AppriseNotifier().objection(address)
    assert why
    assert SECRET not in why
    assert SECRET not in AppriseNotifier().send(address, "t", "b")


def test_an_address_may_stand_in_a_variable_or_a_file(tmp_path: Path) -> None:
    (tmp_path / "ops").write_text("json://127.0.0.1:1\n")
    notifier = AppriseNotifier({"OPS": "json://127.0.0.1:1"})
    assert [notifier.objection(one) for one in ("env:OPS", f"file:{tmp_path}/ops")] == ["", ""]
    assert notifier.objection("env:NONE") == "the environment variable NONE is not set"
    assert notifier.objection(f"file:{tmp_path}/none") == f"{tmp_path}/none can't be read: No such file or directory"
    (tmp_path / "empty").write_text("\n")
    assert notifier.objection(f"file:{tmp_path}/empty") == f"{tmp_path}/empty is empty"
    with receiving() as receiver:
        assert AppriseNotifier({"OPS": f"json://{receiver.address}"}).send("env:OPS", "t", "b") == ""
    assert len(receiver.bodies) == 1


def test_apprise_is_not_loaded_before_it_is_needed() -> None:
    script = "import sys; from bsm_remediate import app; import bsm_remediate.adapters.apprise_notifier as one; "
    script += "one.AppriseNotifier(); sys.exit('apprise' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
