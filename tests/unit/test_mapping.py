"""Which component an alert is about: the order of DESIGN 4, and why an alert fits nothing."""

from __future__ import annotations

import pytest

from bsm_remediate.config.expression import compile_label_template
from bsm_remediate.domain.bundle import Bundle, Settings
from bsm_remediate.domain.decision import Verdict
from bsm_remediate.domain.evaluation import Evaluation, Evaluator
from bsm_remediate.domain.ids import NodeId
from bsm_remediate.domain.policy import Mode, Policy
from bsm_remediate.domain.state import State
from bsm_remediate.testing.builders import alert, bundle, component, policy, service, situation

DOWN = policy("restart", match={"alertname": "Down"})
PARTS = (
    component("db-1", host="host-a", aliases=["10.0.0.7", "db-1:9187"], match={"job": "postgres", "shard": "1"}),
    component("db-2", host="host-a", match={"job": "postgres", "shard": "2"}),
    component("machine-a", host="host-a", host_level=True),
    component("web-1", host="host-b", aliases=["frontend"]),
    component("web-2", host="host-c", aliases=["frontend"]),
    component("x-1", host="host-d"),
    component("x-2", host="host-d"),
    service("checkout", requires=["web-1", "db-1"]),
)
SHOP = bundle(*PARTS, DOWN)


def seen(shop: Bundle = SHOP, **labels: str) -> Evaluation:
    return Evaluator(shop).evaluate(situation(alert("Down", more=labels)))


def about(shop: Bundle = SHOP, **labels: str) -> dict[str, str]:
    """Component → how it was found."""
    return {str(signal.component): signal.how for signal in seen(shop, **labels).signals}


def why_not(shop: Bundle = SHOP, **labels: str) -> str:
    ((_, reason),) = seen(shop, **labels).unmapped
    return reason


def naming(template: str, name: str = "restart", *, mode: Mode = Mode.AUTO) -> Policy:
    return policy(name, match={"alertname": "Down"}, component=compile_label_template(template), mode=mode)


def test_first_the_component_that_its_policy_names() -> None:
    shop = bundle(*PARTS, naming("web-{{ labels.number }}"))
    assert about(shop, number="2", job="postgres", shard="1", instance="x-1") == {
        "web-2": "component of policy restart"
    }


def test_a_policy_that_names_nothing_there_is_leaves_its_alert_unmapped() -> None:
    shop = bundle(*PARTS, naming("web-{{ labels.number }}"))
    assert why_not(shop, number="9", instance="db-1") == (
        "policy restart says component 'web-9', and there is none of that id"
    )
    assert "none of that id" in why_not(shop, instance="db-1")


def test_what_a_policy_names_must_be_a_component_not_a_service() -> None:
    assert "none of that id" in why_not(bundle(*PARTS, naming("checkout")))


def test_the_policy_that_acts_names_the_component_before_a_shadow_does() -> None:
    shop = bundle(*PARTS, naming("web-1", "a-shadow", mode=Mode.SHADOW), naming("web-2", "the-acting-one"))
    assert about(shop) == {"web-2": "component of policy the-acting-one"}


def test_then_all_components_whose_match_fits() -> None:
    assert about(job="postgres", shard="1", instance="web-1") == {"db-1": "match of db-1"}
    twins = bundle(*(component(f"t-{one}", match={"job": "twin"}) for one in range(3)), DOWN)
    assert set(about(twins, job="twin")) == {"t-0", "t-1", "t-2"}


def test_then_a_label_whose_value_is_an_id() -> None:
    assert about(instance="db-1") == {"db-1": "label instance=db-1"}
    assert about(pod="frontend", component="db-2") == {"db-2": "label component=db-2"}
    assert about(pod="db-1", host="frontend") == {"db-1": "label pod=db-1"}, "an id before an alias of any label"


def test_then_an_alias_of_every_component_that_has_it() -> None:
    assert about(instance="10.0.0.7:5432") == {"db-1": "alias 10.0.0.7 of db-1, label instance"}
    assert set(about(host="frontend")) == {"web-1", "web-2"}
    assert about(host="frontend", instance="host-a") == about(host="frontend"), "an alias before a host of any label"


def test_then_a_host() -> None:
    assert about(instance="host-b") == {"web-1": "host host-b, label instance"}
    assert about(instance="host-a") == {"machine-a": "host host-a, label instance"}, "the one marked host_level"


def test_a_host_of_several_components_none_of_them_for_the_host_is_ambiguous() -> None:
    assert why_not(instance="host-d") == "ambiguous: host host-d runs x-1, x-2; mark one `host_level: true`"


