"""The double of GitHub as the story of a repository takes it: an App speaks, and webhooks alone say that there is something new."""

import asyncio
import contextlib
import dataclasses
import html
from collections.abc import AsyncIterator, Mapping
from typing import Any

import console_lab
import engine_lab
import forge_scenes
import github_answers
import github_double
import github_pulls
import story

from workbenchx.console import opening, serving

_APP, _HOOK = "WBX_SECRET_WBX_SYSTEM_APP", "WBX_SECRET_WBX_SYSTEM_HOOK"
_SECRET = "a secret of the team"


@dataclasses.dataclass(frozen=True)
class Hub:
    """A story.Hub: one repository of it, to which the App is installed."""

    double: github_double.Double
    scene: forge_scenes.GitHubScene

    @property
    def url(self) -> str:
        """See story.Hub."""
        return self.scene.state.url

    @property
    def spec(self) -> Mapping[str, Any]:
        """See story.Hub: nobody looks by the clock."""
        app = {"app": github_answers.APP_ID, "credentials": {"env": _APP}}
        hook = {"interval": "1h", "webhookSecret": {"env": _HOOK}}
        return {"forge": {"type": "github", **app}, **hook}

    @property
    def secrets(self) -> Mapping[str, str]:
        """See story.Hub."""
        return {_APP: self.double.app_key, _HOOK: _SECRET}

    def commit(self, files: dict[str, str | None], *, branch: str = "main") -> str:
        """See story.Hub."""
        return self.scene.commit(files, branch)

    def tip(self) -> str:
        """See story.Hub."""
        return self.scene.state.commit_of("main")

    def text(self, path: str) -> str:
        """See story.Hub."""
        return self.scene.state.git("show", f"main:{path}") + "\n"

    def pull(self, branch: str) -> int:
        """See story.Hub."""
        return self.scene.pull(branch, f"Pull {branch}")

    def pulls(self) -> list[story.Request]:
        """See story.Hub."""
        return [
            story.Request(
                each["number"], each["title"], each["body"] or "", each["state"] == "open"
            )
            for each in list(self.scene.state.pulls.values())
        ]

    def merge(self, number: int) -> str:
        """See story.Hub."""
        return self.scene.merge(number, "squash")

    def close(self, number: int) -> None:
        """See story.Hub."""
        github_pulls.edit(self.double.world, self.scene.state, number, {"state": "closed"})

    def told(self, commit: str, context: str) -> story.Told:
        """See story.Hub: all that its check runs ever said."""
        checks = [each for each in self.checks(commit) if each["name"] == context]
        return [(verdict, title) for each in checks for verdict, title, _ in each["history"]]

    def said(self, number: int, commit: str) -> list[str]:
        """See story.Hub: the check runs with what they say on lines. There are no comments."""
        assert self.scene.comments(number) == []
        return [
            "\n".join(
                [
                    html.unescape(check["output"]["summary"]),
                    *(f"{note['path']}:{note['start_line']}" for note in check["annotations"]),
                ]
            )
            for check in self.checks(commit)
        ]

    def checks(self, commit: str) -> list[dict[str, Any]]:
        """The check runs of a commit."""
        return [each for each in self.scene.state.checks if each["head_sha"] == commit]


@contextlib.asynccontextmanager
async def heard(lab: engine_lab.Lab, hub: Hub) -> AsyncIterator[None]:
    """A console of the installation takes webhooks from now on: its ping was taken, as soon as the Source was known."""
    hooks = hub.double.world.hooks
    async with (
        opening.open(lab.app.settings) as parts,
        console_lab.listening(serving.Server(parts)) as url,
    ):
        about = hub.scene.state.about()
        await asyncio.to_thread(hooks.subscribe, about, f"{url}/webhooks/github", _SECRET)
        await asyncio.to_thread(hooks.settle)
        async with asyncio.timeout(story.PATIENCE):
            while hooks.sent[-1].answer != 202:
                await asyncio.sleep(0.2)
                hooks.send(hooks.sent[-1])
                await asyncio.to_thread(hooks.settle)
        hooks.sent.clear()
        yield
        await asyncio.to_thread(hooks.settle)
