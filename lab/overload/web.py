"""A web server that falls over when it gets too much, and doesn't come back by itself.

It has so many workers, each page takes a worker so long, and each request holds a buffer from its arrival to its
answer. Requests wait when there are more than workers can serve; and when the kernel has no memory for one more buffer
(the process may have so much and no more: RLIMIT_AS), it is killed with all who wait, as the kernel's out-of-memory
killer would do it.
"""

from __future__ import annotations

import asyncio
import errno
import mmap
import os
import resource
import signal
from collections import Counter
from contextlib import suppress
from pathlib import Path

from lab.overload.wire import head_of, page
from lab.serving import die_with_parent, parser

BUFFER = 1 << 20
_PRIVATE = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
_PATIENCE_S = 10.0


class Web:
    """One server's workers, memory and counts."""

    def __init__(self, *, workers: int, service_s: float) -> None:
        self._workers = workers
        self._service_s = service_s
        self._free = asyncio.Semaphore(workers)
        self._arrived: Counter[str] = Counter({"checkout": 0, "search": 0})
        self._answered: Counter[str] = Counter({"checkout": 0, "search": 0})
        self._here = 0
        """Requests that hold a buffer: those being served and those that wait."""
        self._busy = 0

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request on one connection."""
        with suppress(ConnectionError, asyncio.IncompleteReadError, TimeoutError):
            async with asyncio.timeout(_PATIENCE_S):
                _, path = await head_of(reader)
            if path == "/healthz":
                writer.write(page(200, "alive\n"))
            elif path == "/metrics":
                writer.write(page(200, self._metrics()))
            else:
                writer.write(page(200, await self._served(path.strip("/").partition("/")[0])))
            await writer.drain()
        with suppress(ConnectionError):
            writer.close()
            await writer.wait_closed()

    async def _served(self, service: str) -> str:
        self._arrived[service] += 1
        buffer = _memory()
        self._here += 1
        try:
            async with self._free:
                self._busy += 1
                await asyncio.sleep(self._service_s)
                self._busy -= 1
            self._answered[service] += 1
        finally:
            self._here -= 1
            buffer.close()
        return f"{service}\n"

    def _metrics(self) -> str:
        lines = [f'web_requests_total{{service="{name}"}} {count}' for name, count in sorted(self._arrived.items())]
        lines += [f'web_answers_total{{service="{name}"}} {count}' for name, count in sorted(self._answered.items())]
        lines += [f"web_in_flight {self._here}", f"web_queue {self._here - self._busy}"]
        lines += [f"web_workers {self._workers}", f"web_capacity_used {self._busy / self._workers:.3f}"]
        return "\n".join(lines) + "\n"


def _memory() -> mmap.mmap:
    try:
        return mmap.mmap(-1, BUFFER, flags=_PRIVATE)
    except OSError as error:
        if error.errno == errno.ENOMEM:
            os.write(2, b"out of memory: no room for the buffer of one more request\n")
            os.kill(os.getpid(), signal.SIGKILL)
        raise


def _limit_memory(requests: int) -> None:
    """Let the process have what it has now, and the buffers of so many requests."""
    size = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmSize:"))
    limit = int(size.split()[1]) * 1024 + requests * BUFFER
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


async def _serve(listen: tuple[str, int], web: Web, *, requests: int) -> None:
    address, port = listen
    server = await asyncio.start_server(web.answer, address, port, backlog=256)
    _limit_memory(requests)
    async with server:
        await server.serve_forever()


def main() -> None:
    options = parser(str(__doc__).partition("\n")[0])
    options.add_argument("--workers", type=int, required=True)
    options.add_argument("--service-s", type=float, required=True, help="time of a worker for one page")
    options.add_argument("--requests", type=int, required=True, help="for how many at once there is memory")
    given = options.parse_args()
    die_with_parent()
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    asyncio.run(_serve(given.listen, Web(workers=given.workers, service_s=given.service_s), requests=given.requests))


if __name__ == "__main__":
    main()
