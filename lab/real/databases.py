"""PostgreSQL of the lab: a primary on db1 and a streaming standby on db2, made from nothing.

Its superuser is reached through a socket in a private folder only; over the network there are three roles that can't
harm the machine, since whoever has an account on it could connect.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import time
from pathlib import Path

from lab.real.hosts import environment, supervisorctl
from lab.real.layout import Layout
from lab.real.packages import postgres_bin, program

_HBA = """local all all trust
host shop shop 127.0.0.0/8 trust
host postgres monitor 127.0.0.0/8 trust
host replication replicator 127.0.0.0/8 trust
"""
_ROLES = """create role shop login;
create role replicator login replication;
create role monitor login in role pg_monitor;
create database shop owner shop;
"""
_TABLES = "set role shop; create table orders (id serial primary key, at timestamptz not null);"


def make_primary(layout: Layout) -> None:
    """An empty database in db1's folder, not started."""
    data = _fresh(layout, "db1")
    _run(layout, "initdb", "-D", str(data), "-U", "postgres", "--auth=trust", "--no-sync", "-E", "UTF8")
    (data / "pg_hba.conf").write_text(_HBA)
    _configure(layout, "db1")


def fill_primary(layout: Layout) -> None:
    """Roles and tables in the running primary."""
    wait_until_it_answers(layout, "db1")
    superuser(layout, "db1", _ROLES)
    superuser(layout, "db1", _TABLES, database="shop")


def make_standby(layout: Layout, *, host: str = "db2", primary: str = "db1") -> None:
    """A copy of the running primary in the folder of `host`, not started; once started it follows the primary."""
    data = _fresh(layout, host)
    source = f"host={layout.address(primary)} port={layout.ports['postgres']} user=replicator application_name={host}"
    options = ["-D", str(data), "-d", source, "-R", "--checkpoint=fast", "--no-sync", "-X", "stream"]
    _run(layout, "pg_basebackup", *options)
    _configure(layout, host)


def rebuild(layout: Layout) -> None:
    """Both from nothing, as they were at the start of the lab."""
    for host in ("db2", "db1"):
        supervisorctl(layout, host, "stop", "postgres")
    make_primary(layout)
    supervisorctl(layout, "db1", "start", "postgres")
    fill_primary(layout)
    make_standby(layout)
    supervisorctl(layout, "db2", "start", "postgres")
    wait_until_it_answers(layout, "db2")


def superuser(layout: Layout, host: str, query: str, *, database: str = "postgres", timeout_s: float = 10.0) -> str:
    """The answer to `query` as the database's superuser. Raises `RuntimeError` when it fails."""
    command = [program("psql"), "-X", "-q", "-t", "-A", "-v", "ON_ERROR_STOP=1", "-h", str(_sockets(layout, host))]
    command += ["-p", str(layout.ports["postgres"]), "-U", "postgres", "-d", database, "-f", "-"]
    try:
        done = subprocess.run(
            command,
            input=query,
            env=environment(layout),
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout_s,
        )
    except subprocess.TimeoutExpired as error:
        raise RuntimeError(f"psql on {host}: no answer in {timeout_s:.0f} s") from error
    if done.returncode != 0:
        raise RuntimeError(f"psql on {host}: {done.stderr.strip()}")
    return done.stdout.strip()


def wait_until_it_answers(layout: Layout, host: str, timeout_s: float = 30.0) -> None:
    """Raises `RuntimeError` naming the log when it doesn't."""
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            superuser(layout, host, "select 1")
        except RuntimeError as error:
            if time.monotonic() > deadline:
                raise RuntimeError(f"{error}; see {layout.home(host)}/postgres.log") from error
            time.sleep(0.1)
        else:
            return


def answers(layout: Layout, host: str) -> bool:
    """Whether the database of that host answers questions, whatever its role."""
    try:
        return superuser(layout, host, "select 1", timeout_s=3.0) == "1"
    except RuntimeError:
        return False


def is_as_made(layout: Layout) -> bool:
    """Whether db1 is the primary and db2 follows it."""
    try:
        roles = [superuser(layout, host, "select pg_is_in_recovery()") for host in ("db1", "db2")]
        following = superuser(layout, "db1", "select count(*) from pg_stat_replication where state = 'streaming'")
    except RuntimeError:
        return False
    return roles == ["f", "t"] and following == "1"


def services_file(layout: Layout) -> str:
    """Connection services of libpq: `psql service=shop` finds the primary wherever it is, `shop-any` any database."""
    hosts = ",".join(layout.address(host) for host in ("db1", "db2"))
    base = f"host={hosts}\nport={layout.ports['postgres']}\nuser=shop\ndbname=shop\nconnect_timeout=2\n"
    return f"[shop]\n{base}target_session_attrs=read-write\n\n[shop-any]\n{base}"


def _fresh(layout: Layout, host: str) -> Path:
    data = layout.home(host) / "data"
    shutil.rmtree(data, ignore_errors=True)
    for folder in (data, _sockets(layout, host)):
        folder.mkdir(mode=0o700, exist_ok=True)
        if os.geteuid() == 0:
            owner = pwd.getpwnam("postgres")
            os.chown(folder, owner.pw_uid, owner.pw_gid)
    return data


def _sockets(layout: Layout, host: str) -> Path:
    return layout.home(host) / "run"


def _configure(layout: Layout, host: str) -> None:
    settings = {
        "listen_addresses": f"'{layout.address(host)}'",
        "port": layout.ports["postgres"],
        "unix_socket_directories": f"'{_sockets(layout, host)}'",
        "shared_buffers": "'16MB'",
        "fsync": "off",  # nothing in it is worth waiting for
        "max_connections": "50",
        "wal_level": "replica",
        "hot_standby": "on",
        "wal_receiver_timeout": "'3s'",
        "wal_retrieve_retry_interval": "'500ms'",
        "log_destination": "'stderr'",
    }
    lines = "".join(f"{name} = {value}\n" for name, value in settings.items())
    with (layout.home(host) / "data" / "postgresql.conf").open("a") as file:
        file.write(f"\n# of the lab\n{lines}")


def _run(layout: Layout, name: str, *arguments: str) -> None:
    """One of PostgreSQL's programs, as the user that the server runs as. Raises `RuntimeError`."""
    command = [str(postgres_bin() / name), *arguments]
    if os.geteuid() == 0:
        command = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", *command]
    done = subprocess.run(
        command, env=environment(layout), cwd="/", capture_output=True, text=True, check=False, timeout=60
    )
    if done.returncode != 0:
        raise RuntimeError(f"{name} failed: {done.stderr.strip()[-800:]}")
