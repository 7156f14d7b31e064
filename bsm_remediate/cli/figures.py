"""The examination of `doctor` that asks for figures: does each source answer, and can it make sense of the bundle."""

from __future__ import annotations

from collections.abc import Iterator

from bsm_remediate.app import Installation
from bsm_remediate.cli.examined import Examined, Health
from bsm_remediate.config.sources import PROMETHEUS, prometheus_meant
from bsm_remediate.domain.bundle import Bundle
from bsm_remediate.domain.mapping import Mapper
from bsm_remediate.domain.metric import series_labels
from bsm_remediate.domain.policy import CheckKind, Policy
from bsm_remediate.errors import InvalidExpression, QueryRefused, SourceUnreachable
from bsm_remediate.ports import MetricSource


def examine_figures(installation: Installation, bundle: Bundle | None) -> Iterator[Examined]:
    """Whether each source answers, takes the bundle's queries, and whether what it has is about its components."""
    kinds = installation.figures.kinds
    usual = prometheus_meant([name for name, kind in kinds.items() if kind == PROMETHEUS])
    for name, source in installation.figures.open_all().items():
        try:
            source.samples("vector(1)" if kinds[name] == PROMETHEUS else "up")
        except SourceUnreachable as error:
            hint = f"see [sources.{name}]; meanwhile what asks it neither holds nor fires"
            yield Examined(name=f"source {name}", health=Health.FAILED, detail=str(error.args[0]), hint=hint)
            continue
        yield Examined(name=f"source {name}", detail="answers")
        if bundle is not None:
            yield from _bundle(name, source, bundle, is_usual=name == usual)


def _bundle(name: str, source: MetricSource, bundle: Bundle, *, is_usual: bool) -> Iterator[Examined]:
    mapper = Mapper(bundle)
    for policy in bundle.policies.values():
        for query in _checked(policy, name, bundle, is_usual=is_usual):
            try:
                source.samples(query)
            except SourceUnreachable as error:
                yield _refused(name, policy, query, error)
        metric = policy.metric
        if metric is not None and (metric.source == name or (metric.source is None and is_usual)):
            try:
                found = source.samples(metric.query)
            except SourceUnreachable as error:
                yield _refused(name, policy, metric.query, error)
                continue
            lost = [one for one in found if not mapper.map(series_labels(one.labels), (policy,)).components]
            detail = f"policy {policy.id}: {len(found)} series, {len(lost)} of them about no component"
            health = Health.WARNING if lost or not found else Health.OK
            hint = "see how alerts name components: `component:`, `match`, `aliases`, `settings: component_labels`"
            yield Examined(name=f"source {name}", health=health, detail=detail, hint=hint)


def _checked(policy: Policy, name: str, bundle: Bundle, *, is_usual: bool) -> Iterator[str]:
    """What its checks ask that source, with the facts of some component filled in."""
    someone = next(iter(bundle.service_map.components.values()), None)
    for check in policy.verify:
        is_asked = check.source == name or (check.source is None and is_usual)
        if check.kind is CheckKind.PROMQL and check.target is not None and is_asked and someone is not None:
            try:
                yield check.target(someone)
            except InvalidExpression:
                continue  # it speaks of a label that only some components have


def _refused(name: str, policy: Policy, query: str, error: SourceUnreachable) -> Examined:
    hint = f"see `{query}`" if isinstance(error, QueryRefused) else ""
    detail = f"policy {policy.id}: {error.args[0]}"
    return Examined(name=f"source {name}", health=Health.FAILED, detail=detail, hint=hint)
