"""Whole bundles: what is merged, what component sets become, what defaults mean, which mistakes are seen."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from bsm_remediate.config.loader import Loaded, load_bundle
from bsm_remediate.domain.bundle import Bundle, StormLimit
from bsm_remediate.domain.finding import Severity
from bsm_remediate.domain.ids import NodeId, PolicyId
from bsm_remediate.domain.inventory import Inventory
from bsm_remediate.domain.policy import Evidence, Mode, Rate, Template
from bsm_remediate.domain.state import State
from bsm_remediate.errors import InventoryUnreadable

Load = Callable[[str], Loaded]
Codes = Callable[[str], list[tuple[str, int, int]]]
SHOP = """currency: EUR
services: {shop: {loss_per_minute: 1, requires: [db]}}
components: {db: {host: db-1}, web: {hosts: webservers}}
"""


def _bundle(loaded: Loaded) -> Bundle:
    assert loaded.bundle is not None, [str(one) for one in loaded.findings]
    return loaded.bundle


def _policy(body: str) -> str:
    return f"{SHOP}policies:\n  p:\n    match: {{alertname: Down}}\n    {body}\n"


# --- files ---------------------------------------------------------------------------------------------------------


def _folder(tmp_path: Path, **files: str) -> Loaded:
    for name, text in files.items():
        (tmp_path / f"{name}.yml").write_text(text)
    return load_bundle(tmp_path, inventory=None, playbooks=None, scrutinise=False)


def test_files_of_a_folder_are_one_bundle(tmp_path: Path) -> None:
    bundle = _bundle(
        _folder(
            tmp_path,
            services="currency: EUR\nservices: {shop: {loss_per_minute: 1, requires: [db, cache]}}",
            data="components: {db: {}}",
            rest="components: {cache: {requires: [db]}}",
        )
    )
    assert set(bundle.service_map.components) == {"db", "cache"}


def test_a_key_defined_in_two_files_names_both(tmp_path: Path) -> None:
    loaded = _folder(tmp_path, a="components: {db: {}}\ncurrency: EUR", b="currency: USD\ncomponents:\n  db: {}")
    found = {(Path(one.file).name, one.line, one.column, one.code): one.hint for one in loaded.findings}
    assert found[("b.yml", 3, 3, "duplicate-key")] == f"it is first at {tmp_path / 'a.yml'}:1:14"
    assert found[("b.yml", 1, 1, "duplicate-key")] == f"it is first in {tmp_path / 'a.yml'}"


def test_a_service_and_a_component_of_one_name_are_an_error(codes: Codes) -> None:
    found = codes("services:\n  db: {loss_per_minute: 1, requires: [x]}\ncomponents:\n  db: {}\n  x: {}\n")
    assert found == [("duplicate-id", 4, 3)]


def test_the_digest_changes_with_the_contents_only(tmp_path: Path) -> None:
    text = "components: {db: {}}"
    first = _bundle(_folder(tmp_path, a=text)).digest
    assert _bundle(_folder(tmp_path, a=text)).digest == first
    assert _bundle(_folder(tmp_path, a=f"{text}\n# more")).digest != first
    assert first.startswith("sha256:")


def test_a_file_name_that_is_no_utf8_is_read_too(tmp_path: Path) -> None:
    (tmp_path / b"caf\xe9.yml".decode("utf-8", "surrogateescape")).write_text("components: {db: {}, db: {}}")
    loaded = load_bundle(tmp_path, inventory=None, playbooks=None, scrutinise=False)
    assert str(loaded.findings[0]).encode().endswith(b"(it is first at line 1, column 14)")


@pytest.mark.parametrize("text", ["", "# nothing\n", "services:\n"])
def test_an_empty_bundle_is_an_error(codes: Codes, text: str) -> None:
    assert codes(text) == [("empty-bundle", 0, 0)]


# --- component sets ------------------------------------------------------------------------------------------------


def test_a_set_is_one_component_per_host_of_the_group(load: Load) -> None:
    bundle = _bundle(
        load("""
