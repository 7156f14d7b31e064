"""Certificates are renewed for a real TLS server, and a bad one never stays."""

from __future__ import annotations

import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.children import Children
from tests.integration.library.daemons import Daemon, free_port
from tests.integration.library.playing import does_its_work_once, only_looks_in_check_mode, play, play_each, refusals

SERVER = """
import signal, socket, ssl, sys, threading
folder, port = sys.argv[1], int(sys.argv[2])
def load(*_):
    global context
    try:
        fresh = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        fresh.load_cert_chain(folder + "/cert.pem", folder + "/key.pem")
        context = fresh
    except (OSError, ssl.SSLError):
        pass
    open(folder + "/reloads", "a").write("x")
load()
signal.signal(signal.SIGHUP, load)
listener = socket.create_server(("127.0.0.1", port))
while True:
    plain, _ = listener.accept()
    try:
        plain.settimeout(5)
        context.wrap_socket(plain, server_side=True).close()
    except OSError:
        plain.close()
"""


def make(folder: Path, *, days: int, name: str = "shop.example") -> None:
    """A key and a certificate of its own for `days`."""
    folder.mkdir(parents=True, exist_ok=True)
    options = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", f"/CN={name}"]
    files = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem"), "-days", str(days)]
    names = ["-addext", f"subjectAltName=DNS:{name}"]
    subprocess.run(["openssl", "req", "-x509", *options, *names, *files], check=True, capture_output=True)


class Site:
    """A server with a certificate for five more days, and folders with what a renewal might bring."""

    def __init__(self, children: Children, folder: Path) -> None:
        self.live = folder / "live"
        self.folder = folder
        make(self.live, days=5)
        (self.live / "key.pem").chmod(0o640)
        self.before = self.files()
        self.port = free_port()
        command = [sys.executable, "-c", SERVER, str(self.live), str(self.port)]
        daemon = Daemon(children, folder, command, self.port)
        daemon.start()
        assert daemon.process is not None
        self.process = daemon.process
        self.given: dict[str, object] = {
            "certificate_file": str(self.live / "cert.pem"),
            "certificate_key": str(self.live / "key.pem"),
            "certificate_names": ["shop.example"],
            "certificate_reload_command": ["kill", "-HUP", str(self.process.pid)],
            "certificate_server": f"127.0.0.1:{self.port}",
            "certificate_wait": 2,
        }

    def files(self) -> tuple[str, str]:
        return (self.live / "cert.pem").read_text(), (self.live / "key.pem").read_text()

    def presented(self) -> str:
        return ssl.get_server_certificate(("127.0.0.1", self.port), timeout=5)

    def renewal(self, *, days: int, name: str = "shop.example") -> list[str]:
        """A command that brings a new pair."""
        fresh = self.folder / ("fresh" if days == 90 and name == "shop.example" else f"{name}-{days}")
        make(fresh, days=days, name=name)
        return ["sh", "-c", f"cat {fresh}/key.pem > {self.live}/key.pem; cat {fresh}/cert.pem > {self.live}/cert.pem"]

    def rest(self) -> set[str]:
        return {path.name for path in self.live.iterdir()} - {"reloads"}


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with Children() as children:
        yield Site(children, tmp_path)


def test_a_certificate_that_expires_soon_is_renewed_once_and_presented(site: Site, tmp_path: Path) -> None:
    given = {**site.given, "certificate_renew_command": site.renewal(days=90)}
    only_looks_in_check_mode("renew_certificate.yml", tmp_path, given)
    assert site.files() == site.before
    does_its_work_once("renew_certificate.yml", tmp_path, given, run=(2, 1))
    assert site.files() != site.before
    assert site.presented() == site.files()[0]
    assert site.rest() == {"cert.pem", "key.pem"}
    assert (site.live / "key.pem").stat().st_mode & 0o777 == 0o640


def test_a_good_certificate_that_the_server_does_not_present_is_only_reloaded(site: Site, tmp_path: Path) -> None:
    subprocess.run(site.renewal(days=90), check=True)
    given = {**site.given, "certificate_renew_command": ["touch", str(tmp_path / "renewed")]}
    played = play("renew_certificate.yml", tmp_path, given)
    assert (played.succeeded, played.changed) == (True, 1), played.output
    assert site.presented() == site.files()[0]
    assert not (tmp_path / "renewed").exists()


