from __future__ import annotations

import json
from pathlib import Path

from bsm_remediate.adapters.ansible.redact import Redactor

SECRET = 'pass"word\\é'


def test_a_secret_is_redacted_as_it_is_and_inside_json() -> None:
    redact = Redactor([SECRET])
    once = json.dumps({"a": f"x{SECRET}y"})
    twice = json.dumps(once)
    assert redact(f"x{SECRET}y") == "x<redacted>y"
    assert json.loads(redact(once)) == {"a": "x<redacted>y"}
    assert json.loads(json.loads(redact(twice))) == {"a": "x<redacted>y"}


def test_of_two_secrets_the_longer_one_goes_whole() -> None:
    assert Redactor(["secret", "secret-longer"])("a secret-longer b") == "a <redacted> b"


def test_short_values_and_no_values_change_nothing() -> None:
    assert Redactor(["abc", ""])("abcabc") == "abcabc"


def test_files_are_cleaned_whatever_bytes_they_hold(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "stdout").write_bytes(b"\xff canary \xfe")
    Redactor(["canary"]).clean_files(tmp_path)
    assert (tmp_path / "deep" / "stdout").read_bytes() == b"\xff <redacted> \xfe"
