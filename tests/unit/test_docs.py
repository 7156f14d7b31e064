"""The pages say what is true: their bundles load, and their commands print what stands there."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from bsm_remediate.cli import COMMANDS, main
from bsm_remediate.config.loader import load_bundle
from bsm_remediate.config.settings import FileSettings
from bsm_remediate.domain.guard import GUARDS

ROOT = Path(__file__).parents[2]
STORIES = {"first-day.md", "notifications.md", "reports.md", "reviews.md"}  # lived through by tests of their own
PAGES = [ROOT / "README.md", *sorted(page for page in (ROOT / "docs").glob("*.md") if page.name not in STORIES)]
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(kind: str) -> Iterator[pytest.ParameterSet]:
    for page in PAGES:
        for number, found in enumerate(_BLOCK.finditer(page.read_text(encoding="utf-8"))):
            if found[1] == kind:
                yield pytest.param(found[2], id=f"{page.name}-{number}")


def commands_with_output() -> Iterator[pytest.ParameterSet]:
    for block in blocks("console"):
        for number, part in enumerate(str(block.values[0]).split("$ ")[1:]):
            line, _, output = part.partition("\n")
            if line.startswith("bsm-remediate") and output.strip():
                yield pytest.param(line, output, id=f"{block.id}-{number}")


@pytest.mark.parametrize(("line", "output"), list(commands_with_output()))
def test_a_command_prints_what_its_page_shows(line: str, output: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    result = CliRunner().invoke(main, line.split()[1:])
    assert (result.exit_code, _stripped(result.stdout)) == (0, _stripped(output))


def _stripped(text: str) -> list[str]:
    return [line.rstrip() for line in text.strip().splitlines()]


@pytest.mark.parametrize("text", [block for block in blocks("yaml") if "services:" in str(block.values[0])])
def test_a_bundle_on_a_page_is_sound(text: str, tmp_path: Path) -> None:
    (tmp_path / "page.yml").write_text(text)
    loaded = load_bundle(tmp_path, inventory=None, playbooks=None, scrutinise=False)
    assert [str(finding) for finding in loaded.findings] == []


@pytest.mark.parametrize("text", list(blocks("toml")))
def test_settings_on_a_page_can_be_read(text: str) -> None:
    assert FileSettings.model_validate(tomllib.loads(text)).model_fields_set


def test_the_concepts_name_the_guards_in_the_order_in_which_they_speak() -> None:
    page = (ROOT / "docs" / "concepts.md").read_text(encoding="utf-8")
    named = re.findall(r"`(\w+)`", page[page.index("first objection decides") : page.index("else `run`")])
    spoken = ["".join(f"_{c.lower()}" if c.isupper() else c for c in type(guard).__name__)[1:] for guard in GUARDS]
    assert named == [_VERDICT_OF.get(name, name) for name in spoken]


_VERDICT_OF = {"held_by_person": "held_by", "needs_approval": "await_approval"}


def test_every_guard_is_on_its_page_with_a_test_that_is_there() -> None:
    page = (ROOT / "docs" / "guards.md").read_text(encoding="utf-8")
    rows = [row for row in page.splitlines() if row.startswith("| ") and row.count("|") in {6, 7}]
    spoken = ["".join(f"_{c.lower()}" if c.isupper() else c for c in type(guard).__name__)[1:] for guard in GUARDS]
    for name in spoken:
        assert any(_VERDICT_OF.get(name, name) in row for row in rows), name
    written = "".join(one.read_text(encoding="utf-8") for one in (ROOT / "tests").rglob("test_*.py"))
    named = set(re.findall(r"`(test_\w+)`", page))
    assert len(named) > len(GUARDS)
    assert [name for name in sorted(named) if f"def {name}(" not in written] == []
    guards = [row for row in rows if not row.startswith(("| guard", "|---"))]
    assert [row for row in guards if "`test_" not in row.split("|")[-2]] == []


def test_every_command_of_the_contract_teaches_itself() -> None:
    for section in COMMANDS.values():
        for name, _, _ in section:
            result = CliRunner().invoke(main, [name, "--help"])
            assert result.exit_code == 0, (name, result.output)
            assert "Usage:" in result.output


def test_a_mistyped_command_is_told_the_right_one() -> None:
    result = CliRunner().invoke(main, ["plam"])
    assert result.exit_code == 2
    assert "Did you mean 'plan'?" in result.output
