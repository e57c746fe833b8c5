"""Which adapter `wbx provider check` tries, and with what: a provider object of the files, or of a cluster's database.

Nothing is recorded. The adapter gets an installation of its own, so that it sees nothing of anybody's, and nobody sees it;
one that meets its machines at a desk is tried with that of the database (meeting).
"""

import contextlib
import dataclasses
import functools
import pathlib
import tempfile
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping
from typing import Any

from workbenchx import errors, ports
from workbenchx.planner import placements
from workbenchx.providers.sandbox.local import adapter as local_sandbox
from workbenchx.providers.storage import local as local_storage
from workbenchx.wiring import (
    adapters,
    cluster,
    declaring,
    meeting,
    model_trials,
    sandboxes,
    settings,
    trials,
)

KINDS = ("InferenceProvider", "SandboxProvider", "StorageProvider")


@dataclasses.dataclass(frozen=True, slots=True)
class Subject:
    """What is tried, and where. `image`: of the sandbox; "" where no Runtime says one."""

    option: ports.Option
    chosen: settings.Settings
    image: str = ""

    @property
    def name(self) -> str:
        """Kind/name."""
        return f"{self.option.kind}/{self.option.name}"


async def find(chosen: settings.Settings, name: str, image: str | None) -> Subject:
    """The provider object of that name, with or without its kind.

    Raises:
        errors.Stalled: reason NotFound: there is none, or several, or one that cannot be tried.
    """
    options, runtimes = await (_declared(chosen) if chosen.embedded else _recorded(chosen))
    kind, _, plain = name.rpartition("/")
    found = [each for each in options if each.name == plain and kind in {"", each.kind}]
    if not found:
        known = ", ".join(f"{each.kind}/{each.name}" for each in options) or "none"
        raise _unknown(f'there is no provider "{name}" that can be tried (there are: {known})')
    if len(found) > 1:
        raise _unknown(f'"{name}" may be {" or ".join(f"{one.kind}/{one.name}" for one in found)}')
    return Subject(found[0], chosen, image or _image(found[0].adapter, runtimes))


async def _declared(chosen: settings.Settings) -> tuple[tuple[ports.Option, ...], list[Any]]:
    read = await declaring.read(None, chosen.root, chosen.ssot, known={})
    rows = read.reading.rows
    runtimes = [row.spec for row in rows if row.key.kind == "Runtime"]
    return sandboxes.options(rows, KINDS), runtimes


async def _recorded(chosen: settings.Settings) -> tuple[tuple[ports.Option, ...], list[Any]]:
    async with cluster.open(chosen) as joined:
        found = await joined.store.options()
        declared = await joined.reads.declared_specs()
    runtimes = [spec for key, spec in declared.items() if key.kind == "Runtime"]
    return tuple(each for each in found if each.kind in KINDS), runtimes


def _image(adapter: str, runtimes: Iterable[Mapping[str, Any]]) -> str:
    """What that adapter would run of the first approved Runtime that allows it."""
    for spec in runtimes:
        allowed = spec.get("providers") or {adapter: {}}
        if spec.get("approved") is True and adapter in allowed:
            return placements.image(spec, adapter)
    return ""


async def steps(subject: Subject, trial: trials.Trial) -> AsyncGenerator[trials.Step, None]:
    """Try it; each step when it is over.

    Raises:
        errors.Stalled: it cannot even be made: a setting or a credential is missing.
    """
    with tempfile.TemporaryDirectory(prefix="wbx-check-") as folder:
        async with contextlib.AsyncExitStack() as stack:
            if adapters.meets(subject.option):
                trying = await meeting.trying(subject.chosen, subject.option, subject.image, stack)
            else:
                trying = _trying(subject, pathlib.Path(folder), stack)
            async with contextlib.aclosing(trial.steps(trying)) as told:
                async for step in told:
                    yield step


def _trying(
    subject: Subject, folder: pathlib.Path, stack: contextlib.AsyncExitStack
) -> Callable[[trials.Trial], Awaitable[None]]:
    storage = local_storage.LocalStorage(folder / "storage")
    installation = ports.Installation(id=str(uuid.uuid4()), environment="check")
    option = subject.option
    if option.kind == "InferenceProvider":
        ids = option.settings.get("models") or {}
        asked = adapters.make(option, None, None, stack)
        wanted = next(iter(ids.values()), None)
        return functools.partial(model_trials.inference, provider=asked, model=wanted)
    if option.kind == "StorageProvider":
        own = storage if option.adapter == "local" else None
        kept = own or adapters.make(option, installation, None, stack)
        return functools.partial(trials.storage, provider=kept)
    if option.adapter == "local":
        place = local_sandbox.LocalSandbox(folder / "sandboxes", storage, installation.id)
        stack.callback(place.close)
    else:
        place = adapters.make(option, installation, storage, stack)
    around = trials.Surroundings(storage, installation.id, subject.image)
    return functools.partial(trials.sandbox, provider=place, surroundings=around)


def _unknown(message: str) -> errors.Stalled:
    return errors.Stalled(message, reason="NotFound")
