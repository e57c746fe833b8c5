"""`wbx db` on a bare server of the user's own: prepared once, migrated, told where it stands."""

import asyncio
import contextlib
import json
import pathlib
import subprocess
from collections.abc import Iterator

import cli_wbx
import psycopg
import pytest
import store_adoption as adoption
import store_postgres15
import store_server
import tools

from workbenchx.store import embedded, migrate


@contextlib.contextmanager
def bare(version: int) -> Iterator[embedded.Server]:
    """A server on which nobody prepared anything."""
    if version == 15:
        tools.need(str(store_postgres15.PROGRAMS / "postgres"), store_postgres15.HOW)
        with store_postgres15.server() as server:
            yield server
    else:
        with store_server.home() as folder:
            yield asyncio.run(embedded.ensure_running(folder))


@pytest.mark.parametrize("version", [15, 18])
def test_a_bare_server_is_made_ready(version: int, tmp_path: pathlib.Path) -> None:
    """Bootstrap and migrate, each twice: the second time changes nothing; what does not fit is told in one line."""
    with bare(version) as server:
        settings = {
            "WBX_HOME": str(tmp_path / "home"),
            "WBX_ADMIN_URL": store_server.administrator(server),
            "WBX_DATABASE_URL": server.url_for("wbx_migrate", "lab"),
            "WBX_PASSWORD_ENGINE": "it's secret",
        }

        def db(*arguments: str) -> "subprocess.CompletedProcess[str]":
            return cli_wbx.wbx("db", *arguments, folder=tmp_path, extra=settings)

        for _ in range(2):
            done = db("bootstrap", "--database", "lab")
            assert (done.returncode, "secret" in done.stdout + done.stderr) == (0, False), done
        owner = settings["WBX_DATABASE_URL"]
        with psycopg.connect(owner, autocommit=True) as conn:
            conn.execute(f"{adoption.FOREIGN}; alter table ops.run_events add seq text".encode())
            failed = db("migrate")
            assert failed.returncode == 1
            assert (
                "ops.run_events.seq is text, and WorkbenchX needs bigint; rename" in failed.stderr
            )
            conn.execute("alter table ops.run_events rename column seq to seq_of_theirs")
        assert db("status").returncode == 1
        for _ in range(2):
            assert db("migrate").returncode == 0
        status = json.loads(db("status", "--json").stdout)
        assert (status["mode"], status["pending"]) == ("external", [])
        assert asyncio.run(migrate.apply(owner)) == []
