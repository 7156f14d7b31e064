"""The status rules of other systems, as their sources have them, against the same rule in our words (docs/rollup.md).

Children are ok, degraded or down: what those systems call OK or NORMAL, WARNING, CRITICAL.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from fractions import Fraction
from math import ceil, floor, log
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bsm_remediate.config.loader import load_bundle
from bsm_remediate.domain.ids import NodeId
from bsm_remediate.domain.rollup import RollUp
from bsm_remediate.domain.state import Level

PAGE = Path(__file__).parents[2] / "docs" / "rollup.md"
Formula = Any
Levels = Sequence[Level]
OK, DEGRADED, DOWN = 0, 1, 2


def names(children: Levels) -> list[str]:
    return [f"c{number}" for number in range(len(children))]


def ours(formula: Formula, children: Levels, folder: Path) -> Level:
    """What a bundle with that formula says."""
    bundle = {
        "components": {name: {} for name in names(children)},
        "services": {"s": {"tier": "high", "requires": formula}},
    }
    file = folder / "bundle.yml"
    file.write_text(json.dumps(bundle))
    loaded = load_bundle(file, inventory=None, playbooks=None, scrutinise=False)
    assert loaded.bundle is not None, loaded.findings
    own = {NodeId(name): level for name, level in zip(names(children), children, strict=True) if level}
    return RollUp(loaded.bundle.service_map).levels(own).get(NodeId("s"), OK)


def less(number: int) -> int | str:
    """`-number`, "all but so many"."""
    return -number if number else "100%"


def unless(percent: int) -> Formula:
    """Down once `percent` of the children are."""
    return {"more_than": f"{100 - percent}%"} if percent < 100 else {"at_least": 1}


# --- the rules --------------------------------------------------------------------------------------------------------
# Each: what the other system says of these children, and our formula, from what is drawn for both.

Rule = Callable[[st.DataObject, Levels], tuple[Level, Formula]]


def worst_child(_data: st.DataObject, children: Levels) -> tuple[Level, Formula]:
    return max(children), {"all": names(children)}


def best_child(_data: st.DataObject, children: Levels) -> tuple[Level, Formula]:
    return min(children), {"any": names(children)}


def alignak_one_of(_data: st.DataObject, children: Levels) -> tuple[Level, Formula]:
    """`1 of:` = (1, n, n): critical if n are, warning if n are warning or critical, ok if one is, else the worst."""
    number = len(children)
    if sum(one == DOWN for one in children) >= number:
        theirs = DOWN
    elif sum(one >= DEGRADED for one in children) >= number:
        theirs = DEGRADED
    else:
        theirs = OK
    return theirs, {"any": names(children)}


def checkmk_best(data: st.DataObject, children: Levels) -> tuple[Level, Formula]:
    place = data.draw(st.integers(1, len(children)))
    return sorted(children)[place - 1], {"at_least": place, "of": names(children)}


def checkmk_worst_restricted(data: st.DataObject, children: Levels) -> tuple[Level, Formula]:
    place = data.draw(st.integers(1, len(children)))
    theirs = min(sorted(children, reverse=True)[place - 1], DEGRADED)
    return theirs, {"at_least": less(place - 1), "of": names(children), "impact": "degraded"}


def checkmk_count_ok(data: st.DataObject, children: Levels) -> tuple[Level, Formula]:
    warn = data.draw(st.integers(1, len(children)))
    enough = data.draw(st.integers(warn, len(children)))
    fine = sum(one == OK for one in children)
    theirs = OK if fine >= enough else DEGRADED if fine >= warn else DOWN
    return theirs, {"at_least": warn, "comfortable": enough, "of": names(children), "counting": "ok"}


def opennms_threshold(data: st.DataObject, children: Levels) -> tuple[Level, Formula]:
    """The highest severity that a share of at least t of the weighted children has, or worse."""
    percent = data.draw(st.integers(1, 100))
    weights = data.draw(st.lists(st.integers(1, 4), min_size=len(children), max_size=len(children)))
    total = sum(weights)

    def share(level: Level) -> Fraction:
        return Fraction(sum(weight for weight, one in zip(weights, children, strict=True) if one >= level), total)

    theirs = next((level for level in (DOWN, DEGRADED) if share(level) >= Fraction(percent, 100)), OK)
    formula = unless(percent) | {"of": names(children)}
    return theirs, formula | {"weights": dict(zip(names(children), weights, strict=True))}


def opennms_above(_data: st.DataObject, children: Levels) -> tuple[Level, Formula]:
    """The worst of those strictly worse than a warning."""
    theirs = max((one for one in children if one > DEGRADED), default=OK)
    return theirs, {"all": names(children), "impact": {"degraded": "ok"}}


def opennms_exponential(data: st.DataObject, children: Levels) -> tuple[Level, Formula]:
    """floor(log_b Σ b^(severity - warning)) + warning; `down` is one severity worse than `degraded`, or more."""
    base = data.draw(st.integers(2, 4))
    whole = sum(base ** (one - DEGRADED) for one in children if one >= DEGRADED)
    theirs = min(floor(log(whole, base) + 1e-9) + DEGRADED, DOWN) if whole else OK
    if len(children) < base:
        return theirs, {"all": names(children)}
    few = {"at_least": less(ceil(base) - 1), "of": names(children), "counting": "ok"}
    return theirs, [{"all": names(children)}, few]


def propagation(data: st.DataObject, children: Levels) -> tuple[Level, Formula]:
    """A map of each child's state, then the worst: OpenNMS maps, Zabbix propagation, Icinga overrides."""
    impact, seen = data.draw(
        st.sampled_from(
            [
                ("degraded", (OK, DEGRADED, DEGRADED)),
                ({"degraded": "ok"}, (OK, OK, DOWN)),
                ({"degraded": "down"}, (OK, DOWN, DOWN)),
                ({"degraded": "ok", "down": "degraded"}, (OK, OK, DEGRADED)),
                ({"degraded": "degraded", "down": "down"}, (OK, DEGRADED, DOWN)),
            ]
        )
    )
    return max(seen[one] for one in children), {"all": [{"id": name, "impact": impact} for name in names(children)]}


