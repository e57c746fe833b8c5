"""Adapters of a cluster's worker: picked by the provider objects that are recorded, imported only when picked.

`WBX_STAND_IN=kubernetes`: sandboxes run on the cluster and artifacts lie in an S3 server, whatever is declared.
`local` adapters are never picked: they work on the embedded database only.
"""

import contextlib
import dataclasses
import functools
import importlib.util
import os
import pathlib
import urllib.parse
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from workbenchx import errors, ports
from workbenchx.providers.storage import several

MODULES: Mapping[tuple[str, str], str] = {
    ("SandboxProvider", "do_runner"): "workbenchx.providers.sandbox.do_runner",
    ("InferenceProvider", "ai_gateway"): "workbenchx.providers.inference.ai_gateway",
    ("InferenceProvider", "do_gradient"): "workbenchx.providers.inference.do_gradient",
    ("InferenceProvider", "local_llm"): "workbenchx.providers.inference.local_llm",
    ("SandboxProvider", "kubernetes"): "workbenchx.providers.sandbox.kubernetes",
    ("SandboxProvider", "vercel_sandbox"): "workbenchx.providers.sandbox.vercel_sandbox",
    ("StorageProvider", "s3_compatible"): "workbenchx.providers.storage.s3_compatible",
    ("StorageProvider", "supabase_storage"): "workbenchx.providers.storage.supabase_storage",
}
_MEET_AT_A_DESK = frozenset({"do_runner"})
_ACCESS_KEY, _SECRET_KEY = "S3_ACCESS_KEY_ID", "S3_SECRET_ACCESS_KEY"


@dataclasses.dataclass(frozen=True, slots=True)
class Picked:
    """What a worker works with. `problems`: adapters that are declared and cannot be had here, one line each.

    `places`: all storages; `storage` is the default one in front of them.
    """

    storage: ports.StorageProvider
    sandboxes: Mapping[str, ports.SandboxProvider]
    problems: tuple[str, ...] = ()
    places: several.Places | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Wanted:
    """The question that `pick` answers: picked again when it changes. `desk`: where runners are met, by a worker."""

    options: tuple[ports.Option, ...]
    stand_in: str | None = None
    storage_url: str | None = None
    namespace: str = "wbx-sandboxes"
    desk: ports.Desk | None = dataclasses.field(default=None, compare=False, repr=False)


async def anywhere(sha256: str) -> Sequence[str]:  # noqa: ARG001 - the shape of `several.Where`
    """No pointers are asked: bytes are looked for in every storage."""
    return ()


Pick = Callable[[Wanted, ports.Installation, contextlib.AsyncExitStack], Picked]


def pick(
    wanted: Wanted,
    installation: ports.Installation,
    stack: contextlib.AsyncExitStack,
    where: several.Where = anywhere,
) -> Picked:
    """The storage, and a sandbox provider for each adapter; what they hold open is closed with `stack`.

    Raises:
        errors.Stalled: reason ProviderMissing: there is no storage to work with, the message says why.
    """
    places = pick_places(wanted, stack)
    storage = several.Several(places, where)
    sandboxes, problems = {}, []
    for each in _sandboxes(wanted):
        if each.adapter in sandboxes:
            continue
        try:
            sandboxes[each.adapter] = make(each, installation, storage, stack, wanted.desk)
        except errors.Stalled as problem:
            problems.append(problem.message)
    return Picked(storage, sandboxes, tuple(problems), places)


def pick_places(wanted: Wanted, stack: contextlib.AsyncExitStack) -> several.Places:
    """The storages alone; the default one is made here and now.

    Raises:
        errors.Stalled: as `pick`.
    """
    makers = {
        each.name: functools.partial(make, each, None, None, stack) for each in _storages(wanted)
    }
    places = several.Places(makers)
    places.get(places.names[0])
    return places


def pick_storage(
    wanted: Wanted, stack: contextlib.AsyncExitStack, where: several.Where
) -> ports.StorageProvider:
    """All storages as one. `where`: the storages that pointers say bytes lie in.

    Raises:
        errors.Stalled: as `pick`.
    """
    return several.Several(pick_places(wanted, stack), where)


