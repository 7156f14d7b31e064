"""CloudWatch alarms, through an SNS topic with an HTTPS subscription (with or without raw message delivery).

SNS asks once to confirm a subscription. Its address isn't visited from here: a body from outside would decide what
this server fetches. It is logged for a person, and only if it is one of Amazon's.

Source: https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html
"""

from __future__ import annotations

import logging
import re
from typing import Any

from bsm_remediate.adapters.webhooks.delivery import parse, require_object
from bsm_remediate.adapters.webhooks.field_map import FieldMap, at
from bsm_remediate.domain.field_path import find
from bsm_remediate.errors import MalformedAlerts

CONTENT_TYPES = frozenset({b"application/json", b"text/plain"})
"""SNS says of its JSON that it is plain text."""

_SNS_ADDRESS = re.compile(r"https://sns\.[a-z0-9-]+\.amazonaws\.com(?:\.cn)?/\?[A-Za-z0-9=&:%_.~+-]{1,2000}")
_WHO = (
    *("InstanceId", "DBInstanceIdentifier", "DBClusterIdentifier", "CacheClusterId", "FunctionName", "ServiceName"),
    *(
        "ClusterName",
        "TargetGroup",
        "LoadBalancer",
        "QueueName",
        "TopicName",
        "TableName",
        "BucketName",
        "FileSystemId",
    ),
)
"""Dimensions that name a thing, rather than a part or a kind of it; the first that an alarm has names its instance."""

_log = logging.getLogger(__name__)


def _control(message: dict[str, Any]) -> str:
    kind = message.get("Type")
    if not isinstance(kind, str) or kind not in {"SubscriptionConfirmation", "UnsubscribeConfirmation"}:
        return ""
    address = message.get("SubscribeURL")
    if kind == "SubscriptionConfirmation":
        if isinstance(address, str) and _SNS_ADDRESS.fullmatch(address):
            _log.warning("webhook.confirm_subscription by opening %s if the topic is one of yours", address)
        else:
            _log.warning("webhook.confirm_subscription its address is none of Amazon's, so it isn't shown")
    return "a message of SNS about the subscription itself"


def _alarm(message: dict[str, Any], pointer: str) -> dict[str, Any]:
    """The alarm within SNS' envelope, its dimensions by name."""
    alarm, where = message, pointer
    if "AlarmName" not in message:
        where = f"{pointer}/Message"
        text = message.get("Message")
        if not isinstance(text, str):
            raise MalformedAlerts("there is no CloudWatch alarm", field=where)
        try:
            alarm = require_object(parse(text.encode(errors="replace")), where)
        except MalformedAlerts as error:
            raise MalformedAlerts(f"is no CloudWatch alarm: {error}", field=where) from None
    dimensions = find(alarm, ("Trigger", "Dimensions"))
    if not isinstance(dimensions, list):
        dimensions = _of_metrics(find(alarm, ("Trigger", "Metrics")))
    named = {one["name"]: one.get("value") for one in dimensions if _is_named(one)}
    who = next((named[name] for name in _WHO if name in named), None)
    if who is None and len(named) == 1:
        who = next(iter(named.values()))
    return {**alarm, "dimensions": named, "who": who}


def _of_metrics(metrics: Any) -> list[Any]:
    """The dimensions of an alarm on an expression: those of its metrics."""
    listed = [find(one, ("MetricStat", "Metric", "Dimensions")) for one in metrics] if isinstance(metrics, list) else []
    return [one for dimensions in listed if isinstance(dimensions, list) for one in dimensions]


def _is_named(dimension: Any) -> bool:
    return isinstance(dimension, dict) and isinstance(dimension.get("name"), str)


CLOUDWATCH = FieldMap(
    source="cloudwatch",
    control=_control,
    prepare=_alarm,
    fingerprint=(at("AlarmArn"), at("AWSAccountId", "Region", "AlarmName")),
    status=at("NewStateValue"),
    firing=frozenset({"alarm"}),
    resolved=frozenset({"ok"}),
    unknown=frozenset({"insufficient_data"}),
    labels={
        "alertname": at("AlarmName"),
        "instance": at("who"),
        "account": at("AWSAccountId"),
        "region": at("Region"),
        "namespace": at("Trigger.Namespace"),
    },
    tags=at("dimensions"),
    annotations={"summary": at("AlarmDescription"), "reason": at("NewStateReason"), "arn": at("AlarmArn")},
    starts_at=at("StateChangeTime"),
)
