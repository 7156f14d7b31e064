"""A web process of the shop: pages for customers, made from what the API answers; 503 when that is gone."""

from __future__ import annotations

from lab.serving import Answer, Request, ask, endpoint, healthz, parser, serve, server


def main() -> None:
    options = parser(str(__doc__))
    options.add_argument("--api", type=endpoint, required=True, metavar="ADDRESS:PORT")
    given = options.parse_args()

    def search(_: Request) -> Answer:
        return Answer(200, {"page": "search", "found": ask(*given.api, "/products")})

    def checkout(_: Request) -> Answer:
        return Answer(200, {"page": "thanks", "order": ask(*given.api, "/orders", method="POST")})

    def orders(_: Request) -> Answer:
        return Answer(200, {"page": "orders", "latest": ask(*given.api, "/orders")})

    def ready(_: Request) -> Answer:
        return Answer(200, {"api": ask(*given.api, "/ready")})

    routes = {
        ("GET", "/healthz"): healthz,
        ("GET", "/ready"): ready,
        ("GET", "/search"): search,
        ("POST", "/checkout"): checkout,
        ("GET", "/orders"): orders,
    }
    serve(server(*given.listen, routes))


if __name__ == "__main__":
    main()
