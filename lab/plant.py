"""The plant: a historian that keeps measurements, and the controller of a production line that stops without it."""

from __future__ import annotations

from collections import deque
from itertools import count

from lab.serving import Answer, Request, Route, ask, endpoint, healthz, parser, serve, server


def historian() -> dict[tuple[str, str], Route]:
    """Routes of the process that records what the line measures."""
    measurements: deque[int] = deque(maxlen=1000)
    numbers = count(1)

    def record(_: Request) -> Answer:
        measurements.append(next(numbers))
        return Answer(200, {"recorded": measurements[-1]})

    return {("GET", "/healthz"): healthz, ("POST", "/measurements"): record}


def line(historian_at: tuple[str, int]) -> dict[tuple[str, str], Route]:
    """Routes of the line's controller: no piece leaves the line unrecorded."""
    pieces = count(1)

    def produce(_: Request) -> Answer:
        recorded = ask(*historian_at, "/measurements", method="POST")
        return Answer(200, {"piece": next(pieces), **recorded})

    def ready(_: Request) -> Answer:
        return Answer(200, {"historian": ask(*historian_at, "/healthz")})

    return {("GET", "/healthz"): healthz, ("GET", "/ready"): ready, ("POST", "/pieces"): produce}


def main() -> None:
    options = parser(str(__doc__))
    options.add_argument("--historian", type=endpoint, metavar="ADDRESS:PORT", help="makes this the line's controller")
    given = options.parse_args()
    serve(server(given.listen, line(given.historian) if given.historian else historian()))


if __name__ == "__main__":
    main()
