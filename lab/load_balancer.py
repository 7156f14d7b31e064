"""The shop's load balancer: a reverse proxy that asks its backends for their health and can drain each of them.

`/` goes to the backends in turn. The admin port has `GET /backends` and `POST /backends/NAME/drain` or `/undrain`.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

from lab.serving import Answer, Request, Unavailable, endpoint, fetch, healthz, parser, serve, server

_HEALTH_EVERY_S = 0.3


@dataclass
class Backend:
    """One web process as the load balancer knows it."""

    name: str
    address: str
    port: int
    healthy: bool = False
    draining: bool = False
    active: int = 0
    served: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @classmethod
    def parse(cls, text: str) -> Backend:
        """From `name=address:port`."""
        name, _, where = text.partition("=")
        return cls(name, *endpoint(where))

    def state(self) -> dict[str, object]:
        return {
            "name": self.name,
            "healthy": self.healthy,
            "draining": self.draining,
            "active": self.active,
            "served": self.served,
        }

    def look(self) -> None:
        try:
            self.healthy = fetch(self.address, self.port, "/healthz").status == 200
        except Unavailable:
            self.healthy = False

    def forward(self, request: Request, method: str) -> Answer:
        with self.lock:
            self.active += 1
        try:
            return fetch(self.address, self.port, request.path, method=method, timeout_s=3.0)
        except Unavailable:
            self.healthy = False
            raise
        finally:
            with self.lock:
                self.active -= 1
                self.served += 1


class Balancer:
    """Chooses backends in turn among those that are healthy and not drained."""

    def __init__(self, backends: list[Backend]) -> None:
        self._backends = {one.name: one for one in backends}
        self._turn = 0

    def watch(self) -> None:
        while True:
            for backend in self._backends.values():
                backend.look()
            time.sleep(_HEALTH_EVERY_S)

    def proxy(self, method: str, request: Request) -> Answer:
        usable = [one for one in self._backends.values() if one.healthy and not one.draining]
        self._turn += 1
        for place in range(len(usable)):
            try:
                return usable[(self._turn + place) % len(usable)].forward(request, method)
            except Unavailable:
                continue  # it has just gone: the next one
        raise Unavailable("no backend is healthy")

    def listing(self, _: Request) -> Answer:
        return Answer(200, {name: one.state() for name, one in self._backends.items()})

    def change(self, request: Request) -> Answer:
        _, name, act = [*request.path.strip("/").split("/"), "", ""][:3]
        backend = self._backends.get(name)
        if backend is None or act not in ("drain", "undrain"):
            return Answer(404, {"error": "it is POST /backends/NAME/drain or /undrain"})
        changed = backend.draining != (act == "drain")
        backend.draining = act == "drain"
        return Answer(200, {**backend.state(), "changed": changed})


def main() -> None:
    options = parser(str(__doc__).partition("\n")[0])
    options.add_argument("--admin", type=endpoint, required=True, metavar="ADDRESS:PORT")
    options.add_argument("--backend", type=Backend.parse, action="append", required=True, metavar="NAME=ADDRESS:PORT")
    given = options.parse_args()
    balancer = Balancer(given.backend)
    threading.Thread(target=balancer.watch, daemon=True).start()
    proxy = server(
        given.listen,
        {
            ("GET", "/healthz"): healthz,
            ("GET", "*"): lambda request: balancer.proxy("GET", request),
            ("POST", "*"): lambda request: balancer.proxy("POST", request),
        },
    )
    admin = server(given.admin, {("GET", "/backends"): balancer.listing, ("POST", "/backends"): balancer.change})
    serve(proxy, admin)


if __name__ == "__main__":
    main()