def ignored(_data: st.DataObject, children: Levels) -> tuple[Level, Formula]:
    """The first child is left out of every count (Zabbix)."""
    if len(children) == 1:
        return children[0], names(children)
    first, *rest = names(children)
    return max(children[1:]), {"all": [{"id": first, "impact": "none"}, *rest]}


def zabbix_all_have_problems(_data: st.DataObject, children: Levels) -> tuple[Level, Formula]:
    theirs = OK if OK in children else max(children)
    fine = {"at_least": 1, "of": names(children), "counting": "ok"}
    return theirs, {"any": [{"all": names(children)}, fine]}


def icinga_min(data: st.DataObject, children: Levels) -> tuple[Level, Formula]:
    """MIN n: ok when n children are, else the worst of all."""
    number = data.draw(st.integers(1, len(children)))
    theirs = OK if sum(one == OK for one in children) >= number else max(children)
    fine = {"at_least": number, "of": names(children), "counting": "ok"}
    return theirs, {"any": [{"all": names(children)}, fine]}


def icinga_degraded(_data: st.DataObject, children: Levels) -> tuple[Level, Formula]:
    return min(max(children), DEGRADED), {"all": names(children), "impact": "degraded"}


def zabbix_at_least(data: st.DataObject, children: Levels) -> tuple[Level, Formula]:
    """At least N children disaster or worse: disaster. The main rule is "set to OK"."""
    number = data.draw(st.integers(1, len(children)))
    theirs = DOWN if sum(one == DOWN for one in children) >= number else OK
    return theirs, {"at_least": less(number - 1), "of": names(children), "impact": {"degraded": "ok"}}


def zabbix_two_rules(data: st.DataObject, children: Levels) -> tuple[Level, Formula]:
    """At least N disaster: disaster. At least N warning or worse: warning."""
    number = data.draw(st.integers(1, len(children)))
    bad = [sum(one >= level for one in children) >= number for level in (DEGRADED, DOWN)]
    return DOWN if bad[1] else DEGRADED if bad[0] else OK, {"at_least": less(number - 1), "of": names(children)}


def zabbix_at_least_percent(data: st.DataObject, children: Levels) -> tuple[Level, Formula]:
    """100 * k div n, as it truncates."""
    percent = data.draw(st.integers(1, 100))
    theirs = DOWN if 100 * sum(one == DOWN for one in children) // len(children) >= percent else OK
    return theirs, unless(percent) | {"of": names(children), "impact": {"degraded": "ok"}}


def zabbix_at_least_weight(data: st.DataObject, children: Levels) -> tuple[Level, Formula]:
    weights = data.draw(st.lists(st.integers(1, 4), min_size=len(children), max_size=len(children)))
    weight = data.draw(st.integers(1, sum(weights)))
    bad = sum(one for one, level in zip(weights, children, strict=True) if level == DOWN)
    formula = {"at_least": less(weight - 1), "of": names(children), "impact": {"degraded": "ok"}}
    return DOWN if bad >= weight else OK, formula | {"weights": dict(zip(names(children), weights, strict=True))}


