"""The server: the engine in a thread, HTTP in front of it."""

from __future__ import annotations

import gc
import logging
import signal
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType

import uvicorn

from bsm_remediate.adapters.service_manager import READY, STOPPING, tell
from bsm_remediate.adapters.webhooks.terms import Terms
from bsm_remediate.app import Installation, now
from bsm_remediate.domain.bundle import Bundle
from bsm_remediate.domain.evaluation import Evaluation
from bsm_remediate.engine.engine import Engine
from bsm_remediate.engine.options import EngineOptions
from bsm_remediate.errors import StoreUnavailable, WrongUsage
from bsm_remediate.records import Control, Store
from bsm_remediate.web.access import Credentials, is_loopback
from bsm_remediate.web.api import create_api
from bsm_remediate.web.asgi import Asgi
from bsm_remediate.web.connections import BoundedServer, Tls
from bsm_remediate.web.doorkeeper import Doorkeeper
from bsm_remediate.web.gate import Gate
from bsm_remediate.web.group_commit import GroupCommit
from bsm_remediate.web.intake import Intake, ReadBody
from bsm_remediate.web.live import Health, Live
from bsm_remediate.web.metrics import metrics_of
from bsm_remediate.web.security_headers import with_security_headers

_log = logging.getLogger(__name__)

DRAIN_S = 30.0
"""How long running playbooks may take to end after SIGTERM; the next start repeats those that didn't."""
_STALE_TICK_S = 30.0
_BACKLOG = 2048


class RunningEngine:
    """An engine with its thread. Implements `Live`."""

    def __init__(self, engine: Engine, store: Store) -> None:
        self._engine = engine
        self.store = store
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=engine.run_until_stopped, name="engine", daemon=True)

    @property
    def bundle(self) -> Bundle:
        return self._engine.bundle

    @property
    def evaluation(self) -> Evaluation | None:
        return self._engine.evaluation

    @property
    def notifications(self) -> Mapping[str, int]:
        return self._engine.notifications

    def wake(self) -> None:
        self._engine.wake()

    def behind(self, served: int) -> Sequence[str]:
        return self._engine.behind(served)

    def unseen_s(self) -> float:
        return self._engine.unseen_s()

    def read_source(self, name: str) -> None:
        self._engine.read_source(name)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Start nothing more."""
        self._stopping.set()
        self._engine.stop()

    def is_stopping(self) -> bool:
        return self._stopping.is_set()

    def drain(self) -> bool:
        """Let the runs under way end; whether all did in time."""
        return self._engine.drain(DRAIN_S)

    def close_journal(self) -> None:
        """Seal what was written last; what can't be sealed now is sealed by the next start."""
        try:
            self._engine.close_journal()
        except StoreUnavailable as error:
            _log.warning("journal.not_sealed %s", error)

    def health(self) -> Health:
        problems = []
        if self._engine.refused_bundle:
            problems.append(self._engine.refused_bundle)
        if self._engine.doubt:
            problems.append(self._engine.doubt)
        if self._engine.metric_trouble:
            problems.append(self._engine.metric_trouble)
        if self._engine.journal_trouble:
            problems.append(self._engine.journal_trouble)
        if self._engine.telling_trouble:
            problems.append(self._engine.telling_trouble)
        evaluation = self._engine.evaluation
        late = evaluation is None or (now() - evaluation.situation.at).total_seconds() > _STALE_TICK_S
        if late:
            problems.append("the engine has not looked for a while")
        try:
            self.store.standing()
        except StoreUnavailable as error:
            problems.append(str(error))
            late = True
        return Health(
            is_ready=not late,
            problems=tuple(problems),
            bundle_is_current=not self._engine.refused_bundle,
            max_mode=self._engine.max_mode,
        )


class _Server(BoundedServer):
    """Tells the engine at the signal, not only once the last connection has closed."""

    def __init__(self, config: uvicorn.Config, tls: ssl.SSLContext | None, live: RunningEngine) -> None:
        super().__init__(config, tls)
        self._live = live

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        tell(STOPPING)
        self._live.stop()
        super().handle_exit(sig, frame)


