"""A web process of the shop: pages for customers, made from what the API answers; 503 when that is gone."""

from __future__ import annotations

from lab.serving import Answer, Request, ask, endpoint, healthz, parser, serve, server


def main() -> None:
    options = parser(str(__doc__))
    options.add_argument("--api", type=endpoint, required=True, metavar="ADDRESS:PORT")
    given = options.parse_args()
    address, port = given.api

    def search(_: Request) -> Answer:
        return Answer(200, {"page": "search", "found": ask(address, port, "/products")})

    def checkout(_: Request) -> Answer:
        return Answer(200, {"page": "thanks", "order": ask(address, port, "/orders", method="POST")})

    def orders(_: Request) -> Answer:
        return Answer(200, {"page": "orders", "latest": ask(address, port, "/orders")})

    def ready(_: Request) -> Answer:
        return Answer(200, {"api": ask(address, port, "/ready")})

    routes = {
        ("GET", "/healthz"): healthz,
        ("GET", "/ready"): ready,
        ("GET", "/search"): search,
        ("POST", "/checkout"): checkout,
        ("GET", "/orders"): orders,
    }
    serve(server(given.listen, routes))


if __name__ == "__main__":
    main()
