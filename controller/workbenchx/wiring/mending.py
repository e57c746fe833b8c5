"""FixBot of a process: which sources it looks after, and with what hands."""

import contextlib
import dataclasses
import functools
import logging
import pathlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

from workbenchx import errors, ports
from workbenchx.engine import clock, secrets
from workbenchx.engine.fixing import allowing, bot, serving
from workbenchx.engine.fixing import asking as fixing_asking
from workbenchx.fixbot import scenes, scripts
from workbenchx.forge import clones, committing
from workbenchx.planner import model
from workbenchx.store import postgres, reads
from workbenchx.wiring import asking, fixing, forges, lookups, process, sandboxes, settings

LOG = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, slots=True)
class _Source:
    """What forges ask of a Source."""

    namespace: str
    project: str | None
    spec: Mapping[str, Any]


@dataclasses.dataclass(frozen=True, slots=True)
class Ways:
    """How FixBot works in a process, by its settings. `otherwise`: what counts where nothing is said; None: it is off there.

    `digest` and `credentials`: what tags name now, and with whose credentials registries are asked.
    """

    digest: fixing.Digest
    credentials: lookups.Credentials
    author: Callable[[], committing.Identity]
    limits: allowing.Limits
    labels: tuple[str, ...]
    otherwise: Mapping[str, Any] | None


@contextlib.asynccontextmanager
async def ways(chosen: settings.Settings) -> AsyncIterator[Ways]:
    """What the settings say, with registries that can be asked meanwhile."""
    credentials = lookups.Credentials(chosen.fixbot_registry_auth)
    otherwise = None
    if chosen.embedded and chosen.fixbot_enabled is not None:
        otherwise = {"enabled": chosen.fixbot_enabled, "rules": chosen.fixbot_rules}
    async with lookups.opened(credentials) as known:
        yield Ways(
            known.digest,
            credentials,
            functools.partial(_author, chosen),
            allowing.Limits(chosen.fixbot_open, chosen.fixbot_hourly),
            chosen.fixbot_labels,
            otherwise,
        )


def _author(chosen: settings.Settings) -> committing.Identity:
    """Who commits are by where a Source says nothing; the key is read at use."""
    reference = chosen.fixbot_signing_key
    key = settings.secret(reference) if reference else None
    return committing.Identity(chosen.fixbot_name, chosen.fixbot_email, key)


class Sites:
    """Sources with a forge, as FixBot of a worker looks after them. Implements engine.fixing.serving.Sites.

    `folder` is for what pushes; what is followed is read from `clones`, as it is applied. `questions`: who asks models about
    failed runs; None: nobody does.
    """

    def __init__(
        self,
        store: postgres.Postgres,
        copies: clones.Clones,
        forge: forges.Forges,
        world: Callable[[], Awaitable[model.World]],
        folder: pathlib.Path,
        *,
        ways: Ways,
        questions: asking.Questions | None = None,
    ) -> None:
        self._questions = questions
        self._store = store
        self._copies = copies
        self._forges = forge
        self._world = world
        self._folder = folder
        self._ways = ways

    async def names(self) -> list[str]:
        """Those with a forge, where FixBot is on for something."""
        states = await self._store.source_states()
        on = self._ways.otherwise is not None or await self._store.fixbot_projects()
        return [
            each.source
            for each in states
            if each.spec.get("forge") and "/" in each.source and (on or _on(each.spec))
        ]

    async def job(self, source: str) -> serving.Job | None:
        """See serving.Sites: None as long as the newest commit is not the one that is in force."""
        states = {each.source: each for each in await self._store.source_states()}
        state = states.get(source)
        if state is None:
            return None
        namespace = source.partition("/")[0]
        system = namespace == ports.SYSTEM_NAMESPACE
        said = state.spec.get("project")
        one = _Source(namespace, str(said) if said else namespace if system else None, state.spec)
        remote = ports.Remote(
            str(one.spec["url"]), one.spec.get("branch"), await self._forges.credential(one)
        )
        fetched = await self._copies.fetch(remote, since=None)
        if fetched.commit != state.applied:
            return None
        scene = await self._scene(source, remote, fetched.commit, one, system=system)
        allowed = self._allowed(one, system=system)
        scene = await self._answered(scene, remote, fetched.commit, source, allowed)
        forge = await self._forges.of(one)
        at = bot.Repository(
            source,
            remote.url,
            remote.branch or await forge.default_branch(),
            fetched.commit,
            scene,
            self._ways.labels,
        )
        author = await self._forges.author(one, self._ways.author())
        pushes = self._forges.pushes(one, self._folder, identity=author)
        hands = bot.Hands(forge, pushes, self._tip(remote))
        return serving.Job(at, hands, allowed, self._ways.limits)

    def _allowed(self, one: _Source, *, system: bool) -> allowing.Allowed:
        """What is said at a resource counts before wbx.toml."""
        otherwise = self._ways.otherwise
        said = one.spec.get("fixbot", otherwise) if system else None
        return allowing.Allowed(said, otherwise)

    async def _scene(
        self, source: str, remote: ports.Remote, commit: str, one: _Source, *, system: bool
    ) -> scenes.Scene:
        tree = await self._copies.tree(remote, commit, str(one.spec.get("path") or "."))
        scene = scenes.Scene(
            fixing.readable(tree),
            await self._world(),
            source,
            namespace=None if system else one.namespace,
        )
        if system:
            self._ways.credentials.take(sandboxes.options(scene.world.declared))
            scene, unknown = await fixing.with_digests(scene, self._ways.digest, moved=True)
            for told in unknown:
                LOG.info("fixbot of %s: %s", source, told)
        return await fixing.with_good(scene, reads.Reads(self._store.connections))

    async def _answered(
        self,
        scene: scenes.Scene,
        remote: ports.Remote,
        commit: str,
        source: str,
        allowed: allowing.Allowed,
    ) -> scenes.Scene:
        """The scene with what models said about failed runs."""
        if self._questions is None:
            return scene

        async def read(path: str) -> bytes | None:
            return await self._copies.text(remote, commit, path, most=scripts.LARGEST)

        return await self._questions.answered(
            scene, fixing_asking.Site(source, commit, allowed, read)
        )

    def _tip(self, remote: ports.Remote) -> Callable[[str, str], Awaitable[str | None]]:
        async def tip(url: str, branch: str) -> str | None:
            try:
                return await self._copies.tip(ports.Remote(url, branch, remote.credential))
            except errors.Stalled as refused:
                if f'has no branch "{branch}"' in refused.message:
                    return None
                raise

        return tip


def _on(spec: Mapping[str, Any]) -> bool:
    return bool((spec.get("fixbot") or {}).get("enabled"))


@contextlib.asynccontextmanager
async def keeper(
    store: postgres.Postgres,
    places: secrets.Places,
    world: Callable[[], Awaitable[model.World]],
    folder: pathlib.Path,
    *,
    chosen: settings.Settings,
    transports: str,
) -> AsyncIterator[serving.Keeper]:
    """FixBot of a process, connected. `folder` keeps copies of repositories."""
    made = forges.Forges(places)
    copies = clones.Clones(folder, transports=transports)
    try:
        async with (
            asking.questions(store, chosen, places) as questions,
            ways(chosen) as found,
        ):
            sites = Sites(store, copies, made, world, folder, ways=found, questions=questions)
            yield serving.Keeper(store, sites, clock.SystemClock(), name=process.identity("fixbot"))
    finally:
        await made.aclose()
