"""What each program of the shop is configured with, and the command that starts it under its host's supervisor."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from lab.real.layout import CHECKOUT, PROGRAMS, Layout, Program
from lab.real.packages import postgres_bin, program

_IS_ROOT = os.geteuid() == 0
_ROLE = """pg_replication:
  query: "select pg_is_in_recovery()::int as is_replica"
  metrics:
    - is_replica: {usage: GAUGE, description: "1 for a standby, 0 for a primary"}
"""
"""What Debian's exporter doesn't tell by itself."""


def sections(layout: Layout, host: str) -> dict[str, str]:
    """Name → lines of supervisor for the programs of `host`; writes their configuration files."""
    return {one.name: _COMMANDS[one.name](layout, one) for one in PROGRAMS if one.host == host}


def _command(*words: str | Path) -> str:
    return f"command={' '.join(str(word) for word in words)}".replace("%", "%%")


def _haproxy(layout: Layout, one: Program) -> str:
    home = layout.home(one.host)
    webs = [(f"web-{number}", layout.at(f"web{number}", "web")) for number in (1, 2)]
    pages = "".join(
        f"\nbackend {page}\n  option httpchk GET /{page}\n  http-check expect status 200\n"
        + "".join(f"  server {name} {at} check\n" for name, at in webs)
        for page in ("checkout", "catalogue")
    )
    config = home / "haproxy.cfg"
    config.write_text(f"""global
  stats socket {home}/haproxy.sock mode 600 level admin
  maxconn 500
defaults
  mode http
  timeout connect 1s
  timeout client 10s
  timeout server 5s
  option redispatch
  retries 2
  default-server inter 500ms fall 2 rise 1
frontend shop
  bind {layout.at(one.host, one.port)}
  use_backend checkout if {{ path_beg /checkout }}
  default_backend catalogue
frontend metrics
  bind {layout.at(one.host, "lb-metrics")}
  http-request use-service prometheus-exporter if {{ path /metrics }}
{pages}""")
    return _command(program("haproxy"), "-db", "-f", config)


def _nginx(layout: Layout, one: Program) -> str:
    home = layout.home(one.host)
    temporary = "".join(
        f"  {kind}_temp_path {home}/tmp-{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    config = home / "nginx.conf"
    config.write_text(f"""daemon off;
worker_processes 1;
pid {home}/nginx.pid;
error_log {home}/error.log;
{"user root;" if _IS_ROOT else ""}
events {{ worker_connections 256; }}
http {{
  access_log off;
{temporary}
  server {{
    listen {layout.at(one.host, one.port)};
    default_type text/plain;
    location = /healthz {{ return 200 "ok\\n"; }}
    location = /metrics {{ return 200 "nginx_answers 1\\n"; }}
    location / {{
      proxy_pass {layout.url("app1", "app")};
      proxy_connect_timeout 1s;
      proxy_read_timeout 3s;
    }}
  }}
}}
""")
    return _command(program("nginx"), "-c", config, "-e", home / "error.log", "-p", home)


def _redis(layout: Layout, one: Program) -> str:
    home = layout.home(one.host)
    config = home / "redis.conf"
    # Nothing is kept on disk, so that whoever reaches the port can't have files written.
    config.write_text(
        f"bind {layout.address(one.host)}\nport {layout.ports[one.port]}\ndaemonize no\ndir {home}\n"
        'save ""\nappendonly no\nmaxmemory 64mb\n'
    )
    return _command(program("redis-server"), config)


def _app(layout: Layout, one: Program) -> str:
    databases = [word for host in ("db1", "db2") for word in ("--database", layout.at(host, "postgres"))]
    module = ["-m", "lab.real.app", layout.at(one.host, one.port)]
    command = _command(sys.executable, *module, "--cache", layout.at("cache1", "redis"), *databases)
    return f"{command}\ndirectory={CHECKOUT}"


def _postgres(layout: Layout, one: Program) -> str:
    data = layout.home(one.host) / "data"
    user = "\nuser=postgres" if _IS_ROOT else ""  # it refuses to run as root
    return f"{_command(postgres_bin() / 'postgres', '-D', data)}{user}\nstopsignal=INT"


def _redis_exporter(layout: Layout, one: Program) -> str:
    listen = ["-web.listen-address", layout.at(one.host, one.port)]
    redis = f"redis://{layout.at(one.host, 'redis')}"
    return _command(program("prometheus-redis-exporter"), *listen, "-redis.addr", redis, "-connection-timeout", "500ms")


def _postgres_exporter(layout: Layout, one: Program) -> str:
    source = f"postgresql://monitor@{layout.at(one.host, 'postgres')}/postgres?sslmode=disable&connect_timeout=1"
    queries = layout.home(one.host) / "exporter.yml"
    queries.write_text(_ROLE)
    options = [f"--web.listen-address={layout.at(one.host, one.port)}", "--disable-settings-metrics"]
    options.append(f"--extend.query-path={queries}")
    command = _command(program("prometheus-postgres-exporter"), *options)
    return f'{command}\nenvironment=DATA_SOURCE_NAME="{source}"'


def _prometheus(layout: Layout, one: Program) -> str:
    home = layout.home(one.host)
    options = {
        "config.file": home / "prometheus.yml",
        "storage.tsdb.path": home / "prometheus",
        "storage.tsdb.retention.time": "1d",
        "web.listen-address": layout.at(one.host, one.port),
        "rules.alert.resend-delay": "1s",
        "log.level": "warn",
    }
    return _command(program("prometheus"), *(f"--{name}={value}" for name, value in options.items()))


def _alertmanager(layout: Layout, one: Program) -> str:
    home = layout.home(one.host)
    options = {
        "config.file": home / "alertmanager.yml",
        "storage.path": home / "alertmanager",
        "web.listen-address": layout.at(one.host, one.port),
        "cluster.listen-address": "",
        "log.level": "warn",
    }
    return _command(program("prometheus-alertmanager"), *(f"--{name}={value}" for name, value in options.items()))


def _pager(layout: Layout, one: Program) -> str:
    module = ["-m", "lab.real.pager", layout.at(one.host, one.port)]
    return f"{_command(sys.executable, *module, layout.file('pages.jsonl'))}\ndirectory={CHECKOUT}"


_COMMANDS = {
    "haproxy": _haproxy,
    "nginx": _nginx,
    "redis": _redis,
    "app": _app,
    "postgres": _postgres,
    "redis-exporter": _redis_exporter,
    "postgres-exporter": _postgres_exporter,
    "prometheus": _prometheus,
    "alertmanager": _alertmanager,
    "pager": _pager,
}
