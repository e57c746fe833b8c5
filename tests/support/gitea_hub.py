"""A real Gitea as the story of a repository takes it."""

import dataclasses
import html
from collections.abc import Mapping
from typing import Any

import gitea_server
import story

_TOKEN = "WBX_SECRET_WBX_SYSTEM_TOKEN"


@dataclasses.dataclass(frozen=True)
class Hub:
    """A story.Hub: one repository of it, spoken to as its owner."""

    repository: gitea_server.Repository

    @property
    def url(self) -> str:
        """See story.Hub."""
        return self.repository.url

    @property
    def spec(self) -> Mapping[str, Any]:
        """See story.Hub."""
        return {"forge": {"type": "gitea"}, "credentials": {"env": _TOKEN}}

    @property
    def secrets(self) -> Mapping[str, str]:
        """See story.Hub."""
        return {_TOKEN: self.repository.gitea.owner.token}

    def commit(self, files: dict[str, str | None], *, branch: str = "main") -> str:
        """See story.Hub."""
        return self.repository.commit(files, branch=branch)

    def tip(self) -> str:
        """See story.Hub."""
        return str(self.repository.ask("GET", "/branches/main")["commit"]["id"])

    def text(self, path: str) -> str:
        """See story.Hub."""
        return self.repository.text(path)

    def pull(self, branch: str) -> int:
        """See story.Hub."""
        return self.repository.pull(branch)

    def pulls(self) -> list[story.Request]:
        """See story.Hub."""
        found = self.repository.ask("GET", "/pulls?state=all")
        requests = [
            story.Request(each["number"], each["title"], each["body"], each["state"] == "open")
            for each in found
        ]
        return sorted(requests, key=lambda each: each.number)

    def merge(self, number: int) -> str:
        """See story.Hub."""
        return self.repository.merge(number, how="squash")

    def close(self, number: int) -> None:
        """See story.Hub."""
        self.repository.ask("PATCH", f"/pulls/{number}", {"state": "closed"})

    def told(self, commit: str, context: str) -> story.Told:
        """See story.Hub: Gitea keeps every status."""
        found = self.repository.ask("GET", f"/commits/{commit}/statuses")
        found.sort(key=lambda each: each["id"])
        return [
            (each["status"], each["description"]) for each in found if each["context"] == context
        ]

    def said(self, number: int, commit: str) -> list[str]:
        """See story.Hub: the comments."""
        found = self.repository.ask("GET", f"/issues/{number}/comments")
        return [html.unescape(each["body"]) for each in found]
