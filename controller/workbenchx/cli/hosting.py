"""What `wbx console` does: open the parts, bind, say where, serve; and a new link to a console that serves already."""

import asyncio
import contextlib
import json
import logging
import pathlib
from collections.abc import Callable, Iterator

import prometheus_client
import uvloop

from workbenchx import errors
from workbenchx.cli import failure, interrupts
from workbenchx.console import opening, parts, serving
from workbenchx.console.auth import local
from workbenchx.wiring import health, home, process, settings

LOG = logging.getLogger(__name__)
# Streams of models are thousands of small reads and writes a second: half of asyncio's own work on each is saved.
new_loop = uvloop.new_event_loop
_AGAIN_SECONDS = 2.0
Announce = Callable[[str, str | None], None]
Opening = Callable[[settings.Settings], contextlib.AbstractAsyncContextManager[parts.Parts]]


async def host(chosen: settings.Settings, announce: Announce) -> None:
    """Serve until a signal."""
    with contextlib.closing(serving.bind(chosen)) as bound:
        url = _address(*bound.getsockname()[:2])
        async with contextlib.AsyncExitStack() as stack:
            opened = await _opened(stack, chosen)
            with _found(chosen, url):
                announce(url, _login(url, opened))
                await serving.serve(opened, bound, interrupts.gently)


async def models(chosen: settings.Settings, announce: Callable[[str, str], None]) -> None:
    """Serve models, and nothing else, until a signal; probes and meters on the health port."""
    with contextlib.closing(serving.bind(chosen)) as bound:
        url = _address(*bound.getsockname()[:2])
        async with contextlib.AsyncExitStack() as stack:
            waits: list[str] = ["it starts"]
            probes = health.Health(
                alive=lambda: None,
                ready=lambda: waits[0] if waits else None,
                registry=prometheus_client.CollectorRegistry(),
            )
            where = await stack.enter_async_context(
                probes.serving(chosen.health_host, chosen.health_port)
            )
            announce(url, where)
            opened = await _opened(stack, chosen, opening.alone)
            waits.clear()
            await serving.serve(opened, bound, interrupts.gently)


async def _opened(
    stack: contextlib.AsyncExitStack, chosen: settings.Settings, parts_of: Opening = opening.open
) -> parts.Parts:
    """The parts. A database of one's own that is away is waited for: a cluster starts everything at once."""
    told = ""
    while True:
        try:
            return await stack.enter_async_context(parts_of(chosen))
        except errors.Waiting as problem:
            if chosen.embedded:
                raise
            if problem.message != told:
                LOG.warning("waiting: %s", problem.message)
            told = problem.message
        await asyncio.sleep(_AGAIN_SECONDS)


def _login(url: str, opened: parts.Parts) -> str | None:
    return f"{url}/login?code={opened.signing.codes.new()}" if opened.signing else None


def _address(address: str, port: int) -> str:
    shown = f"[{address}]" if ":" in address else address
    return f"http://{shown}:{port}"


@contextlib.contextmanager
def _found(chosen: settings.Settings, url: str) -> Iterator[None]:
    """While inside, `wbx console --link` finds this process."""
    if not chosen.embedded:
        yield
        return
    mark = _mark(chosen)
    mark.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    mark.write_text(json.dumps({"url": url, "process": process.identity("console")}), "utf-8")
    try:
        yield
    finally:
        mark.unlink(missing_ok=True)


def _mark(chosen: settings.Settings) -> pathlib.Path:
    return home.Home(chosen.home).console / "serving.json"


def new_link(chosen: settings.Settings) -> str:
    """A new one-time link to the console that serves this home.

    Raises:
        failure.Failure: none does, or people sign in elsewhere.
    """
    if not chosen.embedded:
        raise failure.Failure("people sign in at the auth server here", hint="wbx login")
    try:
        found = json.loads(_mark(chosen).read_text("utf-8"))
    except (OSError, ValueError):
        found = None
    if found is None or process.is_dead(found["process"]):
        raise failure.Failure("no console serves here", hint="wbx console")
    code = local.Codes(home.Home(chosen.home).console).new()
    return f"{found['url']}/login?code={code}"
