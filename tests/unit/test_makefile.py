"""`make help` lists every target, and every target that it lists is there."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def test_help_lists_every_target_with_a_word_about_it() -> None:
    targets = re.findall(r"^([a-z][a-z-]*):", MAKEFILE, re.MULTILINE)
    recipe = re.search(r"^help:.*\n\t@(.*)$", MAKEFILE, re.MULTILINE)
    assert recipe is not None
    # As make would hand it to the shell, so that the test needs no make.
    command = recipe[1].replace("$$", "$").replace("$(MAKEFILE_LIST)", "Makefile")
    printed = subprocess.run(["sh", "-c", command], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    listed = re.findall(r"^  make ([a-z-]+) +\S", printed, re.MULTILINE)
    assert listed == targets
    phony = re.search(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)
    assert phony is not None
    assert sorted(phony[1].split()) == sorted(targets)
