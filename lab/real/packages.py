"""The programs that the lab needs, and which Debian packages have them."""

from __future__ import annotations

import shutil
from pathlib import Path

_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Not the PATH of whoever starts it: a virtual environment's supervisord would bring its own Python along."""
PACKAGE_OF = {
    "sshd": "openssh-server",
    "ssh": "openssh-client",
    "nginx": "nginx-light",
    "haproxy": "haproxy",
    "redis-server": "redis-server",
    "redis-cli": "redis-tools",
    "psql": "postgresql-client",
    "prometheus": "prometheus",
    "promtool": "prometheus",
    "prometheus-alertmanager": "prometheus-alertmanager",
    "amtool": "prometheus-alertmanager",
    "prometheus-redis-exporter": "prometheus-redis-exporter",
    "prometheus-postgres-exporter": "prometheus-postgres-exporter",
    "supervisord": "supervisor",
    "supervisorctl": "supervisor",
}
_SERVER_PACKAGE = "postgresql"
_POSTGRES = Path("/usr/lib/postgresql")


class PackagesMissing(Exception):
    """Programs of the lab aren't installed; the message says which packages have them and how to get them."""

    def __init__(self, packages: list[str]) -> None:
        self.packages = packages
        super().__init__(
            f"The lab needs Debian packages that aren't installed: {' '.join(packages)}. As root:\n\n"
            f"  {install_command(packages)}\n\n"
            "(sh scripts/lab-packages does it without any of their services being started.)"
        )


def install_command(packages: list[str]) -> str:
    return f"apt-get install --no-install-recommends {' '.join(packages)}"


def program(name: str) -> str:
    """Full path of `name`. Raises `PackagesMissing`."""
    found = shutil.which(name, path=_SYSTEM_PATH)
    if found is None:
        raise PackagesMissing([PACKAGE_OF[name]])
    return found


def postgres_bin() -> Path:
    """Folder with the newest server's programs. Raises `PackagesMissing`."""
    found = [path for path in _POSTGRES.glob("*/bin") if (path / "initdb").exists()]
    if not found:
        raise PackagesMissing([_SERVER_PACKAGE])
    return max(found, key=lambda path: int(path.parent.name))


def require_packages() -> None:
    """Raises `PackagesMissing` with everything that is missing at once."""
    missing = {package for name, package in PACKAGE_OF.items() if shutil.which(name, path=_SYSTEM_PATH) is None}
    try:
        postgres_bin()
    except PackagesMissing as error:
        missing.update(error.packages)
    if missing:
        raise PackagesMissing(sorted(missing))
