"""Connections can't be held for nothing, whoever opens them; over TLS the old protocols and strangers are refused."""

from __future__ import annotations

import asyncio
import datetime as dt
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from uvicorn.server import ServerState

from bsm_remediate.errors import WrongUsage
from bsm_remediate.web.asgi import Asgi, Receive, Scope, Send
from bsm_remediate.web.body import read_body
from bsm_remediate.web.connections import BoundedProtocol, Tls
from bsm_remediate.web.problem import Refusal
from tests.integration.served import Served

GET = b"GET /quick HTTP/1.1\r\nHost: x\r\n\r\n"
SOON_S = 0.15


class Door:
    """A server with room for three, which wants heads soon. `/slow` answers when `release` is set."""

    def __init__(self, port: int, release: asyncio.Event, state: ServerState) -> None:
        self.port = port
        self.release = release
        self.state = state
        self._knockers: list[asyncio.StreamWriter] = []

    async def knock(self, sent: bytes = b"") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        self._knockers.append(writer)
        writer.write(sent)
        return reader, writer

    async def leave(self) -> None:
        """All who knocked go."""
        for writer in self._knockers:
            writer.transport.abort()
        await asyncio.sleep(0)


@asynccontextmanager
async def opened(most: int = 3) -> AsyncIterator[Door]:
    release = asyncio.Event()

    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        if scope["path"] == "/slow":
            await release.wait()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})
        await send({"type": "http.response.body", "body": b"done"})

    config = uvicorn.Config(_as_uvicorn_has_it(app), http="httptools", ws="none", lifespan="off", log_config=None)
    config.load()
    state = ServerState()

    def protocol() -> BoundedProtocol:
        return BoundedProtocol(config, state, {}, most=most, head_within_s=SOON_S)

    server = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", 0)
    door = Door(server.sockets[0].getsockname()[1], release, state)
    try:
        yield door
    finally:
        release.set()
        await door.leave()
        server.close()
        for connection in list(state.connections):
            connection.transport.abort()
        await asyncio.sleep(0)


def _as_uvicorn_has_it(app: Asgi) -> Any:
    return app


async def ended(reader: asyncio.StreamReader) -> bytes:
    """All that comes until the server closes the connection."""
    try:
        return await asyncio.wait_for(reader.read(), 5)
    except ConnectionResetError:
        return b""


@pytest.mark.anyio
@pytest.mark.parametrize("sent", [b"", b"\r\n\r\n", b"GET / HTTP/1.1\r\nHost: x\r\nA: "])
async def test_who_says_nothing_or_only_half_is_hung_up_on(sent: bytes) -> None:
    async with opened() as door:
        reader, _ = await door.knock(sent)
        assert await ended(reader) == b""
        assert not door.state.connections


@pytest.mark.anyio
async def test_who_speaks_slowly_gets_no_more_time_for_it() -> None:
    async with opened() as door:
        reader, writer = await door.knock()
        began = asyncio.get_running_loop().time()

        async def drip() -> None:
            while True:
                writer.write(b"G" if writer.transport.get_write_buffer_size() == 0 else b"")
                await asyncio.sleep(SOON_S / 10)

        dripping = asyncio.create_task(drip())
        await ended(reader)
        dripping.cancel()
        assert asyncio.get_running_loop().time() - began < 10 * SOON_S


@pytest.mark.anyio
async def test_a_connection_that_is_used_again_and_again_stays() -> None:
    async with opened() as door:
        reader, writer = await door.knock()
        for _ in range(5):
            writer.write(GET)
            assert b"200" in await asyncio.wait_for(reader.readuntil(b"done"), 5)
            await asyncio.sleep(SOON_S / 2)


@pytest.mark.anyio
async def test_a_long_answer_is_not_cut_by_the_deadline_of_the_head() -> None:
    async with opened() as door:
        reader, _ = await door.knock(GET.replace(b"quick", b"slow"))
        await asyncio.sleep(2 * SOON_S)
        door.release.set()
        assert b"done" in await asyncio.wait_for(reader.readuntil(b"done"), 5)


@pytest.mark.anyio
async def test_when_all_room_is_taken_whoever_is_idle_for_longest_makes_room() -> None:
    async with opened() as door:
        idle = []
        for _ in range(3):
            reader, writer = await door.knock(GET)
            await asyncio.wait_for(reader.readuntil(b"done"), 5)
            idle.append((reader, writer))
        newest, _ = await door.knock(GET)
        assert b"200" in await asyncio.wait_for(newest.readuntil(b"done"), 5)
        assert await ended(idle[0][0]) == b""
        idle[2][1].write(GET)
        assert b"200" in await asyncio.wait_for(idle[2][0].readuntil(b"done"), 5)
        assert len(door.state.connections) == 3


@pytest.mark.anyio
async def test_who_is_being_answered_never_makes_room() -> None:
    async with opened() as door:
        busy = [await door.knock(GET.replace(b"quick", b"slow")) for _ in range(3)]
        while len(door.state.tasks) < 3:  # noqa: ASYNC110 - the server is not ours to set an event
            await asyncio.sleep(0)
        turned_away, _ = await door.knock(GET)
        answer = await ended(turned_away)
        assert answer.startswith(b"HTTP/1.1 503")
        assert b"retry-after" in answer
        door.release.set()
        for reader, _ in busy:
            assert b"done" in await asyncio.wait_for(reader.readuntil(b"done"), 5)