def build_app(
    live: Live,
    doorkeeper: Doorkeeper,
    sources: Mapping[str, ReadBody],
    terms: Mapping[str, Terms] | None = None,
    *,
    over_tls: bool = False,
) -> tuple[Asgi, GroupCommit]:
    """The ASGI application: webhooks first, then the API behind its gate."""
    commit = GroupCommit(live.store, committed=live.wake, unseen_s=live.unseen_s)
    intake: Intake
    api = create_api(live, metrics_of(live, lambda: intake.counts), sources)
    intake = Intake(
        sources=sources,
        doorkeeper=doorkeeper,
        commit=commit,
        rest=Gate(api, doorkeeper),
        truncated=live.read_source,
        terms=terms if terms is not None else {},
    )
    return with_security_headers(intake, over_tls=over_tls), commit


def require_safe_address(host: str, credentials: Credentials) -> None:
    """Without a token only this machine may talk to the engine. Raises `WrongUsage`."""
    if credentials.is_open and not is_loopback(host):
        raise WrongUsage(
            f"without a token the engine listens on loopback only, not on {host}",
            hint="`bsm-remediate token create --role admin`, or set BSM_TOKEN_FILE, or add [[tokens]] to the settings",
        )


def serve(
    installation: Installation,
    bundle: Bundle,
    options: EngineOptions,
    *,
    host: str,
    port: int,
    tls: Tls | None = None,
    announce: Callable[[str], None],
) -> None:
    """Run until SIGINT or SIGTERM. Raises `WrongUsage`, `StoreUnavailable`."""
    tls_context = tls.context() if tls is not None else None
    book = installation.open_token_book()
    credentials = Credentials(((one.secret.reveal(), one.identity) for one in installation.settings.tokens), book=book)
    require_safe_address(host, credentials)
    doorkeeper = Doorkeeper(credentials, trusted_proxies=installation.settings.trusted_proxies)
    sources, terms = installation.senders.webhook_sources, installation.senders.webhook_terms
    listener = _listen(host, port)
    with installation.engine(bundle, options, alone=False) as (engine, store):
        live = RunningEngine(engine, store)
        app, commit = build_app(live, doorkeeper, sources, terms, over_tls=tls is not None)
        commit.start()
        live.start()
        _reload_on_hangup(live)
        collect_garbage_rarely()
        scheme = "https" if tls is not None else "http"
        tell(READY)
        announce(f"{scheme}://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}")
        with _signals_end_the_server_only():
            _Server(_config(app), tls_context, live).run(sockets=[listener])
        live.stop()
        commit.stop()
        if not live.drain():
            _log.warning("engine.not_drained some runs go on; the next start repeats them")
        live.close_journal()
    book.close()


@contextmanager
def _signals_end_the_server_only() -> Iterator[None]:
    """Signals that end the server leave the process alive to drain its runs, since uvicorn raises them once more; a
    second one, while it drains, ends it at once.
    """
    kept = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(_BACKLOG)  # from here on senders wait instead of being refused
    except OSError as error:
        listener.close()
        raise WrongUsage(f"cannot listen on {host}:{port}: {error.strerror}", hint="another --port?") from error
    return listener


def _config(app: Asgi) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=3,
        backlog=_BACKLOG,
    )


def collect_garbage_rarely() -> None:
    """The bundle and the code never become garbage, and little else is cyclic: with the usual settings the collector
    would take a third of the time of a look in a storm.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


def _reload_on_hangup(live: RunningEngine) -> None:
    def reload(_signal: int, _frame: object) -> None:
        threading.Thread(target=_ask_to_reload, args=(live,), daemon=True).start()

    signal.signal(signal.SIGHUP, reload)


def _ask_to_reload(live: RunningEngine) -> None:
    live.store.ask(Control(verb="reload", who="SIGHUP", asked_at=now()))
    live.wake()
