"""Without its Debian packages the lab says which are missing, all at once, and how to get them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lab.real import packages
from lab.real.layout import CHECKOUT


def test_all_missing_packages_are_named_with_the_command_that_installs_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(packages, "_SYSTEM_PATH", str(tmp_path))
    monkeypatch.setattr(packages, "_POSTGRES", tmp_path)
    with pytest.raises(packages.PackagesMissing) as missing:
        packages.require_packages()
    assert set(missing.value.packages) == {*packages.PACKAGE_OF.values(), "postgresql"}
    assert "apt-get install --no-install-recommends haproxy nginx-light openssh-client" in str(missing.value)


def test_the_script_that_installs_them_knows_every_one() -> None:
    script = (CHECKOUT / "scripts" / "lab-packages").read_text()
    listed = re.search(r'^packages="(.*?)"', script, re.MULTILINE | re.DOTALL)
    assert listed is not None
    assert {*packages.PACKAGE_OF.values(), "postgresql"} <= set(listed[1].split())