@pytest.mark.anyio
async def test_an_answer_before_the_end_of_the_body_arrives_and_the_rest_is_not_waited_for_long() -> None:
    async with opened() as door:
        head = b"POST /quick HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n"
        reader, writer = await door.knock(head + b"x" * 1000)
        assert b"200" in await asyncio.wait_for(reader.readuntil(b"done"), 5)
        writer.write(b"x" * 1000)  # still going on
        assert await ended(reader) == b""


@pytest.mark.anyio
@pytest.mark.parametrize(
    "endless",
    [b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 50_000, b"GET /" + b"x" * 200_000, b"\r\n" * 100_000],
    ids=["headers", "a path", "empty lines"],
)
async def test_a_head_without_an_end_is_not_kept_in_memory(endless: bytes) -> None:
    async with opened() as door:
        reader, _ = await door.knock(endless)
        assert (await ended(reader)).partition(b"\r\n")[0] in {b"HTTP/1.1 400 Bad Request", b""}


@pytest.mark.anyio
async def test_a_body_that_does_not_come_is_asked_for_again_later() -> None:
    async def never() -> dict[str, object]:
        await asyncio.sleep(3600)
        return {}

    with pytest.raises(Refusal) as refused:
        await read_body({}, never, largest=10, within_s=0.01)
    assert (refused.value.status, refused.value.retry_after_s) == (503, 5)


# --- TLS ---


class Authority:
    """Makes certificates for a test."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test authority")])
        self.file = folder / "ca.pem"
        certificate = self._certify(self._name, self._key.public_key(), is_authority=True)
        self.file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def certificate(self, name: str) -> tuple[Path, Path]:
        """Certificate and key for `name`, who is 127.0.0.1 as well."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = self._certify(subject, key.public_key(), is_authority=False)
        files = self._folder / f"{name}.pem", self._folder / f"{name}.key"
        files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        files[1].write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return files

    def _certify(
        self, subject: x509.Name, public_key: ec.EllipticCurvePublicKey, *, is_authority: bool
    ) -> x509.Certificate:
        now = dt.datetime.now(dt.UTC)
        names: list[x509.GeneralName] = [x509.DNSName("localhost")]
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(hours=1))
            .not_valid_after(now + dt.timedelta(hours=1))
            .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .sign(self._key, hashes.SHA256())
        )


BUNDLE = "currency: EUR\nservices: {shop: {loss_per_minute: 10, requires: [db-1]}}\ncomponents: {db-1: {}}\n"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def served(folder: Path, *options: str) -> Served:
    (folder / "policies").mkdir(parents=True)
    (folder / "policies" / "shop.yml").write_text(BUNDLE)
    running = Served(folder, *options, environment={"BSM_TOKEN": "hush"})
    running.url = running.url.replace("127.0.0.1", "localhost")
    return running


def test_over_tls_only_1_2_and_newer_is_spoken(tmp_path: Path, authority: Authority) -> None:
    certificate, key = authority.certificate("engine")
    running = served(tmp_path / "engine", "--tls-cert", str(certificate), "--tls-key", str(key))
    try:
        assert running.url.startswith("https://")
        asked = requests.get(f"{running.url}/healthz", verify=str(authority.file), timeout=10)
        assert asked.status_code == 200
        assert "max-age" in asked.headers["strict-transport-security"]
        with pytest.raises(requests.exceptions.ConnectionError):
            requests.get(running.url.replace("https", "http") + "/healthz", timeout=10)
    finally:
        assert "Traceback" not in running.stop()
    context = Tls(certificate=certificate, key=key).context()
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2


def test_with_an_authority_for_clients_strangers_are_refused_and_a_token_is_still_needed(
    tmp_path: Path, authority: Authority
) -> None:
    certificate, key = authority.certificate("engine")
    options = {"--tls-cert": certificate, "--tls-key": key, "--tls-client-ca": authority.file}
    running = served(tmp_path / "engine", *(str(part) for pair in options.items() for part in pair))
    alerts = f"{running.url}/api/v1/alerts"
    verify = str(authority.file)
    ours = tuple(map(str, authority.certificate("sender")))
    (tmp_path / "strangers").mkdir()
    theirs = tuple(map(str, Authority(tmp_path / "strangers").certificate("stranger")))
    ask: Callable[..., requests.Response] = requests.get
    try:
        token = {"Authorization": "Bearer hush"}
        assert ask(alerts, verify=verify, cert=ours, headers=token, timeout=10).status_code in {200, 503}
        assert ask(alerts, verify=verify, cert=ours, timeout=10).status_code == 401
        for certificates in (None, theirs):
            with pytest.raises(requests.exceptions.ConnectionError):
                ask(alerts, verify=verify, cert=certificates, headers=token, timeout=10)
    finally:
        assert "Traceback" not in running.stop()


def test_what_is_no_certificate_is_said_before_anything_starts(tmp_path: Path, authority: Authority) -> None:
    certificate, _ = authority.certificate("engine")
    _, other_key = authority.certificate("other")
    (tmp_path / "text").write_text("no certificate")
    for tls in (
        Tls(certificate=tmp_path / "text"),
        Tls(certificate=tmp_path / "missing"),
        Tls(certificate=certificate, key=other_key),
    ):
        with pytest.raises(WrongUsage, match="TLS can't be had"):
            tls.context()
