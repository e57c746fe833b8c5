"""Gitea (and what speaks its API): commit statuses, pull requests and comments of one repository, by a token.

The token needs the scopes write:repository, write:issue and read:user.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from workbenchx import errors, ports
from workbenchx.forge import calls, rest

API = "/api/v1"
_PAGE = ("limit", 50)
_COLOUR = "#6a737d"


class Gitea(rest.Repository):
    """A `ports.Forge` at a Gitea. A status says title and verdict; summary and annotations have no place here."""

    annotates = False

    def __init__(self, asked: calls.Calls, name: rest.Name) -> None:
        super().__init__(asked, name)
        self._login: str | None = None

    async def me(self) -> str:
        """See rest.Repository.me."""
        if self._login is None:
            self._login = str((await self._calls.need("GET", "/user"))["login"])
        return self._login

    async def open_pulls(self, *, target: str | None = None) -> Sequence[ports.Pull]:
        """See ports.Forge.open_pulls."""
        asked = {"state": "open", "sort": "oldest"}
        asked |= {"base_branch": target} if target else {}
        found = {each["number"]: each async for each in self._pulls(asked)}
        return [self._read(each) for each in found.values()]

    async def pull_of_branch(self, branch: str) -> ports.Pull | None:
        """See ports.Forge.pull_of_branch. Gitea has no such question: of those that are closed, ours alone are looked through."""
        found = []
        for asked in ({"state": "open"}, {"state": "all", "poster": await self.me()}):
            async for each in self._pulls(asked):
                pull = self._read(each)
                if pull.branch == branch and not pull.fork:
                    found.append(pull)
                    break
        return max(found, key=lambda pull: pull.number, default=None)

    async def pull_of_commit(self, commit: str) -> ports.Pull | None:
        """See ports.Forge.pull_of_commit. Of a rebase, the last commit alone is known."""
        try:
            found = await self._calls.ask("GET", f"{self._path}/commits/{commit}/pull")
        except calls.Missing:
            return None
        return self._read(found)

    async def open_pull(self, wanted: ports.NewPull) -> ports.Pull:
        """See ports.Forge.open_pull."""
        found = await self._open(wanted.branch, wanted.target)
        if found is None:
            said = rest.opening(wanted)
            found = self._read(await self._calls.need("POST", f"{self._path}/pulls", said))
        else:
            await self._brought_up(found, wanted)
        await self._label(found, wanted.labels)
        return await self.pull(found.number) or found

    async def report(self, report: ports.Report) -> None:
        """See ports.Forge.report."""
        said = {
            "state": report.verdict.value,
            "context": report.context,
            "description": rest.short(report.title),
            "target_url": report.url or "",
        }
        stands = await self._status(report.commit, report.context)
        if stands is None or any(
            stands["status" if name == "state" else name] != value for name, value in said.items()
        ):
            await self._calls.need("POST", f"{self._path}/statuses/{report.commit}", said)

    def _read(self, found: Mapping[str, Any]) -> ports.Pull:
        head, base = found["head"], found["base"]
        return ports.Pull(
            number=int(found["number"]),
            url=str(found["html_url"]),
            title=str(found["title"]),
            author=str((found["user"] or {}).get("login", "")),
            branch=str(head["label"] or head["ref"]),  # `ref` is another once the branch is gone
            target=str(base["ref"]),
            head=str(head["sha"]),
            base=str(base["sha"]),
            open=found["state"] == "open",
            # Without a label it was pushed to refs/for, which readers may do.
            fork=head["repo_id"] != base["repo_id"] or not head["label"],
            merged=str(found["merge_commit_sha"]) if found["merged"] else None,
            labels=tuple(sorted(each["name"] for each in found["labels"] or ())),
        )

    def _comments(self, number: int) -> AsyncIterator[Any]:
        """All in one answer: Gitea does not page these."""
        return self._all(f"{self._path}/issues/{number}/comments")

    def _issues(self, author: str) -> AsyncIterator[Any]:
        asked = {"state": "open", "type": "issues", "created_by": author}
        return self._calls.pages(f"{self._path}/issues", asked, size=_PAGE)

    def _pulls(self, asked: Mapping[str, str]) -> AsyncIterator[Any]:
        return self._calls.pages(f"{self._path}/pulls", asked, size=_PAGE)

    async def _all(self, path: str) -> AsyncIterator[Any]:
        for each in await self._calls.need("GET", path) or ():
            yield each

    async def _open(self, branch: str, target: str) -> ports.Pull | None:
        for pull in await self.open_pulls(target=target):
            if pull.branch == branch and not pull.fork:
                return pull
        return None

    async def _status(self, commit: str, context: str) -> Mapping[str, Any] | None:
        """The newest status of a context."""
        pages = self._calls.pages(
            f"{self._path}/commits/{commit}/status", {}, size=_PAGE, key="statuses"
        )
        async for each in pages:
            if each["context"] == context:
                return dict(each)
        return None

    async def _label(self, pull: ports.Pull, labels: Sequence[str]) -> None:
        """Add what is missing; a label that the repository has not is made."""
        missing = [name for name in labels if name not in pull.labels]
        if not missing:
            return
        known = {
            each["name"] async for each in self._calls.pages(f"{self._path}/labels", {}, size=_PAGE)
        }
        for name in missing:
            if name not in known:
                said = {"name": name, "color": _COLOUR}
                await self._calls.need("POST", f"{self._path}/labels", said)
        path = f"{self._path}/issues/{pull.number}/labels"
        await self._calls.need("POST", path, {"labels": missing})


def with_token(url: str, owner: str, name: str, token: str) -> Gitea:
    """The repository `owner/name` at the Gitea whose pages are at `url`."""
    base = url.rstrip("/")
    base = base if base.endswith(API) else base + API

    async def headers() -> Mapping[str, str]:
        return {"Authorization": f"token {token}", "Accept": "application/json"}

    return Gitea(calls.Calls(base, f'forge "{url}"', headers), rest.Name(owner, name))


async def answers(url: str) -> bool:
    """Whether a Gitea API answers at this address.

    Raises:
        errors.Waiting: it cannot be asked.
    """

    async def nothing() -> Mapping[str, str]:
        return {}

    asked = calls.Calls(url.rstrip("/") + API, f'forge "{url}"', nothing, seconds=15.0)
    try:
        found = await asked.ask("GET", "/version")
    except (calls.Missing, errors.Stalled):
        return False
    finally:
        await asked.aclose()
    return isinstance(found, Mapping) and "version" in found
