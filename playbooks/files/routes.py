"""Set how traffic to one destination is spread over next hops, with iproute2 (`ip`); read from standard input.

routes.py plan WANTED    prints, as JSON, the arguments of each `ip` that makes it so; none when it is so
routes.py do WANTED      carries them out

WANTED is JSON: {"destination", "via": {link: {"gateway", "dev"}}, "shares": {link: number}, "mode": "weights" or
"metric", "metric": number or null}. Ends with 1 and a sentence when that can't or shouldn't be done.
Runs on Python 3.8 and newer.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any, Dict, List

Route = Dict[str, Any]
Command = List[str]

GREATEST = 256
APART = 10


def main(verb: str, text: str) -> None:
    wanted = json.loads(text)
    strangers = sorted(set(wanted["shares"]) - set(wanted["via"]))
    if strangers:
        raise SystemExit(f"route_via doesn't say where {', '.join(strangers)} is")
    if not any(wanted["shares"].values()):
        raise SystemExit(f"with these weights nothing would go to {wanted['destination']}")
    commands = {"weights": one_route, "metric": one_each}[wanted["mode"]](wanted)
    if verb == "plan":
        print(json.dumps(commands))
    else:
        for command in commands:
            ip(*command)


def one_route(wanted: dict[str, Any]) -> list[Command]:
    """A single route over all links that get anything, each with its weight."""
    shares = {link: share for link, share in wanted["shares"].items() if share > 0}
    greatest = max(shares.values())
    as_given = greatest <= GREATEST and all(share == int(share) for share in shares.values())
    factor = 1 if as_given else GREATEST / greatest
    weights = {link: max(1, round(share * factor)) for link, share in shares.items()}
    hops = sorted((wanted["via"][link]["gateway"], wanted["via"][link]["dev"], weights[link]) for link in shares)
    if len(hops) == 1:
        hops = [(*hops[0][:2], 1)]
    metric = wanted["metric"] or 0
    if any(hops_of(route) == hops for route in routes(wanted["destination"]) if route.get("metric", 0) == metric):
        return []
    place = ["route", "replace", wanted["destination"], *(["metric", str(metric)] if metric else [])]
    if len(hops) == 1:
        return [[*place, "via", hops[0][0], "dev", hops[0][1]]]
    for gateway, dev, weight in hops:
        place += ["nexthop", "via", gateway, "dev", dev, "weight", str(weight)]
    return [place]


def one_each(wanted: dict[str, Any]) -> list[Command]:
    """A route over each link; the one that is to get most has the lowest metric, and the others stand by."""
    links = sorted(wanted["shares"], key=lambda link: (-wanted["shares"][link], link))
    base = wanted["metric"] or 100
    after = {base + APART * number: [(*hop(wanted, link), 1)] for number, link in enumerate(links)}
    present = {route.get("metric", 0): hops_of(route) for route in routes(wanted["destination"])}
    # Each takes its place from whoever had it, who gets another in turn: at no time there is none.
    commands = [
        ["route", "replace", wanted["destination"], "via", hops[0][0], "dev", hops[0][1], "metric", str(metric)]
        for metric, hops in after.items()
        if present.get(metric) != hops
    ]
    ours = [[(*hop(wanted, link), 1)] for link in links]
    return commands + [
        ["route", "del", wanted["destination"], "via", hops[0][0], "dev", hops[0][1], "metric", str(metric)]
        for metric, hops in present.items()
        if metric not in after and hops in ours
    ]


def hop(wanted: dict[str, Any], link: str) -> tuple[str, str]:
    return wanted["via"][link]["gateway"], wanted["via"][link]["dev"]


def hops_of(route: Route) -> list[tuple[str, str, int]]:
    several = route.get("nexthops")
    if several:
        return sorted((one.get("gateway", ""), one["dev"], one["weight"]) for one in several)
    return [(route.get("gateway", ""), route.get("dev", ""), 1)]


def routes(destination: str) -> list[Route]:
    found = ip("-json", "route", "show", "exact", destination)
    return json.loads(found) if found.strip() else []


def ip(*words: str) -> str:
    try:
        return subprocess.run(["ip", "-4", *words], check=True, capture_output=True, text=True).stdout
    except OSError as error:
        raise SystemExit(f"can't run `ip`: {error.strerror}") from error
    except subprocess.CalledProcessError as error:
        raise SystemExit(f"`ip {' '.join(words)}` says: {error.stderr.strip()}") from error


main(sys.argv[1], sys.argv[2])
