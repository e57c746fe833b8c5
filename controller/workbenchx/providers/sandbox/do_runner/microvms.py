"""MicroVMs through the vendor's own client, as its documentation has them (a public preview; decision 192).

What is not documented is taken the way that is safe either way: a page's end is believed only if page and total say the
same, a state that we do not know is neither running nor gone, and a name that is taken is looked up before anything is done.
"""

import functools
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from azure.core import exceptions
from pydo import aio

from workbenchx import errors
from workbenchx.providers.sandbox.do_runner import account, names

Json = dict[str, Any]
_PAGE = 25
_PLENTY = 400
_GONE = "terminated"
_AGAIN = 5.0


class Microvms:
    """The microVMs of one installation."""

    def __init__(self, of: account.Account, installation: str) -> None:
        self._account = of
        self._tag = names.installation(installation)

    async def all(self, **more: str) -> dict[str, Json]:
        """Every microVM of the installation, by id."""
        found: dict[str, Json] = {}
        for page in range(1, _PLENTY + 1):
            listed = functools.partial(_page, page=page, asked={"tag_name": self._tag, **more})
            answer = await self._ask(listed)
            rows = answer.get("microvms") if isinstance(answer, dict) else None
            if not isinstance(rows, list):
                raise account.unknown(answer)
            found |= {str(each["id"]): each for each in rows}
            if _is_last(answer, len(rows), len(found)):
                return {key: each for key, each in found.items() if self._is_there(each)}
        raise errors.Waiting(
            f"do_runner: the list of microVMs has more than {_PLENTY} pages",
            reason="ProviderUnavailable",
        )

    async def named(self, name: str) -> list[Json]:
        """The microVMs of that name: one in a region."""
        return [each for each in (await self.all(name=name)).values() if each.get("name") == name]

    async def get(self, microvm: str) -> Json | None:
        """One microVM; None once it is gone."""
        answer = await self._ask(lambda api, **how: api.microvms.get(microvm, **how), missing=True)
        found = None if answer is None else account.part(answer, "microvm")
        return None if found is None or found.get("state") == _GONE else found

    async def create(self, body: Mapping[str, Any]) -> Json:
        """Ask for a microVM, once; of a name that is taken in that region, the one that has it.

        Raises:
            errors.Conflict: reason NameTaken: it is not ours.
            errors.Waiting: it is not known whether there is one, or there is no room for it.
            errors.Stalled: reason InvalidSpec: the vendor will never make it.
        """
        try:
            answer = await self._ask(lambda api, **how: api.microvms.create(dict(body), **how))
        except errors.Waiting as problem:
            if isinstance(problem.__cause__, exceptions.ResourceExistsError):
                return await self._holder(str(body["name"]), str(body["region"]))
            raise
        return account.part(answer, "microvm")

    async def destroy(self, microvm: str) -> None:
        """Destroy one with its disk; of one that is gone, or just goes: success."""
        try:
            await self._ask(lambda api, **how: api.microvms.delete(microvm, **how), missing=True)
        except errors.Waiting as problem:
            if not isinstance(problem.__cause__, exceptions.ResourceExistsError):
                raise

    async def pause(self, microvm: str) -> None:
        """Pause one; its memory stays as it is."""
        await self._ask(lambda api, **how: api.microvms.post_pause(microvm, **how), missing=True)

    async def resume(self, microvm: str) -> None:
        """Let one that is paused go on; of one that runs: nothing."""
        await self._ask(lambda api, **how: api.microvms.post_resume(microvm, **how), missing=True)

    async def run(self, microvm: str, argv: Sequence[str]) -> Json | None:
        """A short command in it, which counts as use; None: it is gone."""
        body = {"argv": list(argv)}
        answer = await self._ask(
            lambda api, **how: api.microvms.run_command(microvm, body, **how), missing=True
        )
        return answer if isinstance(answer, dict) else None

    async def options(self) -> Json:
        """Sizes with their prices, and what the account may have."""
        answer = await self._ask(lambda api, **how: api.microvms.get_options(**how))
        if not isinstance(answer, dict) or not isinstance(answer.get("sizes"), list):
            raise account.unknown(answer)
        return answer

    def _is_there(self, found: Json) -> bool:
        return self._tag in (found.get("tags") or ()) and found.get("state") != _GONE

    async def _holder(self, name: str, region: str) -> Json:
        """Whoever has that name there."""
        listed = functools.partial(_page, page=1, asked={"name": name, "region": region})
        rows = (await self._ask(listed)).get("microvms") or []
        for each in rows:
            if self._tag in (each.get("tags") or ()):
                found: Json = each
                return found
        if rows:
            raise errors.Conflict(
                f'sandbox name is taken by another microVM: "{name}" in {region}; remove that one',
                reason="NameTaken",
            )
        raise errors.Waiting(
            f'do_runner: the name "{name}" is taken in {region}, and nobody is listed that has it',
            reason="SandboxUnavailable",
            retry_after=_AGAIN,
        )

    async def _ask(self, call: Callable[..., Awaitable[Any]], *, missing: bool = False) -> Any:
        """One call. Refusals that are documented come as answers, and are told as the others are. `missing`: 404 is None."""
        return await self._account.ask(functools.partial(_answered, call=call, missing=missing))


async def _answered(api: aio.Client, *, call: Callable[..., Awaitable[Any]], missing: bool) -> Any:
    try:
        response, body = await call(api, cls=_both)
    except exceptions.ResourceNotFoundError:
        if missing:
            return None
        raise
    if response.status_code == 404 and missing:
        return None
    if response.status_code >= 400:
        raise exceptions.HttpResponseError(_told(response.status_code, body), response)
    return body


def _both(answer: Any, body: Any, headers: Any) -> tuple[Any, Any]:  # noqa: ARG001 - the client's shape
    return answer.http_response, body


def _told(status: int, body: Any) -> str:
    found = body if isinstance(body, dict) else {}
    return f"{status} {found.get('code', '')}: {found.get('message', '')}"


def _is_last(answer: Json, rows: int, found: int) -> bool:
    if ((answer.get("links") or {}).get("pages") or {}).get("next"):
        return False
    total = (answer.get("meta") or {}).get("total")
    return rows == 0 or (rows < _PAGE if total is None else found >= int(total))


def _page(
    api: aio.Client, *, page: int, asked: Mapping[str, str], cls: Callable[..., Any]
) -> Awaitable[Any]:
    found: Awaitable[Any] = api.microvms.list(per_page=_PAGE, page=page, cls=cls, **asked)
    return found
