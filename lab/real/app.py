"""The shop's application: pages that need the cache, the primary database, or any database; and its metrics.

`python -m lab.real.app ADDRESS:PORT --cache A:P --database A:P --database A:P`
"""

from __future__ import annotations

import argparse
import json
import threading
import time
from collections.abc import Callable
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from lab.real.wire import NotAnswered, postgres, redis

Endpoint = tuple[str, int]
_CATALOGUE = ["apples", "pears", "plums"]
_REPORT = "select count(*) from orders"
_ORDER = "insert into orders (at) values (now()) returning id"
_LOOK_EVERY_S = 0.4
_READY = "select not pg_is_in_recovery()"


class Corrupt(Exception):
    """The cache has something that is no catalogue."""


class Shop:
    """What the pages do."""

    def __init__(self, cache: Endpoint, databases: list[Endpoint]) -> None:
        self._cache = cache
        self._databases = databases

    def catalogue(self) -> object:
        """The products, out of the cache alone. Raises `NotAnswered`, `Corrupt`."""
        cached = redis(self._cache, "GET", "catalogue")
        if cached is None:
            redis(self._cache, "SET", "catalogue", json.dumps(_CATALOGUE))
            return _CATALOGUE
        try:
            return json.loads(cached)
        except ValueError as error:
            raise Corrupt("the cache's entry `catalogue` is no JSON") from error

    def order(self) -> object:
        return {"order": int(self._ask(_ORDER, primary=True))}

    def can_order(self) -> object:
        self._ask(_READY, primary=True)
        return {"ready": True}

    def report(self) -> object:
        return {"orders": int(self._ask(_REPORT, primary=False))}

    def _ask(self, query: str, *, primary: bool) -> str:
        """The answer of the first database that will do."""
        reasons = []
        for database in self._databases:
            ask = partial(postgres, database, user="shop", database="shop")
            try:
                if primary and ask(_READY) != "t":
                    reasons.append(f"{database[0]} is a standby")
                    continue
                return ask(query)
            except NotAnswered as error:
                reasons.append(str(error))
        raise NotAnswered("; ".join(reasons))


class Metrics:
    """What the pages would answer now; looked at in the background, since a scrape mustn't wait for a database that
    hangs.
    """

    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        self.text = _metrics(shop)

    def follow(self) -> None:
        while True:
            time.sleep(_LOOK_EVERY_S)
            self.text = _metrics(self._shop)


def _metrics(shop: Shop) -> str:
    corrupt, lines = 0, ["# TYPE shop_page_up gauge"]
    pages = {"catalogue": shop.catalogue, "checkout": shop.can_order, "report": shop.report}
    for page, serve in pages.items():
        try:
            serve()
            works = 1
        except Corrupt:
            corrupt, works = 1, 0
        except NotAnswered:
            works = 0
        lines.append(f'shop_page_up{{page="{page}"}} {works}')
    return "\n".join([*lines, "# TYPE shop_catalogue_corrupt gauge", f"shop_catalogue_corrupt {corrupt}", ""])


def _handler(shop: Shop, metrics: Metrics) -> type[BaseHTTPRequestHandler]:
    pages: dict[tuple[str, str], Callable[[], object]] = {
        ("GET", "/healthz"): lambda: {"alive": True},
        ("GET", "/catalogue"): shop.catalogue,
        ("GET", "/checkout"): shop.can_order,
        ("POST", "/checkout"): shop.order,
        ("GET", "/report"): shop.report,
    }

    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if self.path == "/metrics":
                self._answer(200, metrics.text.encode(), "text/plain; version=0.0.4")
                return
            page = pages.get((self.command, self.path))
            try:
                status, body = (404, {"error": "no such page"}) if page is None else (200, page())
            except NotAnswered as error:
                status, body = 503, {"error": str(error)}
            except Corrupt as error:
                status, body = 500, {"error": str(error)}
            self._answer(status, json.dumps(body).encode() + b"\n", "application/json")

        do_GET = do_POST = _serve  # noqa: N815 - the names that BaseHTTPRequestHandler calls

        def _answer(self, status: int, body: bytes, kind: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    return Handler


def _endpoint(text: str) -> Endpoint:
    address, _, port = text.rpartition(":")
    return address, int(port)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("listen", type=_endpoint)
    options.add_argument("--cache", type=_endpoint, required=True)
    options.add_argument("--database", type=_endpoint, action="append", required=True)
    given = options.parse_args()
    shop = Shop(given.cache, given.database)
    metrics = Metrics(shop)
    threading.Thread(target=metrics.follow, daemon=True).start()
    server = ThreadingHTTPServer(given.listen, _handler(shop, metrics))
    server.daemon_threads = True
    print(f"{time.strftime('%H:%M:%S')} serves at {given.listen}", flush=True)
    server.serve_forever(0.1)


if __name__ == "__main__":
    main()