def zabbix_fewer_than_better(data: st.DataObject, children: Levels) -> tuple[Level, Formula]:
    """Fewer than N children warning or better: disaster."""
    number = data.draw(st.integers(1, len(children)))
    theirs = DOWN if sum(one <= DEGRADED for one in children) < number else OK
    return theirs, {"at_least": number, "of": names(children), "impact": {"degraded": "ok"}}


def zabbix_fewer_than_ok(data: st.DataObject, children: Levels) -> tuple[Level, Formula]:
    number = data.draw(st.integers(1, len(children)))
    theirs = DOWN if sum(one == OK for one in children) < number else OK
    return theirs, {"at_least": number, "of": names(children), "counting": "ok"}


def alignak_triplet(data: st.DataObject, children: Levels) -> tuple[Level, Formula]:
    """`o,w,c of:`: critical if c are, else warning if w are warning or critical, else ok."""
    critical = data.draw(st.integers(1, len(children)))
    warning = data.draw(st.integers(1, len(children)))
    bad = [sum(one >= level for one in children) for level in (DEGRADED, DOWN)]
    theirs = DOWN if bad[1] >= critical else DEGRADED if bad[0] >= warning else OK
    formula = {"at_least": less(critical - 1), "comfortable": less(warning - 1), "of": names(children)}
    return theirs, formula


def nagios_bpi(data: st.DataObject, children: Levels) -> tuple[Level, Formula]:
    """Essential members, and enough of the others not critical, in percent."""
    essential = data.draw(st.integers(1, len(children)))
    percent = data.draw(st.integers(1, 100))
    rest = children[essential:]
    up = sum(one < DOWN for one in rest)
    fine = sum(one == OK for one in rest)
    enough = max(ceil(Fraction(percent * len(rest), 100)), 1)
    others = OK if not rest or fine >= enough else DEGRADED if up >= enough else DOWN
    every = names(children)
    formula = [*every[:essential], *([{"at_least": f"{percent}%", "of": every[essential:]}] if rest else [])]
    return max(*children[:essential], others), formula


RULES: dict[str, Rule] = {
    "OpenNMS HighestSeverity": worst_child,
    "OpenNMS HighestSeverityAbove": opennms_above,
    "OpenNMS Threshold": opennms_threshold,
    "OpenNMS ExponentialPropagation": opennms_exponential,
    "OpenNMS map functions": propagation,
    "Zabbix most critical of children": worst_child,
    "Zabbix most critical if all have problems": zabbix_all_have_problems,
    "Zabbix at least N": zabbix_at_least,
    "Zabbix at least N, two rules": zabbix_two_rules,
    "Zabbix at least N %": zabbix_at_least_percent,
    "Zabbix weight at least W": zabbix_at_least_weight,
    "Zabbix fewer than N warning or better": zabbix_fewer_than_better,
    "Zabbix fewer than N ok": zabbix_fewer_than_ok,
    "Zabbix propagation": propagation,
    "Zabbix ignored child": ignored,
    "Icinga AND": worst_child,
    "Icinga OR": best_child,
    "Icinga MIN n": icinga_min,
    "Icinga DEGRADED": icinga_degraded,
    "Icinga state overrides": propagation,
    "Checkmk worst": worst_child,
    "Checkmk best": best_child,
    "Checkmk best n": checkmk_best,
    "Checkmk worst n, restricted": checkmk_worst_restricted,
    "Checkmk count_ok": checkmk_count_ok,
    "Alignak &": worst_child,
    "Alignak |": best_child,
    "Alignak 1 of:": alignak_one_of,
    "Alignak o,w,c of:": alignak_triplet,
    "Nagios BPI": nagios_bpi,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("peers")


@pytest.mark.parametrize("name", RULES)
@settings(max_examples=30, deadline=None)
@given(data=st.data(), children=st.lists(st.sampled_from([OK, DEGRADED, DOWN]), min_size=1, max_size=6))
def test_the_rule_means_the_same_in_our_words(
    name: str, folder: Path, data: st.DataObject, children: list[Level]
) -> None:
    theirs, formula = RULES[name](data, children)
    assert ours(formula, children, folder) == theirs, formula


def test_the_page_has_a_row_for_each_rule_that_is_tested_and_no_other() -> None:
    page = PAGE.read_text(encoding="utf-8")
    table = page[page.index("## Theirs, in ours") : page.index("## What can't be said")]
    assert {one.replace("\\|", "|") for one in re.findall(r"\| `\[([^`]+)\]` \|$", table, re.MULTILINE)} == set(RULES)
