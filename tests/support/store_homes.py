"""Homes that have their embedded database already: a copy of one that is made once for a test process.

What the first start of an installation does (initdb, bootstrap, every migration) takes seconds, and is the claim of other
tests. No disk is waited for, but for nothing else: tests kill these servers, and what was committed stays.
"""

import asyncio
import atexit
import pathlib
import shutil
import subprocess
import tempfile

import psycopg
import store_server
from psycopg import sql

from workbenchx.store import bootstrap, embedded, lodging, migrate

_CARELESS = ("fsync", "full_page_writes")
_OWN = "update ops.installation set id = gen_random_uuid(), created_at = now()"
_made: list[pathlib.Path] = []


async def furnish(home: pathlib.Path) -> None:
    """Give a home that has none its database, which runs afterwards and is an installation of its own."""
    lodging.claim(home)
    place = lodging.of(home)
    if await asyncio.to_thread(place.data.exists):
        return
    if not _made:
        _made.append(await _first(_folder()))
    lodging.prepare(place)
    copy = ["cp", "-a", "--reflink=auto", str(_made[0]), str(place.data)]
    await asyncio.to_thread(subprocess.run, copy, check=True)
    server = await embedded.ensure_running(home)
    where = store_server.administrator(server, embedded.DATABASE)
    async with await psycopg.AsyncConnection.connect(where, autocommit=True) as conn:
        await conn.execute(_OWN)


def _folder() -> pathlib.Path:
    folder = pathlib.Path(tempfile.mkdtemp(prefix="wbx-seed-"))
    folder.chmod(0o755)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


async def _first(folder: pathlib.Path) -> pathlib.Path:
    """The data of a server that was prepared and stopped."""
    server = await embedded.ensure_running(folder)
    administrator = store_server.administrator(server)
    async with await psycopg.AsyncConnection.connect(administrator, autocommit=True) as conn:
        for name in _CARELESS:
            await conn.execute(sql.SQL("alter system set {} = off").format(sql.Identifier(name)))
    await bootstrap.bootstrap(administrator)
    await migrate.apply(server.url_for("wbx_migrate"))
    await embedded.stop(folder)
    return lodging.of(folder).data
