"""Speak with HAProxy over its runtime socket (a path, or HOST:PORT); read from standard input.

haproxy.py SOCKET state BACKEND             prints the servers of BACKEND as JSON
haproxy.py SOCKET weights BACKEND SHARES    prints, as JSON, the commands that give its servers these shares;
haproxy.py SOCKET shed MAP SHARES           those that write these shares (per cent by service) into a map file, in
                                            hundredths of a per cent, and 0 for whoever isn't named;
haproxy.py SOCKET drain BACKEND SERVER      those that take the server out gently,
haproxy.py SOCKET undrain BACKEND SERVER    and those that let it take requests again
haproxy.py SOCKET do COMMAND...             carries out all commands
Ends with 1 and a sentence when that can't or shouldn't be done. Runs on Python 3.8 and newer.
"""

from __future__ import annotations

import json
import socket
import sys
from typing import Any, Dict, Iterable

Server = Dict[str, Any]
Servers = Dict[str, Server]

MAINTENANCE, DRAINING = 0x01 | 0x02 | 0x04, 0x08 | 0x10
GREATEST = 256
WHOLE = 10000
TIMEOUT_S = 5.0


def main(place: str, verb: str, words: list[str]) -> None:
    if verb == "do":
        for command in words:
            answer = say(place, command).strip()
            if answer:
                raise SystemExit(f"HAProxy answers '{answer}' to '{command}'")
        return
    if verb == "shed":
        print(json.dumps(shedding(words[0], entries(place, words[0]), json.loads(words[1]))))
        return
    backend, known = words[0], servers(place, words[0])
    if verb == "state":
        print(json.dumps(known))
    elif verb == "weights":
        print(json.dumps(weighting(backend, known, json.loads(words[1]))))
    else:
        assert_known(backend, known, words[1:])
        print(json.dumps({"drain": draining, "undrain": undraining}[verb](backend, known, words[1])))


def weighting(backend: str, known: Servers, shares: dict[str, float]) -> list[str]:
    """Whole numbers up to 256 are HAProxy's own weights; others are scaled, and none above 0 becomes 0."""
    assert_known(backend, known, shares)
    greatest = max(shares.values())
    as_given = greatest <= GREATEST and all(share == int(share) for share in shares.values())
    factor = 1 if as_given else GREATEST / greatest
    wanted = {name: max(1, round(share * factor)) if share else 0 for name, share in shares.items()}
    after = [dict(server, weight=wanted.get(name, server["weight"])) for name, server in known.items()]
    if not any(serves(server) for server in after):
        raise SystemExit(f"with these weights no server of backend {backend} that is up would get requests")
    return [
        f"set server {backend}/{name} weight {weight}"
        for name, weight in wanted.items()
        if weight != known[name]["weight"]
    ]


def shedding(map_file: str, known: dict[str, str], shares: dict[str, float]) -> list[str]:
    """None above 0 becomes 0, and nothing is turned away whole by rounding."""
    wanted = {name: max(1, min(round(share * 100), WHOLE)) if share else 0 for name, share in shares.items()}
    wanted = {**dict.fromkeys(known, 0), **wanted}
    return [
        f"{'set' if name in known else 'add'} map {map_file} {name} {parts}"
        for name, parts in wanted.items()
        if known.get(name) != str(parts)
    ]


def draining(backend: str, known: Servers, name: str) -> list[str]:
    if known[name]["draining"] or known[name]["maintenance"]:
        return []
    if not any(serves(server) for other, server in known.items() if other != name):
        raise SystemExit(f"{name} is the last server of backend {backend} that gets requests")
    return [f"set server {backend}/{name} state drain"]


def undraining(backend: str, known: Servers, name: str) -> list[str]:
    if known[name]["maintenance"]:
        raise SystemExit(f"{name} is in maintenance in backend {backend}; only who declared it ends it")
    return [f"set server {backend}/{name} state ready"] if known[name]["draining"] else []


def assert_known(backend: str, known: Servers, names: Iterable[str]) -> None:
    strangers = sorted(set(names) - set(known))
    if strangers:
        raise SystemExit(f"backend {backend} has no server {', '.join(strangers)}, only {', '.join(known)}")


def serves(server: Server) -> bool:
    return server["up"] and server["weight"] > 0 and not server["draining"] and not server["maintenance"]


def servers(place: str, backend: str) -> Servers:
    stat = rows(say(place, "show stat").lstrip("# "), ",")
    backends = sorted({row["pxname"] for row in stat if row["svname"] == "BACKEND"})
    if backend not in backends:
        raise SystemExit(f"HAProxy has no backend {backend}, only {', '.join(backends)}")
    live = {row["svname"]: row for row in stat if row["pxname"] == backend}
    # The first line is the format's version.
    state = say(place, "show servers state " + backend).partition("\n")[2].lstrip("# ")
    return {
        row["srv_name"]: {
            "weight": int(row["srv_uweight"]),
            "draining": bool(int(row["srv_admin_state"]) & DRAINING),
            "maintenance": bool(int(row["srv_admin_state"]) & MAINTENANCE),
            "up": live[row["srv_name"]]["status"].startswith(("UP", "no check", "DRAIN")),
            "sessions": int(live[row["srv_name"]]["scur"]),
        }
        for row in rows(state, " ")
    }


def entries(place: str, map_file: str) -> dict[str, str]:
    """Key and value of each entry of a map that HAProxy has loaded."""
    answer = say(place, "show map " + map_file)
    lines = [line.split() for line in answer.splitlines() if line.strip()]
    if any(not line[0].startswith("0x") for line in lines):
        raise SystemExit(f"HAProxy uses no map {map_file}: {answer.strip()}")
    return {line[1]: line[2] for line in lines if len(line) > 2}


def rows(text: str, sign: str) -> list[dict[str, str]]:
    lines = [line.split(sign) for line in text.strip().splitlines()]
    return [dict(zip(lines[0], line)) for line in lines[1:]]  # noqa: B905 - `strict` came with Python 3.10


def say(place: str, command: str) -> str:
    try:
        with connected(place) as stream:
            stream.sendall(command.encode() + b"\n")
            return b"".join(iter(lambda: stream.recv(65536), b"")).decode("utf-8", "replace")
    except OSError as error:
        raise SystemExit(f"can't reach HAProxy's socket {place}: {error.strerror or error}") from error


def connected(place: str) -> socket.socket:
    host, colon, port = place.rpartition(":")
    if not place.startswith("/") and colon and port.isdigit():
        return socket.create_connection((host.strip("[]"), int(port)), TIMEOUT_S)
    stream = socket.socket(socket.AF_UNIX)
    stream.settimeout(TIMEOUT_S)
    stream.connect(place)
    return stream


main(sys.argv[1], sys.argv[2], sys.argv[3:])
