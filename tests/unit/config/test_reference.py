"""The reference page and the schema for editors say what the loader takes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from click.testing import CliRunner

from bsm_remediate.cli import main
from bsm_remediate.config.loader import Loaded
from bsm_remediate.config.reader import read
from bsm_remediate.config.schema import BundleSchema, json_schema

ROOT = Path(__file__).parents[3]
_BUNDLES = sorted(
    [*ROOT.glob("policies/**/*.yml"), *ROOT.glob("bsm_remediate/cli/example/policies/*.yml")],
)


def _wrong(value: object) -> list[str]:
    validator: Any = jsonschema.Draft202012Validator(json_schema())
    return [error.message for error in validator.iter_errors(value)]


def test_the_reference_is_current() -> None:
    script = ROOT / "scripts" / "reference.py"
    checked = subprocess.run([sys.executable, script, "--check"], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr


def test_the_command_prints_the_schema() -> None:
    assert json.loads(CliRunner().invoke(main, ["schema"]).stdout) == json_schema()


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(json_schema())


@pytest.mark.parametrize("file", _BUNDLES, ids=lambda file: str(file.relative_to(ROOT)))
def test_sound_bundles_fit_the_schema(file: Path) -> None:
    assert _wrong(read(file, str(file)).value) == []


@pytest.mark.parametrize(
    "text",
    [
        "servics: {}",
        "services: {s: {loss_per_minute: 1}}",
        "services: {s: {loss_per_minute: 1, requires: {none_of: [a]}}}",
        "services: {s: {loss_per_minute: 1, requires: {any: [a], of: [b]}}}",
        "services: {s: {loss_per_minute: 1, requires: []}}",
        "components: {a: {hosst: b}}",
        "policies: {p: {match: {a: b}, mode: automatic}}",
        "policies: {p: {match: {a: b}, max_age: soon}}",
        "policies: {p: {match: {a: b}, metric: {}}}",
        "settings: {executors: many}",
    ],
)
def test_what_the_loader_refuses_an_editor_marks_too(load: Callable[[str], Loaded], text: str, tmp_path: Path) -> None:
    assert load(text).bundle is None
    (tmp_path / "written.yml").write_text(text)
    assert _wrong(read(tmp_path / "written.yml", "written.yml").value)


def test_every_key_is_described() -> None:
    def undescribed(schema: Any, path: str) -> list[str]:
        return [f"{path}.{key}" for key, value in schema.get("properties", {}).items() if not value.get("description")]

    schema = json_schema()
    found = undescribed(schema, "")
    for name, section in schema["$defs"].items():
        found += undescribed(section, name)
    assert found == []
    assert set(schema["properties"]) == set(BundleSchema.model_fields)