components:
  node: {hosts: webservers, labels: {rack: "of {host}"}}
  web:
    hosts: webservers
    requires: ["node@{host}"]
    aliases: ["{host}:9113"]
    match: {job: nginx}
""")
    )
    web = bundle.service_map.components[NodeId("web@web-1")]
    assert (web.host, web.set, web.aliases) == ("web-1", "web", ("web-1:9113",))
    assert web.requires is not None
    assert list(web.requires.nodes()) == ["node@web-1"]
    assert bundle.service_map.components[NodeId("node@web-2")].labels == {"rack": "of web-2"}
    assert "web" not in bundle.service_map.components


@pytest.mark.parametrize(
    ("hosts", "members"),
    [
        ("webservers", ["x@web-1", "x@web-2"]),
        ("[web-2, db-1]", ["x@db-1", "x@web-2"]),
        ("'web-*'", ["x@web-1", "x@web-2"]),
        ("[webservers, 'c*', web-1]", ["x@cache-1", "x@web-1", "x@web-2"]),
    ],
)
def test_a_set_is_a_group_a_list_or_a_pattern(load: Load, hosts: str, members: list[str]) -> None:
    assert sorted(_bundle(load(f"components: {{x: {{hosts: {hosts}}}}}")).service_map.components) == members


@pytest.mark.parametrize(
    ("hosts", "code"),
    [
        ("empty", "empty-set"),
        ("'nothing-*'", "empty-set"),
        ("webserver", "unknown-host"),
        ("[]", "empty-set"),
        ("[5]", "bad-value"),
    ],
)
def test_a_set_without_members_is_an_error(codes: Codes, hosts: str, code: str) -> None:
    assert code in {one for one, _, _ in codes(f"components: {{x: {{hosts: {hosts}}}}}")}


def test_a_set_needs_an_inventory(tmp_path: Path) -> None:
    loaded = _folder(tmp_path, a="components: {x: {hosts: webservers}}")
    assert "no-inventory" in {one.code for one in loaded.findings}


def test_an_inventory_that_cannot_be_read_is_told_once(tmp_path: Path) -> None:
    def unreadable() -> Inventory:
        raise InventoryUnreadable("ansible-inventory says no", hint="ask it")

    (tmp_path / "a.yml").write_text("components: {x: {hosts: a}, y: {hosts: b}, z: {}}")
    loaded = load_bundle(tmp_path, inventory=unreadable, playbooks=None, scrutinise=True)
    assert [(one.code, one.message, one.hint) for one in loaded.findings if one.code == "inventory"] == [
        ("inventory", "ansible-inventory says no", "ask it")
    ]


def test_without_sets_the_inventory_is_asked_only_to_scrutinise(tmp_path: Path) -> None:
    asked: list[bool] = []

    def inventory() -> Inventory:
        asked.append(True)
        return Inventory(addresses={"db": "10.0.0.9"}, groups={"all": ("db",)})

    (tmp_path / "a.yml").write_text("components: {db: {}, other: {}}")
    assert _bundle(load_bundle(tmp_path, inventory=inventory, playbooks=None, scrutinise=False))
    assert asked == []
    loaded = load_bundle(tmp_path, inventory=inventory, playbooks=None, scrutinise=True)
    assert [(one.code, one.line, one.column) for one in loaded.findings] == [("unknown-host", 1, 22)]


def test_a_host_called_like_a_group_is_refused(tmp_path: Path) -> None:
    both = Inventory(addresses={"db": "db", "db-1": "db-1"}, groups={"all": ("db", "db-1"), "db": ("db-1",)})
    (tmp_path / "a.yml").write_text("components: {db: {}}")
    loaded = load_bundle(tmp_path, inventory=lambda: both, playbooks=None, scrutinise=True)
    assert [one.code for one in loaded.findings] == ["host-is-group"]


# --- money, goals, settings ----------------------------------------------------------------------------------------


def test_tiers_are_points_where_no_money_is_known(load: Load) -> None:
    bundle = _bundle(load("services: {a: {tier: high, requires: [x]}}\ncomponents: {x: {}}"))
    assert (bundle.currency, bundle.service_map.services[NodeId("a")].loss_per_minute.default) == ("points", 100.0)


def test_tiers_beside_money_need_their_worth(codes: Codes) -> None:
    mixed = (
        "services:\n  a: {tier: high, requires: [x]}\n  b: {loss_per_minute: 1, requires: [x]}\ncomponents: {x: {}}\n"
    )
    assert codes(mixed) == [("mixed-loss", 2, 6)]
    assert codes(f"{mixed}settings: {{tiers: {{high: 60/h}}}}\n") == []


@pytest.mark.parametrize("loss", ["", "loss_per_minute: , ", "tier: , ", "tier: low, loss_per_minute: 1, "])
def test_a_service_says_one_of_money_and_tier(codes: Codes, loss: str) -> None:
    assert [code for code, _, _ in codes(f"services: {{a: {{{loss}requires: [x]}}}}\ncomponents: {{x: {{}}}}\n")] in (
        ["no-loss"],
        ["no-loss", "mixed-loss"],
        ["mixed-loss", "no-loss"],
    )


@pytest.mark.parametrize(
    ("written", "limit"),
    [
        ("", StormLimit()),
        ("guard: {storm: 40%}", StormLimit(share=0.4, at_least=3)),
        (
            "guard: {storm: {all: 20%, at_least: 5, within: 2m}}",
            StormLimit(share=0.2, at_least=5, within=timedelta(minutes=2)),
        ),
    ],
)
def test_the_storm_brake_is_on_unless_something_else_is_said(load: Load, written: str, limit: StormLimit) -> None:
    assert _bundle(load(f"{SHOP}settings: {{{written}}}")).settings.storm == limit


def test_settings_say_what_a_reviewer_must_see(load: Load) -> None:
    settings = _bundle(
        load(
            f"{SHOP}settings: {{executors: 2, settle: 1m, guard: {{max_runs: 20/1h}}, not_about: {{job: [blackbox]}}}}"
        )
    ).settings
    assert (settings.executors, settings.settle) == (2, timedelta(minutes=1))
    assert settings.max_runs == Rate(count=20, window=timedelta(hours=1))
    assert settings.not_about == {"job": ("blackbox",)}


def test_a_goal_for_a_function_that_no_service_has_is_a_warning(load: Load) -> None:
    text = SHOP.replace("{loss", "{function: sales, loss") + "goals: {g: {weights: {sale: 2}}}"
    assert [(one.code, one.severity, one.hint) for one in load(text).findings] == [
        ("unused-function", Severity.WARNING, "did you mean 'sales'?")
    ]


# --- policies ------------------------------------------------------------------------------------------------------


def test_a_policy_as_it_is_written(load: Load) -> None:
    policy = _bundle(
        load(
            _policy("""when: signal.age > 30
    sets: degraded
    evidence: direct
    precedence: 5
    do:
      - playbook: restart.yml
        vars: {unit: "{{ component.id }}", ports: [80, 443], deep: {on: true}}
        expect: {duration: 20s, success: 70%}
        timeout: 2m
        once: true
        affects: [web]
        rollback: {playbook: undo.yml, vars: {a: 1}}
    verify:
      - {tcp: "{{ component.address }}:5432", within: 10s, hold: 30s}
      - {http: "http://db-1/health", status: 204, body: ok}
      - {alert: off}
    mode: approve
    guard: {cooldown: 5m, max_runs: {component: 1/1h, policy: 2/1h}, max_unavailable: 25%, approve_above: 100}
    max_age: 30m""")
        )
    ).policies[PolicyId("p")]
    first = policy.do[0]
    assert (policy.sets, policy.evidence, policy.mode) == (State.DEGRADED, Evidence.DIRECT, Mode.APPROVE)
    assert (first.duration, first.success, first.time_limit) == (timedelta(seconds=20), 0.7, timedelta(minutes=2))
    assert first.affects == ("web@web-1", "web@web-2")
    assert not isinstance(first.vars["unit"], str)
    assert (first.vars["ports"], first.vars["deep"]) == ((80, 443), {"on": True})
    assert [str(check.kind) for check in policy.verify] == ["tcp", "http", "alert"]
    assert policy.guard.max_runs_per_policy == Rate(count=2, window=timedelta(hours=1))


def test_a_template_in_vars_is_rendered_from_component_facts(load: Load) -> None:
    bundle = _bundle(load(_policy('do: [{playbook: p.yml, vars: {where: "{{ component.host }}"}}]')))
    template = bundle.policies[PolicyId("p")].do[0].vars["where"]
    assert callable(template)
    written: Template = template
    assert written(bundle.service_map.components[NodeId("db")]) == "db-1"


def test_defaults_apply_to_what_a_policy_does_not_say(load: Load) -> None:
    defaults = "defaults: {mode: auto, guard: {cooldown: 1m}, verify: [{tcp: 'db-1:5432'}]}\n"
    bundle = _bundle(load(_policy("do: [{playbook: p.yml}]") + "  q:\n    match: {a: b}\n    mode: off\n" + defaults))
    p, q = bundle.policies[PolicyId("p")], bundle.policies[PolicyId("q")]
    assert (p.mode, p.guard.cooldown, len(p.verify)) == (Mode.AUTO, timedelta(minutes=1), 1)
    assert q.mode is Mode.OFF
    assert _bundle(load(_policy("do: []"))).policies[PolicyId("p")].mode is Mode.SHADOW


@pytest.mark.parametrize(
    ("body", "finding"),
    [
        ("mode: on", ("bad-value", 7, 11)),
        ("sets: broken", ("bad-value", 7, 11)),
        ("when: nonsense(", ("bad-expression", 7, 11)),
        ("component: nowhere", ("unknown-component", 7, 16)),
        ("component: shop", ("unknown-component", 7, 16)),
        ("component: web", ("unknown-component", 7, 16)),
        ("component: '{{ alert.name }}'", ("bad-expression", 7, 16)),
        ("precedence: high", ("bad-value", 7, 17)),
        ("do: [{}]", ("missing-key", 7, 10)),
        ("do: [{playbook: ../x.yml}]", ("bad-playbook", 7, 21)),
        ("do: [{playbook: /etc/x.yml}]", ("bad-playbook", 7, 21)),
        ("do: [{playbook: ''}]", ("bad-playbook", 7, 21)),
        ("do: [{playbook: p.yml, hosts: [self, 'web*']}]", ("bad-value", 7, 42)),
        ("do: [{playbook: p.yml, vars: {_x: 1}}]", ("bad-variable", 7, 35)),
        ("do: [{playbook: p.yml, vars: {inventory_hostname: 1}}]", ("reserved-variable", 7, 35)),
        ("do: [{playbook: p.yml, vars: {bsm: 1}}]", ("reserved-variable", 7, 35)),
        ("do: [{playbook: p.yml, vars: {lookup: 1}}]", ("reserved-variable", 7, 35)),
        ("do: [{playbook: p.yml, vars: {a: [{__ansible_unsafe: x}]}}]", ("bad-variable", 7, 38)),
        ("do: [{playbook: p.yml, vars: {a: [[[[[[[x]]]]]]]}}]", ("bad-variable", 7, 38)),
        ("do: [{playbook: p.yml, vars: {a: '{{ x }}'}}]", ("bad-expression", 7, 38)),
        ("do: [{playbook: p.yml, affects: [nowhere]}]", ("unknown-component", 7, 38)),
        ("do: [{playbook: p.yml, expect: {success: 2}}]", ("bad-value", 7, 46)),
        ("do: [{rebalance: nowhere}]", ("unknown-pool", 7, 22)),
        ("metric: {query: up}", ("bad-value", 7, 13)),
        ("verify: [{tcp: a:1, http: 'http://a'}]", ("bad-value", 7, 14)),
        ("verify: [{}]", ("bad-value", 7, 14)),
        ("verify: [{tcp: a}]", ("bad-check", 7, 20)),
        ("verify: [{http: a}]", ("bad-check", 7, 21)),
        ("verify: [{command: ' '}]", ("bad-check", 7, 24)),
        ("verify: [{alert: on}]", ("bad-value", 7, 22)),
        ("verify: [{tcp: 'a:1', status: 200}]", ("bad-value", 7, 14)),
        ("verify: [{http: 'http://a', body: '('}]", ("bad-matcher", 7, 39)),
        ("verify: [{tcp: 'a:1', every: 0s}]", ("bad-value", 7, 34)),
        ("verify: [{promql: ' '}]", ("bad-check", 7, 23)),
        ("verify: [{promql: queue == 0}]", ("never-holds", 7, 23)),
        ("verify: [{promql: '{{ component.id }} > 1'}]", ("bad-expression", 7, 23)),
        ("verify: [{promql: 'up{a=`{{ component.id }}`}'}]", ("bad-expression", 7, 23)),
        ("verify: [{tcp: 'a:1', source: eu}]", ("bad-value", 7, 14)),
        ("verify: [{playbook: ../c.yml}]", ("bad-playbook", 7, 25)),
        ("verify: [{playbook: '{{ component.id }}/../../c.yml'}]", ("bad-playbook", 7, 25)),
        ("guard: {approvers: [nobody]}", ("unknown-team", 7, 25)),
        ("guard: {max_unavailable: some}", ("bad-value", 7, 30)),
        ("guard: {canary: 0}", ("bad-value", 7, 21)),
        ("freeze: later", ("bad-value", 7, 13)),
        ("unchecked: 'yes'", ("bad-value", 7, 16)),
        ("set: down", ("unknown-key", 7, 5)),
    ],
)
def test_one_mistake_is_one_finding_at_its_place(codes: Codes, body: str, finding: tuple[str, int, int]) -> None:
    assert codes(_policy(body)) == [finding]


def test_what_comes_later_is_refused_and_not_ignored(load: Load) -> None:
    found = load("currency: EUR\ncomponents: {db: {}}\nsources: {alertmanager: {url: x}}\n").findings
    assert {one.code for one in found} - {"unknown-key"} == {"not-supported-yet"}


@pytest.mark.parametrize(
    ("body", "finding"),
    [
        ("metric: {query: up, above: 1, below: 0}", ("bad-value", 6, 13)),
        ("metric: {query: up, above: 1, clear: 2}", ("bad-value", 6, 13)),
        ("metric: {query: up, below: 1, clear: 0}", ("bad-value", 6, 13)),
        ("metric: {query: up, above: .nan}", ("bad-value", 6, 32)),
        ("metric: {query: ' ', above: 1}", ("bad-metric", 6, 21)),
        ("metric: {query: up, above: 1, for: soon}", ("bad-value", 6, 40)),
        ("metric: {query: up, above: 1, every: 0s}", ("bad-value", 6, 42)),
        ("metric: {query: up, above: 1, hold: 5s}", ("unknown-key", 6, 35)),
        ("metric: {query: up, above: 1, forecast: soon}", ("bad-value", 6, 45)),
        ("metric: {query: up, above: 1}\n    match: {alertname: Down}", ("bad-value", 6, 5)),
        ("description: nothing", ("bad-value", 6, 5)),
    ],
)
def test_one_mistake_of_a_metric_is_one_finding(codes: Codes, body: str, finding: tuple[str, int, int]) -> None:
    assert codes(f"{SHOP}policies:\n  p:\n    {body}\n") == [finding]


def test_a_metric_policy_sets_no_state_unless_it_says_so(load: Load) -> None:
    text = """policies:
  busy: {metric: {query: load, above: 0.85, clear: 0.7, for: 2m, every: 10s}}
  full: {metric: {query: free, below: 5}, sets: down}
