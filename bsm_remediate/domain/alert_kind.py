"""Alert kinds: which way the trouble goes that an alert's name speaks of.

Read off the words of the name alone, after the four golden signals (Beyer et al., Site Reliability Engineering, 2016,
chapter 6: latency, traffic, errors, saturation). A name that says nothing of the kind is taken for the usual one.
"""

from __future__ import annotations

import re
from enum import Enum
from functools import lru_cache

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_LACK = re.compile("absent|few|idle|lacks?|low|missing|no|none|without|zero")
_DEMAND = re.compile(
    "calls?|demand|dispatches|documents|events|messages|operations|orders|qps|quer(y|ies)|records|requests?|rps"
    "|sessions|throughput|traffic|transactions|visits"
)
_FAILURE = re.compile(
    "denied|dropp(ed|ing)|errors?|fail(s|ed|ing|ures?)?|latency|rejected|slow|success(ful)?|timeouts?"
)
_OWN = re.compile(
    "containers?|cpu|crash(ed|ing|loop)?|descriptors|disk|evicted|fan|filesystem|hardware|heap|inodes?|looping|memory"
    "|oom(killed)?|pods?|process(es)?|raid|reboot(ed)?|restart(s|ed|ing)?|self|swap|systemd|temperature|throttl(e|ed|ing)"
)


class AlertKind(Enum):
    """Where to look for the cause of what an alert reports."""

    CALL = "call"
    """Errors, slowness, or no word about it: below, in what the component requires, or in itself."""
    OWN = "own"
    """Its own process, machine or resources: in itself."""
    DEMAND = "demand"
    """It is asked less than usual: above, in what requires it, or in itself."""


@lru_cache(maxsize=4096)
def kind_of(name: str) -> AlertKind:
    """What the words of an alert's name say; `HighRequestErrorRate`, `pod_not_ready` and `No traffic` are all read."""
    words = [word.lower() for word in _WORDS.findall(name[:200])]

    def says(what: re.Pattern[str]) -> bool:
        return any(what.fullmatch(word) for word in words)

    if says(_LACK) and says(_DEMAND) and not says(_FAILURE):
        return AlertKind.DEMAND
    return AlertKind.OWN if says(_OWN) else AlertKind.CALL
