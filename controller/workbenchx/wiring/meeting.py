"""Trying an adapter that meets its machines at a desk: with the database, the storage and the API of its installation.

Its machine carries the installation's own tag, so that a worker's sweep finds what a check that was killed left behind.
"""

import contextlib
import functools
import hashlib
from collections.abc import Awaitable, Callable

import httpx

from workbenchx import errors, ports
from workbenchx.providers.sandbox.do_runner import kit
from workbenchx.providers.sandbox.do_runner import settings as runner_settings
from workbenchx.wiring import adapters, cluster, settings, trials

_SECONDS = 30.0


async def trying(
    chosen: settings.Settings,
    option: ports.Option,
    image: str,
    stack: contextlib.AsyncExitStack,
) -> Callable[[trials.Trial], Awaitable[None]]:
    """The trial of that option; what it holds open is closed with `stack`.

    Raises:
        errors.Stalled: reason BadSettings: no database is named; or the storage or a setting is missing.
    """
    if chosen.embedded:
        raise errors.Stalled(
            f"{option.adapter}: its machines are met at the database and the API of an installation; set WBX_DATABASE_URL to"
            " that of the one whose wbx console is at settings.apiUrl",
            reason="BadSettings",
        )
    joined = await stack.enter_async_context(cluster.open(chosen))
    wanted = adapters.Wanted(await joined.store.options())
    storage = adapters.pick_storage(wanted, stack, joined.store.storages_with)
    place = adapters.make(option, joined.installation, storage, stack, joined.store)
    told = runner_settings.read(option.settings)
    around = trials.Surroundings(
        storage,
        joined.installation.id,
        image,
        before=functools.partial(_reach, told.api_url),
        machine=getattr(place, "try_machine", None) if told.shape == "microvm" else None,
    )
    return functools.partial(trials.sandbox, provider=place, surroundings=around)


async def _reach(api: str) -> str:
    """The program of the runner, as a machine fetches it: a machine that cannot would cost for nothing."""
    digest = kit.parts()[kit.ARCHIVE]
    try:
        async with httpx.AsyncClient(timeout=_SECONDS, trust_env=False) as client:
            answer = await client.get(f"{api.rstrip('/')}/api/v1/runner/dist/{digest}")
    except httpx.HTTPError as problem:
        raise errors.Waiting(
            f'do_runner: nothing answers at settings.apiUrl "{api}" ({type(problem).__name__}); run wbx console there',
            reason="ProviderUnavailable",
        ) from problem
    if answer.status_code != httpx.codes.OK:
        raise errors.Stalled(
            f'do_runner: settings.apiUrl "{api}" answers {answer.status_code} for the program of the runner; the wbx console'
            " there must be of the same release",
            reason="ProviderUnavailable",
        )
    if hashlib.sha256(answer.content).hexdigest() != digest:
        raise errors.Stalled(
            f'do_runner: settings.apiUrl "{api}" sends another program of the runner',
            reason="DigestMismatch",
        )
    return f"{len(answer.content)} bytes of the runner's program at {api}"
