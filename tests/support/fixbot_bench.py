"""FixBot for a repository of a real Gitea, in processes that a test starts."""

import asyncio
import json
import os
import pathlib
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import fixbot_process
import gitea_server

from workbenchx.store import postgres

PROGRAM = pathlib.Path(fixbot_process.__file__)


class Bench:
    """A repository that is followed, and FixBot, which runs once when it is told to. `secrets`: more of its environment."""

    def __init__(
        self,
        repository: gitea_server.Repository,
        store: postgres.Postgres,
        url: str,
        folder: pathlib.Path,
    ) -> None:
        self.repository = repository
        self.store = store
        self._url = url
        self._folder = folder
        self.secrets: dict[str, str] = {}

    async def execute(self, statement: str, *values: object) -> list[Any]:
        """SQL, as the engine."""
        async with self.store.connections.transaction() as conn:
            found = await conn.execute(statement, values)
            return await found.fetchall() if found.description else []

    async def follow(
        self, files: Mapping[str, str] | None = None, commits: Mapping[str, Any] | None = None
    ) -> None:
        """The source is followed; its newest commit is in force. `commits`: as in spec.forge."""
        forge = {"type": "gitea", "url": self.repository.gitea.url}
        spec = {
            "url": self.repository.url,
            "branch": "main",
            "forge": forge | ({"commits": dict(commits)} if commits else {}),
            "credentials": {"env": "WBX_SECRET_WBX_SYSTEM_TOKEN"},
            "fixbot": {"enabled": True},
        }
        tree = dict(files or fixbot_process.files())
        self.commit = await asyncio.to_thread(self.repository.commit, {**tree})
        fixbot_process.declare(self._folder, tree)
        await self.execute(
            "insert into ops.source_states (source, namespace, name, spec, applied)"
            " values (%s, 'wbx-system', 'platform', %s::jsonb, %s)",
            fixbot_process.SOURCE,
            json.dumps(spec),
            self.commit,
        )

    async def applied(self, commit: str) -> None:
        """That commit is in force now."""
        await self.execute("update ops.source_states set applied = %s", commit)

    async def merge(self, number: int) -> str:
        """Merge a pull request; the commit is in force then, and what it declares."""
        merged = await asyncio.to_thread(self.repository.merge, number)
        tree = fixbot_process.declared(self._folder)
        fixbot_process.declare(self._folder, {path: self.text(path) for path in tree})
        await self.applied(merged)
        return merged

    async def look(self, failpoint: str = "") -> int:
        """Run FixBot once, though it was just here, and though its lease of a killed process lasts; the exit code."""
        await self.execute("update ops.fix_turns set due_at = now(), lease_until = '-infinity'")
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        token = self.repository.gitea.owner.token
        extra = {"WBX_SECRET_WBX_SYSTEM_TOKEN": token, "WBX_FAILPOINT": failpoint, **self.secrets}
        paths = os.pathsep.join([*sys.path[:1], os.environ.get("PYTHONPATH", "")])
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, str(PROGRAM), self._url, str(self._folder)],
            env=kept | extra | {"PYTHONPATH": paths},
            capture_output=True,
            text=True,
            check=False,
        )
        sys.stderr.write(done.stderr)  # shown where the test fails
        assert done.returncode in {0, -9}
        return done.returncode

    def pulls(self, state: str = "open") -> list[dict[str, Any]]:
        """Pull requests at the forge."""
        return list(self.repository.ask("GET", f"/pulls?state={state}"))

    def text(self, path: str) -> str:
        """A file of main, as git has it."""
        return self.repository.text(path)

    def branches(self) -> set[str]:
        """The branches there."""
        return {each["name"] for each in self.repository.ask("GET", "/branches")}

    async def states(self) -> list[str]:
        """The rows, the oldest first."""
        rows = await self.execute("select state from ops.fix_proposals order by created_at")
        return [row[0] for row in rows]
