"""Restart and fail-over of a real PostgreSQL with a real standby."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.library.daemons import free_port, wait_until
from tests.integration.library.playing import LOCAL, does_its_work_once, only_looks_in_check_mode, play, refusals
from tests.integration.library.postgres import BIN, Postgres


@pytest.fixture(scope="module")
def pair(ground: Path) -> Iterator[tuple[Postgres, Postgres]]:
    primary, standby = Postgres(ground / "pg1"), Postgres(ground / "pg2")
    primary.create()
    primary.start()
    standby.copy_of(primary)
    standby.start()
    try:
        yield primary, standby
    finally:
        standby.end()
        primary.end()


def _restart_variables(server: Postgres) -> dict[str, object]:
    return {
        **server.address,
        "postgres_bin": str(BIN),
        "database_start_command": server.command("restart"),
        "database_wait": 20,
        "database_answer_timeout": 2,
    }


def test_a_crashed_database_is_restarted_once_and_its_data_is_there(
    pair: tuple[Postgres, Postgres], tmp_path: Path
) -> None:
    primary, _ = pair
    primary.ask("create table orders (n int); insert into orders values (42)")
    primary.crash()
    given = _restart_variables(primary)
    only_looks_in_check_mode("restart_database.yml", tmp_path, given)
    assert not primary.answers()
    does_its_work_once("restart_database.yml", tmp_path, given, run=(4, 1))
    assert primary.ask("select n from orders") == "42"
    environment = Path(f"/proc/{primary.pid()}/environ").read_bytes()
    assert b"BSM_RUN" not in environment


def test_a_database_that_hangs_is_restarted(pair: tuple[Postgres, Postgres], tmp_path: Path) -> None:
    primary, _ = pair
    pid = primary.pid()
    os.kill(pid, signal.SIGSTOP)
    given = {**_restart_variables(primary), "database_start_command": _thaw_and(pid, primary.command("restart"))}
    played = play("restart_database.yml", tmp_path, given)
    assert (played.succeeded, played.changed) == (True, 1), played.output
    assert primary.pid() != pid
    assert primary.answers()


def _thaw_and(pid: int, command: list[str]) -> list[str]:
    """What a service manager does to a hanging process that ignores SIGTERM, gentler."""
    return ["sh", "-c", f'kill -CONT {pid}; exec "$@"', "sh", *command]


def test_a_database_that_refuses_the_question_is_not_restarted(pair: tuple[Postgres, Postgres], tmp_path: Path) -> None:
    primary, _ = pair
    pid = primary.pid()
    played = play("restart_database.yml", tmp_path, {**_restart_variables(primary), "postgres_user": "nobody_known"})
    assert not played.succeeded
    assert "accepts connections but not the question" in played.output
    assert primary.pid() == pid


def test_any_database_can_be_restarted_by_its_commands(tmp_path: Path) -> None:
    mark = tmp_path / "runs"
    given: dict[str, object] = {
        "database_kind": "command",
        "database_answer_command": ["test", "-e", str(mark)],
        "database_start_command": ["touch", str(mark)],
    }
    only_looks_in_check_mode("restart_database.yml", tmp_path, given)
    assert not mark.exists()
    does_its_work_once("restart_database.yml", tmp_path, given)


def test_restarting_without_knowing_what_is_refused(tmp_path: Path) -> None:
    said = refusals(
        "restart_database.yml",
        tmp_path,
        {"database_kind": "oracle"},
        {"database_kind": "command", "database_start_command": ["touch", str(tmp_path / "effect")]},
        {"database_start_command": f"touch {tmp_path / 'effect'}"},
        {"database_wait": "a while"},
    )
    assert all("restart_database.yml needs" in message for message in said)
    assert not (tmp_path / "effect").exists()


def _fail_over(pair: tuple[Postgres, Postgres], **more: Any) -> dict[str, object]:
    primary, standby = pair
    return {
        **standby.address,
        "postgres_bin": str(BIN),
        "postgres_primary": "db1",
        "postgres_primary_address": "127.0.0.1",
        "postgres_primary_port": primary.port,
        "postgres_primary_data": str(primary.data),
        "postgres_stop_command": primary.command("stop"),
        "postgres_wait": 20,
        **more,
    }


HOSTS: dict[str, dict[str, object]] = {"db1": {}, "db2": {}}


def test_nothing_is_promoted_while_the_old_primary_may_still_take_writes(
    pair: tuple[Postgres, Postgres], tmp_path: Path
) -> None:
    primary, standby = pair
    not_stopped = play(
        "fail_over_postgresql.yml",
        tmp_path,
        _fail_over(pair, postgres_stop_command=["false"]),
        host="db2",
        hosts=HOSTS,
    )
    assert "nothing was promoted" in not_stopped.output
    assert "it still answers" in not_stopped.output
    assert not (primary.data / "standby.signal").exists()
    unreachable = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": free_port()}
    cut_off = play(
        "fail_over_postgresql.yml",
        tmp_path,
        _fail_over(pair, postgres_fence_command=["false"]),
        host="db2",
        hosts={**HOSTS, "db1": unreachable},
    )
    assert "its host is unreachable" in cut_off.output
    assert not not_stopped.succeeded
    assert not cut_off.succeeded
    assert (primary.role(), standby.role()) == ("primary", "standby")


def test_failing_over_to_nobody_knows_what_is_refused(pair: tuple[Postgres, Postgres], tmp_path: Path) -> None:
    standby = {**_fail_over(pair), "postgres_stop_command": ["touch", str(tmp_path / "effect")]}
    said = refusals("fail_over_postgresql.yml", tmp_path, {**standby, "postgres_primary": "db9"}, standby)
    assert all("fail_over_postgresql.yml runs on the standby's host alone" in message for message in said)
    assert not (tmp_path / "effect").exists()


def test_the_old_primary_is_fenced_before_the_standby_takes_writes(
    pair: tuple[Postgres, Postgres], tmp_path: Path
) -> None:
    primary, standby = pair
    given = _fail_over(pair)
    only_looks_in_check_mode("fail_over_postgresql.yml", tmp_path, given, host="db2", hosts=HOSTS)
    assert (primary.role(), standby.role()) == ("primary", "standby")
    does_its_work_once("fail_over_postgresql.yml", tmp_path, given, host="db2", hosts=HOSTS, run=(5, 1))
    assert standby.role() == "primary"
    standby.ask("create table since (n int)")
    assert not primary.answers()
    primary.start()  # as somebody might, or a service manager does
    wait_until(primary.answers, "the old primary has started")
    assert primary.role() == "standby"


def test_a_standby_takes_over_from_a_host_that_is_gone_once_it_is_surely_off(
    pair: tuple[Postgres, Postgres], tmp_path: Path
) -> None:
    primary, standby = pair
    rebuilt = Postgres(primary.folder.parent / "pg3")
    rebuilt.copy_of(standby)
    rebuilt.start()
    try:
        given = {
            **_fail_over((standby, rebuilt)),
            "postgres_fence_command": standby.command("stop"),  # stands for the switch of its power
        }
        hosts = {**HOSTS, "db1": {**LOCAL, "ansible_connection": "ssh", "ansible_port": free_port()}}
        hosts["db1"]["ansible_host"] = "127.0.0.1"
        played = play("fail_over_postgresql.yml", tmp_path, given, host="db2", hosts=hosts)
        assert played.succeeded, played.output
        assert rebuilt.role() == "primary"
        assert not standby.answers()
    finally:
        rebuilt.end()
