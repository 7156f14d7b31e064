"""Bundles that mean harm, or that nobody thought through: a clear finding where it stands, never a traceback."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bsm_remediate.config.loader import Loaded

_DEEP = "{all: [" * 3000 + "a" + "]}" * 3000
_BOMB = "\n".join(
    f"{name}: &{name} [{', '.join([below] * 9)}]"
    for name, below in zip("abcdefg", ["x", *(f"*{one}" for one in "abcdef")], strict=True)
)
_ANY = "components: {a: {}, b: {}, c: {}}\n"


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        (_ANY + "services: {s: {tier: high, requires: {at_least: 4, of: [a, b, c]}}}", "bad-formula", 2),
        (_ANY + "services: {s: {tier: high, requires: {at_least: -3, of: [a, b, c]}}}", "below-one", 2),
        (_ANY + "services: {s: {tier: high, requires: {at_least: 0, of: [a]}}}", "bad-formula", 2),
        (_ANY + f"services: {{s: {{tier: high, requires: {{at_least: {'9' * 5000}, of: [a]}}}}}}", "bad-formula", 2),
        (_ANY + "services: {s: {tier: high, requires: {all: [a], any: [b]}}}", "bad-formula", 2),
        (_ANY + "services: {s: {tier: high, requires: {at_least: 1, of: [a], weights: {a: .nan}}}}", "bad-formula", 2),
        (_ANY + "services: {s: {tier: high, requires: {at_least: 1, of: [a], weights: {a: 0}}}}", "bad-formula", 2),
        (_ANY + "services: {s: {tier: high, requires: []}}", "bad-formula", 2),
        (_ANY + f"services: {{s: {{tier: high, requires: {_DEEP}}}}}", "not-yaml", 2),
        ("components: " + "[" * 50_000 + "]" * 50_000, "not-yaml", 1),
        ("components: &a {h: {requires: *a}}", "too-deep", 1),
        (_BOMB + "\ncomponents: {h: {requires: *g}}", "unknown-key", 1),
        (_ANY + "services: {s: {loss_per_minute: .nan, requires: [a]}}", "bad-value", 2),
        (_ANY + "services: {s: {loss_per_minute: 1e999, requires: [a]}}", "bad-value", 2),
        (_ANY + "goals: {g: {weights: {x: .inf}}}", "bad-value", 2),
        (_ANY + "policies: {p: {match: {a: b}, do: [{playbook: x.yml, expect: {duration: 0s}}]}}", "bad-value", 2),
        (_ANY + "policies: {p: {match: {a: b}, do: [{playbook: x.yml, expect: {duration: -5s}}]}}", "bad-value", 2),
        (_ANY + "policies: {p: {match: {a: b}, do: [{playbook: x.yml, expect: {success: 2}}]}}", "bad-value", 2),
        (_ANY + "settings: {executors: 0}", "bad-value", 2),
        ("components: !!python/object/apply:os.system [ls]", "bad-value", 1),
        ("components: {a: {}, a: {}}", "duplicate-key", 1),
    ],
)
def test_what_is_wrong_is_said_where_it_stands(load: Callable[[str], Loaded], text: str, code: str, line: int) -> None:
    found = load(text).findings
    assert (code, line) in [(one.code, one.line) for one in found], [str(one)[:200] for one in found]