def test_a_bad_new_certificate_is_taken_back(tmp_path: Path) -> None:
    said = {
        "other-key": "is not that of the certificate",
        "short": "expires within 14 days",
        "other-name": "is not for shop.example",
        "refused": "in 'Ask the server whether it would start with it'",
        "gone": "holds no certificate that can be read",
    }
    with Children() as children:
        sites = {trouble: Site(children, tmp_path / trouble) for trouble in said}
        told = play_each("renew_certificate.yml", tmp_path, {name: _bad(name, site) for name, site in sites.items()})
        for trouble, site in sites.items():
            assert not told[trouble].succeeded
            assert said[trouble] in told[trouble].said
            assert "the old certificate is back" in told[trouble].said
            assert site.files() == site.before
            assert (site.live / "key.pem").stat().st_mode & 0o777 == 0o640
            assert site.presented() == site.before[0]


def _bad(trouble: str, site: Site) -> dict[str, object]:
    """Variables whose renewal has that trouble."""
    fresh = {"short": site.renewal(days=13), "other-name": site.renewal(days=90, name="shop.test")}
    good = site.renewal(days=90)
    fresh["other-key"] = ["cp", str(site.folder / "fresh" / "cert.pem"), str(site.live / "cert.pem")]
    fresh["gone"] = ["rm", str(site.live / "cert.pem")]
    given = {**site.given, "certificate_renew_command": fresh.get(trouble, good)}
    if trouble == "refused":
        starts_with_the_old_key = ["grep", "-q", site.before[1].splitlines()[1], str(site.live / "key.pem")]
        given["certificate_test_command"] = starts_with_the_old_key
    return given


def test_links_to_numbered_files_are_put_back_as_links(site: Site, tmp_path: Path) -> None:
    for name in ("cert", "key"):
        (site.live / f"{name}.pem").rename(site.live / f"{name}1.pem")
        (site.live / f"{name}.pem").symlink_to(f"{name}1.pem")
    script = (  # as certbot does, though with a broken certificate
        f"cd {site.live}; echo broken > cert2.pem; cp key1.pem key2.pem;"
        " for part in cert key; do ln -sf ${part}2.pem $part.pem; done"
    )
    played = play("renew_certificate.yml", tmp_path, {**site.given, "certificate_renew_command": ["sh", "-c", script]})
    assert "the old certificate is back" in played.output
    assert (site.live / "cert.pem").readlink() == Path("cert1.pem")
    assert site.files() == site.before


def test_what_an_interrupted_renewal_has_left_is_mended(site: Site, tmp_path: Path) -> None:
    given = {**site.given, "certificate_reload_command": ["true"]}
    half = ["sh", "-c", f"echo half > {site.live}/cert.pem; kill -9 $PPID"]
    assert not play("renew_certificate.yml", tmp_path, {**given, "certificate_renew_command": half}).succeeded
    (site.live / "cert.pem").write_text("half")  # as if even the rescue hadn't come
    played = play("renew_certificate.yml", tmp_path, {**site.given, "certificate_renew_command": site.renewal(days=90)})
    assert played.succeeded, played.output
    assert site.presented() == site.files()[0]


def test_orders_that_make_no_sense_are_refused(site: Site, tmp_path: Path) -> None:
    given = {**site.given, "certificate_renew_command": ["touch", str(tmp_path / "effect")]}
    said = refusals(
        "renew_certificate.yml",
        tmp_path,
        site.given,
        {**given, "certificate_file": "cert.pem"},
        {**given, "certificate_reload_command": "nginx -s reload"},
        {**given, "certificate_min_days": 0},
        {**given, "certificate_names": "shop.example"},
        {**given, "certificate_server": "127.0.0.1"},
        {name: value for name, value in given.items() if name != "certificate_key"},
    )
    assert all("renew_certificate.yml needs" in message for message in said), said
    assert not (tmp_path / "effect").exists()
