"""The man pages say what the commands say, and nothing in them is taken for a command of roff."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from bsm_remediate.cli import COMMANDS

ROOT = Path(__file__).parents[2]
PAGES = {path.stem: path.read_text(encoding="utf-8") for path in (ROOT / "docs" / "man").glob("*.1")}
MACROS = {".TH", ".SH", ".SS", ".TP", ".PP", ".B", ".BR", ".nf", ".fi", '.\\"'}


def test_the_man_pages_are_current() -> None:
    script = ROOT / "scripts" / "man_pages.py"
    checked = subprocess.run([sys.executable, script, "--check"], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr


def test_every_command_has_a_page_that_the_first_one_names() -> None:
    names = {f"bsm-remediate-{name}" for section in COMMANDS.values() for name, _, _ in section}
    assert names <= PAGES.keys()
    named = {
        found.replace("\\-", "-") for found in re.findall(r"^\.BR (\S+) \(1\)$", PAGES["bsm-remediate"], re.MULTILINE)
    }
    assert named == names


def test_no_text_of_a_page_is_taken_for_a_command() -> None:
    for name, page in PAGES.items():
        for line in page.splitlines():
            assert not line.startswith("'"), (name, line)
            assert not line.startswith(".") or line.split()[0] in MACROS, (name, line)
            assert re.fullmatch(r"[ -~]*", line), (name, line)
