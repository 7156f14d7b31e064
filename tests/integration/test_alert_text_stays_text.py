"""Hostile text in every field of an alert, through a playbook that uses it in many ways: nothing of it is executed, and
all of it arrives unchanged.
"""

from __future__ import annotations

import json
from pathlib import Path

from bsm_remediate.adapters.ansible.warm import WarmServers
from bsm_remediate.domain.playbook import PlaybookEvent, PlaybookOutcome
from bsm_remediate.testing.local_ansible import LocalAnsible, a_call, an_alert

USES = """
- ansible.builtin.debug: {var: bsm}
- ansible.builtin.debug: {msg: "{{ bsm.alert.name }} and {{ bsm.alerts }}"}
- name: "In a name {{ bsm.alert | bsm_label('payload') }}"
  ansible.builtin.debug: {msg: "{{ 'before ' ~ (bsm.alert | bsm_label('payload')) ~ ' after' }}"}
- ansible.builtin.debug: {msg: "{{ item.name }}={{ item.value }}"}
  loop: "{{ bsm.alert.labels + bsm.alert.annotations + bsm.component.labels }}"
- ansible.builtin.set_fact:
    kept: "{{ bsm.alert.labels }}"
    keyed: "{{ dict(bsm.alert.labels | map(attribute='value') | zip(bsm.alert.labels | map(attribute='name'))) }}"
    again: "{{ bsm.alert | to_json | from_json }}"
    coded: "{{ bsm.alert.labels | to_json | b64encode | b64decode | from_json }}"
- ansible.builtin.debug: {msg: "{{ kept }} {{ keyed }} {{ again }} {{ coded }} {{ keyed | dict2items }}"}
- ansible.builtin.debug: {msg: "{{ local }}"}
  vars: {local: "{{ bsm.alert | bsm_label('payload') }}"}
- ansible.builtin.debug: {msg: "{{ payload_var }} {{ nested_var }}"}
- ansible.builtin.assert:
    that:
      - (bsm.alert | bsm_label('payload')) is string
      - "'payload' in bsm.alert.labels | map(attribute='name')"
- ansible.builtin.command: {argv: [echo, "{{ bsm.alert | bsm_label('payload') }}"]}
  environment: {SAID: "{{ bsm.alert | bsm_label('payload') }}"}
  register: echoed
  until: "echoed.stdout != (bsm.alert | bsm_label('bare'))"
  retries: 1
- ansible.builtin.debug: {msg: "{{ echoed.stdout }} {{ hostvars[inventory_hostname].echoed.stdout_lines }}"}
- ansible.builtin.shell: "echo {{ bsm.alert | bsm_label('payload') | quote }}"
- ansible.builtin.template: {src: text.j2, dest: "{{ folder }}/templated", mode: '0600'}
- ansible.builtin.copy: {content: "{{ bsm | to_json }}", dest: "{{ folder }}/facts.json", mode: '0600'}
"""
POISON = (
    *("__ansible_unsafe", "__ansible_vault", "__ansible_type", "ansible_python_interpreter", "ansible_connection"),
    *("--extra-vars=@/etc/passwd", "-e", "@file", "a: {b: c}", "!unsafe x", "&a *a", "<<"),
    *("items", "keys", "name", "", " ", "%s", "'", '"'),
)


def test_template_text_in_every_field_is_never_executed_and_arrives_unchanged(
    tmp_path: Path, maybe_warm: WarmServers | None
) -> None:
    local = LocalAnsible(tmp_path, warm=maybe_warm)
    canary = tmp_path / "CANARY"
    touch = f"lookup('pipe','touch {canary}')"
    payload = f"{{{{ {touch} }}}}"
    texts = [
        *(payload, f"{{% set x = {touch} %}}", f"{{# x #}}{payload}", f"!unsafe {payload}"),
        *(f"$(touch {canary})", f"`touch {canary}`", f"; touch {canary} #", f"'; touch {canary}; '"),
        *(f"a\n{payload}\n---\nb: {payload}", "\ud800\x00", "\u2028🧨", '{"__ansible_unsafe": "x"}'),
    ]
    names = [payload, *POISON, *texts]
    labels = {
        "alertname": payload,
        "payload": payload,
        "bare": touch,
        **{name: texts[number % len(texts)] for number, name in enumerate(names)},
    }
    alert = an_alert(labels, {**dict.fromkeys(names, payload), "summary": payload})
    local.write_playbook("uses.yml", USES)
    (local.playbooks / "text.j2").write_text("{{ bsm.alert.labels }} {{ bsm.alert | bsm_label('payload') }}")
    call = a_call(
        "uses.yml",
        alerts=(alert, alert),
        labels={payload: payload, "__ansible_unsafe": payload},
        variables={"payload_var": payload, "nested_var": {"a": [payload, {"b": payload}]}, "folder": str(tmp_path)},
    )
    told: list[PlaybookEvent] = []
    result = local.executor().execute(call, on_event=told.append, cancelled=lambda: False)
    assert result.outcome is PlaybookOutcome.SUCCEEDED, result.reason
    assert not canary.exists()
    arrived = json.loads((tmp_path / "facts.json").read_text())
    assert {pair["name"]: pair["value"] for pair in arrived["alert"]["labels"]} == _cleaned(labels)
    assert {pair["name"]: pair["value"] for pair in arrived["alert"]["annotations"]} == _cleaned(
        dict(alert.annotations)
    )
    assert arrived["alert"]["name"] == payload
    assert arrived["alerts"] == [arrived["alert"]] * 2
    assert arrived["component"]["labels"][0] == {"name": payload, "value": payload}
    assert arrived["service_impact"] == {"loss_per_minute": 300.0, "services": ["checkout"]}
    assert arrived["run"] == {"id": "run-1", "attempt": 1, "fence": 7}
    assert payload in (tmp_path / "templated").read_text()
    assert f"before {payload} after" in [event.message for event in told]


def _cleaned(pairs: dict[str, str]) -> dict[str, str]:
    """As they arrive: what no program can take is replaced."""
    return {_clean(name): _clean(value) for name, value in pairs.items()}


def _clean(text: str) -> str:
    return "".join("\ufffd" if letter == "\0" or "\ud800" <= letter <= "\udfff" else letter for letter in text)