"""
    policies = _bundle(load(f"{SHOP}{text}")).policies
    busy, full = policies[PolicyId("busy")], policies[PolicyId("full")]
    assert (busy.sets, full.sets) == (State.OK, State.DOWN)
    assert busy.metric is not None
    assert full.metric is not None
    assert str(busy.metric.threshold) == "above 0.85 for 2m, clear at 0.7"
    assert busy.metric.threshold.stale_after == timedelta(seconds=30)
    assert (str(full.metric.threshold), full.metric.every) == ("below 5", timedelta(seconds=30))


def test_auto_without_a_check_of_its_own_is_a_warning(codes: Codes) -> None:
    acts = "do: [{playbook: p.yml}]\n    mode: auto"
    assert codes(_policy(acts)) == [("no-second-opinion", 5, 3)]
    assert codes(_policy(f"{acts}\n    verify: [{{alert: off}}]")) == [("no-second-opinion", 5, 3)]
    assert codes(_policy(f"{acts}\n    unchecked: true")) == []
    assert codes(_policy(f"{acts}\n    verify: [{{tcp: 'a:1'}}]")) == []


def test_a_tie_is_an_error_where_it_can_be_seen(codes: Codes) -> None:
    first = _policy("do: [{playbook: p.yml}]\n    mode: approve")
    same = "  q:\n    match: ['alertname=\"Down\"']\n    do: [{playbook: q.yml}]\n    mode: approve\n"
    assert codes(first + same) == [("tie", 9, 3)]
    assert codes(f"{first}{same}    precedence: 1\n") == []
    assert codes(first + same.replace("approve", "shadow")) == []
    assert codes(f"{first}{same}    when: signal.age > 5\n") == []


def test_an_unknown_name_hides_no_other_error(codes: Codes) -> None:
    found = codes("""services:
  a: {loss_per_minute: much, owner: nobody, requires: [nowhere, {any: []}]}
  b: {loss_per_minute: {default: 1, never: 2}, requires: {at_least: 9, of: [x]}, titel: B}