def _storages(wanted: Wanted) -> Sequence[ports.Option]:
    """The options that artifacts may lie in, the default one first."""
    if wanted.stand_in == "kubernetes":
        return [stand_in_storage(wanted.storage_url)]
    declared = [each for each in wanted.options if each.kind == "StorageProvider"]
    if not declared or not declared[0].default:
        raise errors.Stalled(
            "storage: no StorageProvider is declared with default: true; declare one, and the worker goes on",
            reason="ProviderMissing",
        )
    return declared


def stand_in_storage(url: str | None) -> ports.Option:
    """The S3 server that `stand_in_storage` names.

    Raises:
        errors.Stalled: reason BadSettings.
    """
    parts = urllib.parse.urlsplit(url or "")
    bucket = parts.path.strip("/")
    if parts.scheme not in {"http", "https"} or not parts.netloc or "@" in parts.netloc:
        told = f'"{url}"' if url else "not set"
        raise errors.Stalled(
            f"settings: stand_in_storage is {told}, must be http://HOST:PORT/BUCKET where stand_in is kubernetes",
            reason="BadSettings",
        )
    return ports.Option(
        kind="StorageProvider",
        name="stand-in",
        adapter="s3_compatible",
        default=True,
        settings={
            "endpoint": f"{parts.scheme}://{parts.netloc}",
            "bucket": bucket or "workbenchx",
            "region": "auto",
        },
        credentials={
            "accessKeyId": {"env": _ACCESS_KEY},
            "secretAccessKey": {"env": _SECRET_KEY},
        },
    )


def _sandboxes(wanted: Wanted) -> Sequence[ports.Option]:
    """The options that code runs on: the stand-in alone where there is one."""
    declared = [each for each in wanted.options if each.kind == "SandboxProvider"]
    if wanted.stand_in is None:
        return declared
    own = [each for each in declared if each.adapter == wanted.stand_in]
    settings = {"namespace": wanted.namespace}
    return own or [ports.Option("SandboxProvider", "stand-in", wanted.stand_in, True, settings, {})]


def make(
    option: ports.Option,
    installation: ports.Installation | None,
    storage: ports.StorageProvider | None,
    stack: contextlib.AsyncExitStack,
    desk: ports.Desk | None = None,
) -> Any:
    """The adapter of an option. Its module's `from_option` says how it is made.

    Raises:
        errors.Stalled: reason ProviderMissing: this program has no such adapter.
    """
    name = MODULES.get((option.kind, option.adapter))
    if name is None or importlib.util.find_spec(name) is None:
        raise errors.Stalled(
            f'{option.kind} "{option.name}": this program has no adapter "{option.adapter}"'
            f"{_why_not(option.adapter)}",
            reason="ProviderMissing",
        )
    more = {"desk": desk} if meets(option) else {}
    made = importlib.import_module(name).from_option(
        option, installation, storage, functools.partial(credential, option), **more
    )
    stack.push_async_callback(made.aclose)
    return made


def meets(option: ports.Option) -> bool:
    """Whether its adapter meets its machines at a desk, so that it works with an installation's database and API alone."""
    return option.kind == "SandboxProvider" and option.adapter in _MEET_AT_A_DESK


def _why_not(adapter: str) -> str:
    if adapter == "local":
        return ": local adapters work on the embedded database only"
    return " yet; name another in spec.adapter of a provider object"


def credential(option: ports.Option, name: str) -> str:
    """The value behind a reference of an option, read at use.

    Raises:
        errors.Stalled: reason SecretMissing; the message names the reference, never a value.
    """
    reference = option.credentials.get(name) or {}
    try:
        if "env" in reference:
            return os.environ[reference["env"]]
        return pathlib.Path(reference["file"]).read_text("utf-8").strip()
    except (KeyError, OSError, UnicodeDecodeError) as error:
        shown = " ".join(f"{kind} {value}" for kind, value in reference.items()) or "no reference"
        raise errors.Stalled(
            f'{option.kind} "{option.name}": credential "{name}" cannot be read ({shown})',
            reason="SecretMissing",
        ) from error
