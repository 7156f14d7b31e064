"""The shop's API: products come from the cache, orders go to whichever database of its list is the primary."""

from __future__ import annotations

from itertools import count

from lab.serving import Answer, Request, Unavailable, endpoint, healthz, parser, serve, server, talk

_PRODUCTS = "anvil,bolt,crank"


class Api:
    """What the routes share."""

    def __init__(self, cache: tuple[str, int], databases: list[tuple[str, int]]) -> None:
        self._cache = cache
        self._databases = databases
        self._numbers = count(1)

    def products(self, _: Request) -> Answer:
        found = talk(*self._cache, "GET products")
        if found == "+nil":  # a cache that has just been restarted is empty
            talk(*self._cache, f"SET products {_PRODUCTS}")
            found = f"+{_PRODUCTS}"
        return Answer(200, {"products": found[1:].split(",")})

    def order(self, _: Request) -> Answer:
        number = f"order-{next(self._numbers)}"
        primary = self._primary()
        talk(*primary, f"SET {number} paid")
        talk(*primary, f"SET latest {number}")
        return Answer(200, {"number": number})

    def latest(self, _: Request) -> Answer:
        for database in self._databases:  # reading may be done anywhere
            try:
                return Answer(200, {"number": talk(*database, "GET latest")[1:]})
            except Unavailable:
                continue
        raise Unavailable("no database of the list answers")

    def ready(self, _: Request) -> Answer:
        talk(*self._cache, "PING")
        self._primary()
        return Answer(200, {"ready": True})

    def _primary(self) -> tuple[str, int]:
        for database in self._databases:
            try:
                if talk(*database, "ROLE") == "+primary":
                    return database
            except Unavailable:
                continue
        raise Unavailable("no database of the list is the primary")


def main() -> None:
    options = parser(str(__doc__))
    options.add_argument("--cache", type=endpoint, required=True, metavar="ADDRESS:PORT")
    options.add_argument("--database", type=endpoint, action="append", required=True, metavar="ADDRESS:PORT")
    given = options.parse_args()
    api = Api(given.cache, given.database)
    routes = {
        ("GET", "/healthz"): healthz,
        ("GET", "/ready"): api.ready,
        ("GET", "/products"): api.products,
        ("POST", "/orders"): api.order,
        ("GET", "/orders"): api.latest,
    }
    serve(server(given.listen, routes))


if __name__ == "__main__":
    main()