components:
  x: {requires: [a, gone], owner: nobody, hots: y}
""")
    assert found == [
        ("bad-value", 2, 24),
        ("unknown-team", 2, 37),
        ("unknown-component", 2, 56),
        ("bad-formula", 2, 71),
        ("unknown-calendar", 3, 37),
        ("bad-formula", 3, 69),
        ("unknown-key", 3, 82),
        ("unknown-component", 5, 21),
        ("unknown-team", 5, 35),
        ("unknown-key", 5, 43),
    ]


def test_a_circle_is_a_warning_with_its_way(load: Load) -> None:
    loaded = load(
        "components:\n  a: {requires: [b]}\n  b: {requires: [c]}\n  c: {requires: [a]}\n  d: {requires: [d]}\n"
    )
    assert loaded.bundle is not None
    assert [(one.code, one.severity, one.line, one.message) for one in loaded.findings] == [
        ("cycle", Severity.WARNING, 2, "requirements go in a circle: a → b → c → a"),
        ("cycle", Severity.WARNING, 5, "requirements go in a circle: d → d"),
    ]


ATTEMPTS = """
policies:
  mend:
    match: {alertname: Down}
    %s
    do:
      - {playbook: rebuild.yml, expect: {duration: 20m, success: 0.95}}
      - {playbook: restart.yml, expect: {duration: 2m, success: 0.6}}
      - {playbook: pray.yml, expect: {duration: 10m, success: 0.1}}
"""


def test_alternatives_are_tried_as_written_or_by_success_per_time(load: Callable[[str], Loaded]) -> None:
    def order(choose: str) -> list[str]:
        bundle = load(ATTEMPTS % choose).bundle
        assert bundle is not None
        return [one.playbook for one in bundle.policies[PolicyId("mend")].do]

    assert order("") == order("choose: written") == ["rebuild.yml", "restart.yml", "pray.yml"]
    assert order("choose: gain") == ["restart.yml", "rebuild.yml", "pray.yml"]


def test_a_further_alternative_is_tried_only_while_it_saves_more_of_a_person_s_time_than_it_takes(
    load: Callable[[str], Loaded],
) -> None:
    found = load("settings: {person: 30m}\n" + ATTEMPTS % "choose: gain")
    assert found.bundle is not None
    assert [one.playbook for one in found.bundle.policies[PolicyId("mend")].do] == ["restart.yml", "rebuild.yml"]
    (warning,) = found.findings
    assert (warning.code, warning.line) == ("not-worth-it", 10)
    assert warning.message == (
        "is never tried: with a chance of 10% it saves less than the 10m that it takes (settings: person)"
    )
