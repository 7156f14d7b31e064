from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bsm_remediate.config.loader import Loaded, load_bundle
from bsm_remediate.domain.inventory import Inventory

INVENTORY = Inventory(
    addresses={"web-1": "10.0.0.1", "web-2": "10.0.0.2", "db-1": "db-1", "cache-1": "cache-1"},
    groups={
        "all": ("web-1", "web-2", "db-1", "cache-1"),
        "webservers": ("web-1", "web-2"),
        "empty": (),
    },
)


@pytest.fixture
def load(tmp_path: Path) -> Callable[[str], Loaded]:
    """Loads one text as a bundle, against a small inventory, without checking hosts and playbooks."""

    def loaded(text: str) -> Loaded:
        file = tmp_path / "bundle.yml"
        file.write_text(text, encoding="utf-8")
        return load_bundle(file, inventory=lambda: INVENTORY, playbooks=None, scrutinise=False)

    return loaded


@pytest.fixture
def codes(load: Callable[[str], Loaded]) -> Callable[[str], list[tuple[str, int, int]]]:
    """The findings of one text: code, line, column; without the warning that no currency is given."""

    def found(text: str) -> list[tuple[str, int, int]]:
        findings = load(text).findings
        return [(one.code, one.line, one.column) for one in findings if one.code != "no-currency"]

    return found
