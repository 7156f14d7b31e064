"""Look at a certificate and its key, and keep them safe while they are renewed; read from standard input.

certificate.py judge FILE KEY DAYS NAMES        prints `good`, or what is wrong
certificate.py presented FILE KEY SERVER NAME   ends with 0 when SERVER (host:port) presents the certificate of FILE
certificate.py keep FILE KEY                    keeps both in FILE.bsm-before, unless they are bad and it holds better
certificate.py restore FILE KEY                 puts back what was kept; prints whether anything had to be
certificate.py forget FILE KEY                  removes what was kept
Needs `openssl`. Runs on Python 3.9 and newer.
"""

from __future__ import annotations

import base64
import json
import os
import re
import socket
import ssl
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

DAY_S = 86400
TIMEOUT_S = 5.0
PEM = re.compile("-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)


def main(verb: str, file: Path, key: Path, more: list[str]) -> None:
    kept = file.with_name(f"{file.name}.bsm-before")
    if verb == "judge":
        print(fault(file, key, int(more[0]), [name for name in more[1].split(",") if name]) or "good")
    elif verb == "presented":
        assert_presented(file, more[0], more[1])
    elif verb == "keep":
        if not kept.exists() or not fault(file, key, 0, []):
            write(kept, json.dumps({str(path): picture(path) for path in (file, key)}).encode(), 0o600)
    elif verb == "restore":
        before = json.loads(kept.read_bytes()) if kept.exists() else {}
        changed = [put_back(Path(path), seen) for path, seen in before.items()]
        print("restored" if any(changed) else "nothing to restore")
    else:
        with suppress(FileNotFoundError):
            kept.unlink()


def fault(file: Path, key: Path, days: int, names: list[str]) -> str:
    """What is wrong with the pair, as a sentence; empty when nothing is."""
    public = openssl("x509", "-in", file, "-noout", "-pubkey")
    if public is None:
        return f"{file} holds no certificate that can be read"
    if public != openssl("pkey", "-in", key, "-passin", "pass:", "-pubout"):
        return f"the key in {key} is not that of the certificate in {file}"
    if openssl("x509", "-in", file, "-noout", "-checkend", str(days * DAY_S)) is None:
        return f"{file} expires within {days} days" if days else f"{file} has expired"
    for name in names:
        if "does match" not in (openssl("x509", "-in", file, "-noout", "-checkhost", name) or ""):
            return f"{file} is not for {name}"
    return ""


def openssl(*words: str | Path) -> str | None:
    done = subprocess.run(["openssl", *words], capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    return done.stdout if done.returncode == 0 else None


def assert_presented(file: Path, server: str, name: str) -> None:
    host, _, port = server.rpartition(":")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # it is compared with the file, whoever has signed it
    found = PEM.search(file.read_text(errors="replace"))
    try:
        plain = socket.create_connection((host, int(port)), TIMEOUT_S)
        with context.wrap_socket(plain, server_hostname=name or host) as stream:
            shown = stream.getpeercert(binary_form=True)
    except OSError as error:
        raise SystemExit(f"{server} presents no certificate: {error}") from error
    if found is None or shown != ssl.PEM_cert_to_DER_cert(found[0]):
        raise SystemExit(f"{server} presents another certificate than {file} holds")


def picture(path: Path) -> dict[str, Any] | None:
    if not path.exists():
        return None
    seen = path.stat()
    return {
        "link": str(path.readlink()) if path.is_symlink() else None,
        "content": base64.b64encode(path.read_bytes()).decode(),
        "mode": seen.st_mode & 0o7777,
        "owner": [seen.st_uid, seen.st_gid],
    }


def put_back(path: Path, seen: dict[str, Any] | None) -> bool:
    """Make `path` what it was; whether it was something else."""
    if picture(path) == seen:
        return False
    if seen is None:
        path.unlink()
        return True
    if seen["link"] is not None and not (path.is_symlink() and str(path.readlink()) == seen["link"]):
        beside = path.with_name(f"{path.name}.bsm-new")
        beside.symlink_to(seen["link"])
        beside.replace(path)
    target = Path(os.path.realpath(path))
    if picture(target) != {**seen, "link": None}:
        write(target, base64.b64decode(seen["content"]), seen["mode"], seen["owner"])
    return True


def write(path: Path, content: bytes, mode: int, owner: list[int] | None = None) -> None:
    """All of it or nothing, even if the power goes."""
    beside = path.with_name(f"{path.name}.bsm-new")
    with suppress(FileNotFoundError):
        beside.unlink()
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
        stream.flush()
        if owner is not None:
            with suppress(PermissionError):
                os.fchown(descriptor, *owner)
        os.fchmod(descriptor, mode)
        os.fsync(descriptor)
    beside.replace(path)


main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4:])