@pytest.mark.parametrize("instance", ["db-1", "db-1:9100"])
def test_an_instance_counts_with_and_without_its_port(instance: str) -> None:
    assert set(about(instance=instance)) == {"db-1"}


def test_an_instance_with_its_port_is_looked_for_before_the_one_without() -> None:
    shop = bundle(component("proxy"), component("proxy:81"), DOWN)
    assert set(about(shop, instance="proxy:81")) == {"proxy:81"}
    assert set(about(shop, instance="proxy:82")) == {"proxy"}


def test_only_an_instance_has_a_port() -> None:
    assert why_not(pod="db-1:9100") == "nothing is called pod=db-1:9100"


def test_an_address_of_six_is_not_cut() -> None:
    shop = bundle(component("db-1", aliases=["fe80::1"]), DOWN)
    assert set(about(shop, host="fe80::1")) == {"db-1"}


def test_the_labels_are_looked_at_in_their_written_order() -> None:
    assert set(about(component="db-1", instance="web-1")) == {"db-1"}
    shop = bundle(*PARTS, DOWN, settings=Settings(component_labels=("vm", "instance")))
    assert set(about(shop, component="db-1", instance="web-1", vm="x-1")) == {"x-1"}
    assert why_not(shop, component="db-1") == "no label names a component"


def test_exporters_that_run_elsewhere_do_not_name_the_host_they_run_on() -> None:
    shop = bundle(*PARTS, DOWN, settings=Settings(not_about={"job": ("blackbox",)}))
    assert why_not(shop, job="blackbox", instance="host-b") == "no label names a component"
    assert set(about(shop, job="node", instance="host-b")) == {"web-1"}
    assert set(about(shop, job="blackbox", instance="host-b", component="db-1")) == {"db-1"}


def test_a_label_that_names_a_service_reports_its_state_and_is_no_cause() -> None:
    found = seen(service="checkout")
    assert found.signals == ()
    assert found.unmapped == ()
    assert found.impact.services[NodeId("checkout")].state is State.DOWN
    assert all(cause.suspect and cause.component != "checkout" for cause in found.impact.root_causes)
    assert found.plan.steps == ()


def test_a_reported_service_is_as_bad_as_the_worse_of_report_and_formula() -> None:
    evaluator = Evaluator(SHOP)
    mild = alert("Down", severity="warning", service="checkout")
    assert evaluator.evaluate(situation(mild)).impact.state(NodeId("checkout")) is State.DEGRADED
    both = evaluator.evaluate(situation(mild, alert("Down", instance="web-1")))
    assert both.impact.state(NodeId("checkout")) is State.DOWN


def test_an_alert_that_fits_nothing_is_kept_and_says_why() -> None:
    assert why_not() == "no label names a component"
    assert why_not(instance="elsewhere:9100") == "nothing is called instance=elsewhere:9100"
    found = seen(instance="elsewhere")
    assert [one.verdict for one in found.decisions] == ["unmapped"]
    assert len(found.plan.unmapped) == 1
    assert found.plan.held == ()


def test_an_empty_label_names_nothing() -> None:
    assert why_not(instance="", component="") == "no label names a component"


def test_alert_text_is_no_template_of_a_component() -> None:
    shop = bundle(*PARTS, naming("{{ labels.who }}"))
    assert "none of that id" in why_not(shop, who="{{ 'db-1' }}")
    assert set(about(shop, who="db-1")) == {"db-1"}


def test_an_alert_about_a_service_is_shown_though_nothing_can_be_done_about_it() -> None:
    (one,) = seen(bundle(*PARTS), service="checkout").decisions
    assert (one.component, one.policy, one.verdict) == ("checkout", None, Verdict.NO_POLICY)
    assert one.reason == "no policy names Down"
    (one,) = seen(service="checkout").decisions
    assert one.reason == (
        "Down says that checkout is down, a service; restart must name the component to act on (component: …)"
    )
    (one,) = seen(bundle(*PARTS, policy("meaning", match={"alertname": "Down"}, do=[])), service="checkout").decisions
    assert one.reason == "meaning only says what it means: checkout is down"
    assert seen(service="checkout").plan.held[0].component == "checkout"


def test_an_alert_about_a_service_that_has_ended_is_forgotten() -> None:
    shop = Evaluator(SHOP)
    assert shop.evaluate(situation(alert("Down", service="checkout"))).decisions
    assert not shop.evaluate(situation()).decisions
