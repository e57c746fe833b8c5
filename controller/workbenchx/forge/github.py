"""GitHub: pull requests, comments and statuses of one repository, as an App or by a token (decision 173).

An App reports by check runs, which GitHub lets nobody else write; a token by commit statuses.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Protocol

from workbenchx import ports
from workbenchx.forge import calls, github_app, github_checks, rest

API = "https://api.github.com"
_PAGE = ("per_page", 100)


class Speaker(Protocol):
    """Whom the adapter speaks for."""

    async def headers(self) -> Mapping[str, str]:
        """Of each call."""

    async def token(self) -> str:
        """For git."""

    async def login(self) -> str:
        """Under which its comments stand."""

    async def aclose(self) -> None:
        """Close every connection of its own."""


class GitHub(rest.Repository):
    """A `ports.Forge` at GitHub. `checks` None: by a token, which may not write check runs."""

    def __init__(
        self,
        asked: calls.Calls,
        name: rest.Name,
        speaker: Speaker,
        checks: github_checks.Checks | None,
    ) -> None:
        super().__init__(asked, name)
        self._speaker = speaker
        self._checks = checks

    @property
    def annotates(self) -> bool:
        """See ports.Forge.annotates."""
        return self._checks is not None

    async def token(self) -> str:
        """For git, as the password of `x-access-token`; it lasts for five minutes at least."""
        return await self._speaker.token()

    async def aclose(self) -> None:
        """Close every connection."""
        await super().aclose()
        await self._speaker.aclose()

    async def me(self) -> str:
        """See rest.Repository.me."""
        return await self._speaker.login()

    async def open_pulls(self, *, target: str | None = None) -> Sequence[ports.Pull]:
        """See ports.Forge.open_pulls."""
        asked = {"state": "open", "sort": "created", "direction": "asc"}
        asked |= {"base": target} if target else {}
        found = {each["number"]: each async for each in self._pulls(asked)}
        return [self._read(each) for each in found.values()]

    async def pull_of_branch(self, branch: str) -> ports.Pull | None:
        """See ports.Forge.pull_of_branch."""
        asked = {"head": f"{self._name.owner}:{branch}", "state": "all"}
        async for each in self._pulls(asked | {"sort": "created", "direction": "desc"}):
            pull = self._read(each)
            if pull.branch == branch and not pull.fork:
                return pull
        return None

    async def pull_of_commit(self, commit: str) -> ports.Pull | None:
        """See ports.Forge.pull_of_commit."""
        path = f"{self._path}/commits/{commit}/pulls"
        try:
            answer = await self._calls.ask("GET", path, params={_PAGE[0]: _PAGE[1]})
        except calls.Missing:
            return None
        merged = [pull for pull in map(self._read, answer) if pull.merged]
        exact = [pull for pull in merged if pull.merged == commit]
        return next(iter(exact or merged), None)

    async def open_pull(self, wanted: ports.NewPull) -> ports.Pull:
        """See ports.Forge.open_pull."""
        found = await self.pull_of_branch(wanted.branch)
        if found is not None and found.open and found.target == wanted.target:
            await self._brought_up(found, wanted)
        else:
            said = rest.opening(wanted)
            found = self._read(await self._calls.need("POST", f"{self._path}/pulls", said))
        missing = [name for name in wanted.labels if name not in found.labels]
        if missing:
            path = f"{self._path}/issues/{found.number}/labels"
            await self._calls.need("POST", path, {"labels": missing})
        return await self.pull(found.number) or found

    async def report(self, report: ports.Report) -> None:
        """See ports.Forge.report."""
        if self._checks is not None:
            await self._checks.report(report)
            return
        said = {
            "state": report.verdict.value,
            "context": report.context,
            "description": rest.short(report.title),
        }
        said |= {"target_url": report.url} if report.url else {}
        stands = await self._status(report.commit, report.context)
        if stands is None or any(stands[name] != value for name, value in said.items()):
            await self._calls.need("POST", f"{self._path}/statuses/{report.commit}", said)

    def _read(self, found: Mapping[str, Any]) -> ports.Pull:
        head, base = found["head"], found["base"]
        # The commit of one that is not merged is a try of GitHub's own.
        merged = found["merge_commit_sha"] if found["merged_at"] else None
        return ports.Pull(
            number=int(found["number"]),
            url=str(found["html_url"]),
            title=str(found["title"]),
            author=str((found["user"] or {}).get("login", "")),
            branch=str(head["ref"]),
            target=str(base["ref"]),
            head=str(head["sha"]),
            base=str(base["sha"]),
            open=found["state"] == "open",
            fork=head["repo"] is None or head["repo"]["id"] != base["repo"]["id"],
            merged=merged,
            labels=tuple(sorted(str(each["name"]) for each in found["labels"])),
        )

    def _comments(self, number: int) -> AsyncIterator[Any]:
        return self._calls.pages(f"{self._path}/issues/{number}/comments", {}, size=_PAGE)

    async def _issues(self, author: str) -> AsyncIterator[Any]:
        asked = {"state": "open", "creator": author}
        async for each in self._calls.pages(f"{self._path}/issues", asked, size=_PAGE):
            if "pull_request" not in each:
                yield each

    def _pulls(self, asked: Mapping[str, str]) -> AsyncIterator[Any]:
        return self._calls.pages(f"{self._path}/pulls", asked, size=_PAGE)

    async def _status(self, commit: str, context: str) -> Mapping[str, Any] | None:
        """The newest status of a context, which GitHub compares without regard to case."""
        pages = self._calls.pages(
            f"{self._path}/commits/{commit}/status", {}, size=_PAGE, key="statuses"
        )
        async for each in pages:
            if each["context"].lower() == context.lower():
                return dict(each)
        return None


class _Token:
    """By a personal access token."""

    def __init__(self, token: str, api: str) -> None:
        self._token = token
        self._login: str | None = None
        self.calls = calls.Calls(api, f'forge "{api}"', self.headers)

    async def headers(self) -> Mapping[str, str]:
        return github_app.headers(self._token)

    async def token(self) -> str:
        return self._token

    async def login(self) -> str:
        if self._login is None:
            self._login = str((await self.calls.need("GET", "/user"))["login"])
        return self._login

    async def aclose(self) -> None:
        """It has none of its own."""


def with_token(owner: str, name: str, token: str, *, api: str = API) -> GitHub:
    """The repository `owner/name`, by a token: statuses and comments."""
    speaker = _Token(token, api)
    return GitHub(speaker.calls, rest.Name(owner, name), speaker, None)


def with_app(owner: str, name: str, app: github_app.App, *, api: str = API) -> GitHub:
    """The repository `owner/name`, as an App that is installed there: check runs."""
    where = rest.Name(owner, name)
    speaker = github_app.Installed(app, where, api)
    asked = calls.Calls(api, f'forge "{api}"', speaker.headers, denied=speaker.forget)
    return GitHub(asked, where, speaker, github_checks.Checks(asked, where, speaker))
