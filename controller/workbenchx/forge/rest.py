"""What GitHub and Gitea have in common: pull requests, comments and issues of one repository, at the same paths."""

import abc
import dataclasses
from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib import parse

from workbenchx import ports
from workbenchx.forge import calls

TITLE_LETTERS = 140
_BODY_LETTERS = 65_536
_PULL_TITLE_LETTERS = 250
_CUT = "\n\n… the rest does not fit here\n"


@dataclasses.dataclass(frozen=True, slots=True)
class Name:
    """A repository at its forge."""

    owner: str
    name: str

    @property
    def path(self) -> str:
        """Its path in the API."""
        return f"/repos/{quoted(self.owner)}/{quoted(self.name)}"


class Repository(abc.ABC):
    """The part of `ports.Forge` that is the same; how pages and authors are asked for is each forge's own."""

    def __init__(self, asked: calls.Calls, name: Name) -> None:
        self._calls = asked
        self._name = name
        self._path = name.path

    async def aclose(self) -> None:
        """Close every connection."""
        await self._calls.aclose()

    @abc.abstractmethod
    async def me(self) -> str:
        """The login that speaks."""

    @abc.abstractmethod
    def _read(self, found: Mapping[str, Any]) -> ports.Pull:
        """A pull request."""

    @abc.abstractmethod
    def _comments(self, number: int) -> AsyncIterator[Any]:
        """Every comment of a pull request, the oldest first."""

    @abc.abstractmethod
    def _issues(self, author: str) -> AsyncIterator[Any]:
        """Every open issue of that author."""

    async def default_branch(self) -> str:
        """See ports.Forge.default_branch."""
        return str((await self._calls.need("GET", self._path))["default_branch"])

    async def pull(self, number: int) -> ports.Pull | None:
        """See ports.Forge.pull."""
        try:
            return self._read(await self._calls.ask("GET", f"{self._path}/pulls/{number}"))
        except calls.Missing:
            return None

    async def edit_pull(
        self, number: int, *, title: str | None = None, body: str | None = None
    ) -> None:
        """See ports.Forge.edit_pull."""
        said = {}
        if title is not None:
            said["title"] = cut(title, _PULL_TITLE_LETTERS)
        if body is not None:
            said["body"] = fitted(body)
        if said:
            await self._calls.need("PATCH", f"{self._path}/pulls/{number}", said)

    async def close_pull(self, number: int) -> None:
        """See ports.Forge.close_pull."""
        found = await self._calls.need("GET", f"{self._path}/pulls/{number}")
        if found["state"] == "open":
            await self._calls.need("PATCH", f"{self._path}/pulls/{number}", {"state": "closed"})

    async def say(self, number: int, marker: str, body: str) -> None:
        """See ports.Forge.say. Others may write our marker into theirs; what they wrote is left alone."""
        said = marked(marker, body)
        me = await self.me()
        ours = [
            each
            async for each in self._comments(number)
            if each["user"] and each["user"]["login"] == me and bears(marker, each["body"])
        ]
        if not ours:
            await self.note(number, said)
            return
        if not same(ours[0]["body"], said):
            await self._calls.need("PATCH", self._comment(ours[0]), {"body": said})
        for spare in ours[1:]:
            await self._calls.need("DELETE", self._comment(spare))

    async def note(self, number: int, body: str) -> None:
        """See ports.Forge.note."""
        said = {"body": fitted(body)}
        await self._calls.need("POST", f"{self._path}/issues/{number}/comments", said)

    async def keep_issue(self, marker: str, title: str, body: str, *, make: bool = True) -> None:
        """See ports.Forge.keep_issue."""
        said = {"title": title, "body": marked(marker, body)}
        me = await self.me()
        ours = [each async for each in self._issues(me) if bears(marker, each["body"])]
        ours.sort(key=lambda each: int(each["number"]))
        if not ours:
            if make:
                await self._calls.need("POST", f"{self._path}/issues", said)
            return
        if ours[0]["title"] != title or not same(ours[0]["body"], said["body"]):
            await self._calls.need("PATCH", f"{self._path}/issues/{ours[0]['number']}", said)
        for spare in ours[1:]:
            await self._calls.need(
                "PATCH", f"{self._path}/issues/{spare['number']}", {"state": "closed"}
            )

    async def _brought_up(self, found: ports.Pull, wanted: ports.NewPull) -> None:
        """Words of an open pull request, as they are wanted now."""
        await self.edit_pull(found.number, title=wanted.title, body=wanted.body)

    def _comment(self, found: Mapping[str, Any]) -> str:
        return f"{self._path}/issues/comments/{found['id']}"


def quoted(part: str) -> str:
    """One part of a path."""
    return parse.quote(part, safe="")


def marked(marker: str, body: str) -> str:
    """A body with a marker that nobody sees."""
    return fitted(f"<!-- {marker} -->\n{body}")


def opening(wanted: ports.NewPull) -> dict[str, str]:
    """What is said to open a pull request."""
    return {
        "title": cut(wanted.title, _PULL_TITLE_LETTERS),
        "head": wanted.branch,
        "base": wanted.target,
        "body": fitted(wanted.body),
    }


def fitted(body: str) -> str:
    """As many whole lines of a body as every forge takes; a folded part is closed."""
    if len(body) <= _BODY_LETTERS:
        return body
    end = "\n</details>"
    kept = body[: _BODY_LETTERS - len(_CUT) - len(end)]
    kept = kept.rpartition("\n")[0] or kept
    return kept + (end if kept.count("<details>") > kept.count("</details>") else "") + _CUT


def bears(marker: str, body: str | None) -> bool:
    """Whether a body begins with the marker."""
    return (body or "").startswith(f"<!-- {marker} -->")


def same(one: str | None, other: str) -> bool:
    """Whether two bodies read alike: forges change the ends of lines."""
    return (one or "").replace("\r\n", "\n").rstrip() == other.replace("\r\n", "\n").rstrip()


def short(title: str) -> str:
    """The title of a report within the limit of every forge, on one line."""
    return cut(title, TITLE_LETTERS)


def cut(text: str, most: int) -> str:
    """At most so many letters, on one line."""
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most - 1]}…"
