"""`wbx up` while it serves, and `wbx up --stop`."""

import asyncio
import contextlib
import os
import pathlib
import signal
from collections.abc import AsyncIterator, Coroutine, Iterator
from typing import TYPE_CHECKING, Any

from workbenchx import errors
from workbenchx.cli import failure, interrupts, invocation, reconciling, waiting
from workbenchx.cli.show import phrases
from workbenchx.wiring import home, process, settings

if TYPE_CHECKING:
    from workbenchx.wiring import app as wiring
    from workbenchx.wiring import running

_PATIENCE = 30.0
_DEBOUNCE_MS = 300


async def serve(
    app: "wiring.App", chosen: settings.Settings, target: pathlib.Path, *, watch: bool
) -> int:
    """Mirror, reconcile for ever; the tree once all is settled, then one line per change. Ends by a signal."""
    stop, settled = asyncio.Event(), asyncio.Event()
    watcher = waiting.Watcher(invocation.paint_errors(chosen))

    def progress(seen: "running.Progress") -> None:
        watcher(seen.standings)
        if seen.last.settled:
            settled.set()

    changed = asyncio.Event()
    looking = [_look(target, changed, stop)] if watch else []
    with announced(chosen), interrupts.gently(stop.set):
        async with helped(*looking):
            await asyncio.sleep(0)
            await reconciling.mirror(app, target)
            async with helped(show(app, chosen, settled), _mirror_again(app, target, changed)):
                await app.reconcile(until=None, progress=progress, stop=stop, index=True)
        invocation.tell("stopped serving; what runs goes on (wbx up --stop ends it)")
    return 0


@contextlib.asynccontextmanager
async def helped(*works: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """While inside, the helpers work beside; their errors are ours."""
    helpers = [asyncio.create_task(work) for work in works]
    try:
        yield
    finally:
        for helper in helpers:
            helper.cancel()
        ends = await asyncio.gather(*helpers, return_exceptions=True)
    for end in ends:
        if isinstance(end, Exception):
            raise end


async def show(app: "wiring.App", chosen: settings.Settings, settled: asyncio.Event) -> None:
    """The tree, once all is settled."""
    await settled.wait()
    await reconciling.report(app, chosen, "settled")
    invocation.tell("settled; serving until Ctrl-C")


async def _look(target: pathlib.Path, changed: asyncio.Event, stop: asyncio.Event) -> None:
    """Tell of each change of a file. The watch stands after its first step, before it waits."""
    import watchfiles  # noqa: PLC0415 - only a serving wbx needs it

    changes = watchfiles.awatch(
        target, stop_event=stop, debounce=_DEBOUNCE_MS, raise_interrupt=False
    )
    async for _ in changes:
        changed.set()


async def _mirror_again(app: "wiring.App", target: pathlib.Path, changed: asyncio.Event) -> None:
    """Record the files after each change; what cannot be read or written now is told, and tried at the next."""
    while True:
        await changed.wait()
        changed.clear()
        try:
            await reconciling.mirror(app, target)
        except errors.WorkbenchError as problem:
            invocation.tell(f"wbx: warning: {problem.message}")
            if isinstance(problem, errors.Waiting):
                await asyncio.sleep(problem.retry_after)
                changed.set()


@contextlib.contextmanager
def announced(chosen: settings.Settings) -> Iterator[None]:
    """While inside, `wbx up --stop` finds this process."""
    folder = home.Home(chosen.home).serving
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    mark = folder / str(os.getpid())
    mark.write_text(process.identity("up"), encoding="utf-8")
    try:
        yield
    finally:
        mark.unlink(missing_ok=True)


async def end_serving(chosen: settings.Settings) -> int:
    """Ask every serving `wbx up` of this home to end, and wait until it has; how many.

    Raises:
        failure.Failure: one did not end in time.
    """
    names = others(chosen)
    for name in names:
        with contextlib.suppress(ProcessLookupError):
            os.kill(_pid(name), signal.SIGTERM)
    loop = asyncio.get_running_loop()
    give_up = loop.time() + _PATIENCE
    while left := [name for name in names if not process.is_dead(name)]:
        if loop.time() > give_up:
            raise failure.Failure(
                f"wbx up (process {_pid(left[0])}) does not end", hint=f"kill {_pid(left[0])}"
            )
        await asyncio.sleep(0.05)
    return len(names)


def others(chosen: settings.Settings) -> list[str]:
    """The names of the processes that serve this home now; the marks of those that were killed go."""
    found = []
    for mark in sorted(home.Home(chosen.home).serving.glob("*")):
        with contextlib.suppress(OSError):
            name = mark.read_text(encoding="utf-8")
            if name and process.is_dead(name):
                mark.unlink()
            elif name:
                found.append(name)
    return found


def _pid(name: str) -> int:
    return int(name.split("/")[3])


def stop(chosen: settings.Settings) -> int:
    """End serving processes, running jobs, sessions, apps and Postgres; say what ended. 1: a provider could not be asked."""
    if not home.Home(chosen.home).exists:
        invocation.tell(f"nothing runs here: {chosen.home} does not exist")
        return 0
    return invocation.with_app(chosen, lambda app: _stop(app, chosen), after=_stop_database)


async def _stop(app: "wiring.App", chosen: settings.Settings) -> int:
    from workbenchx.wiring import stopping  # noqa: PLC0415 - the engine only when needed

    if ended := await end_serving(chosen):
        invocation.tell(f"ended {phrases.count(ended, 'serving wbx up', 'serving wbx up')}")
    for run_id in await stopping.executions(app):
        invocation.tell(f"cancelled run {phrases.short_id(run_id)}")
    ended, unasked = await stopping.sandboxes(app)
    if ended:
        invocation.tell(f"ended {phrases.count(ended, 'sandbox', 'sandboxes')}")
    for adapter, problem in unasked.items():
        invocation.tell(f"not all sandboxes at {adapter} are ended, and those go on: {problem}")
    return 1 if unasked else 0


async def _stop_database(chosen: settings.Settings) -> None:
    from workbenchx.store import embedded  # noqa: PLC0415 - the same

    if await embedded.stop(chosen.home):
        invocation.tell(f"stopped Postgres; the data stays in {chosen.home}")
