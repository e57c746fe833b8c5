"""What a commit declares, into a cluster: applied as the Source's account, mended where it was changed, pruned within the brakes.

What was applied is written down before it is applied. The operator mirrors what the cluster has, so whether anything was
changed is one question to the database, and the API server is asked about those few alone.
"""

import collections
import dataclasses
import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from workbenchx import ports
from workbenchx.api import attached
from workbenchx.engine import failpoints, ids
from workbenchx.planner import brakes, model

LOG = logging.getLogger(__name__)
ACCOUNT = "wbx-source"
_TOLD = 20
_UNBOUND = ports.MergeBound(decided=True)


class Landing:
    """Applies to the cluster that its operator watches. Implements engine.following.Bringing."""

    def __init__(
        self, store: ports.Inventory, cluster: ports.Cluster, policy: model.Policy, name: str
    ) -> None:
        self._store = store
        self._cluster = cluster
        self._policy = policy
        self._name = name

    async def bring(self, followed: ports.Followed, applying: ports.Applying, pause: float) -> None:
        """See Bringing. A crash at any place leaves it to be done again, to the same end."""
        source, account = followed.source, account_of(followed)
        before = {each.key: each for each in await self._store.placed(source)}
        rows = [row for row in applying.rows if row.problem is None]
        new = [row for row in rows if not stands(row, before)]
        taken = await self._store.intend(self._name, source, applying.commit, new)
        failpoints.reach("landing.intended")
        others = {key for key, _ in taken}
        own = [row for row in rows if row.key not in others]
        moved = {each.key for each in await self._store.misplaced(source)}
        due = [manifest(row, before) for row in own if row.key in moved]
        refused = await self._cluster.apply(account, due) if due else {}
        failpoints.reach("landing.applied")
        pruning = prune(before, applying, self._policy, await self._bound(followed, applying))
        held = pruning if pruning.held and not await self._may(source, pruning, applying) else None
        going = pruning.free if held else pruning.going
        stuck = await self._cluster.delete(account, going) if going else {}
        landed = ports.Landed(
            applying.commit,
            [each.key for each in due if each.key not in refused],
            refused,
            [key for key in going if key not in stuck],
            _found(
                applying,
                due,
                taken,
                refused={**refused, **stuck},
                pruning=dataclasses.replace(pruning, going=going),
                held=held,
            ),
            held_plan(held, source, applying.commit) if held else None,
            applying.tokens if applying.commit != followed.applied else (),
        )
        await self._end(followed, landed, pause)

    async def mend(self, followed: ports.Followed, pause: float) -> bool:
        """See Bringing. Only the fields, labels and annotations of the file are looked at: what others add is theirs."""
        moved = await self._store.misplaced(followed.source)
        if not moved:
            return False
        account = account_of(followed)
        live = await self._cluster.objects(account, [each.key for each in moved if each.ours])
        left = [each for each in moved if not each.ours]
        changed = [
            each for each in moved if each.ours and not holds(live.get(each.key), wanted(each))
        ]
        due = changed + left
        refused = await self._cluster.apply(account, due) if due else {}
        if not changed and len(refused) == len(left):
            return False
        mended = [each.key for each in changed if each.key not in refused]
        found = dict(followed.found) | {
            "mended": [str(key) for key in mended][:_TOLD],
            "refused": _refusals(refused),
        }
        done = [each.key for each in due if each.key not in refused]
        landed = ports.Landed(str(followed.applied), done, refused, (), found)
        await self._end(followed, landed, pause)
        return True

    async def _bound(self, followed: ports.Followed, applying: ports.Applying) -> ports.MergeBound:
        """Only where a forge is told of merges; somebody who tells it decides."""
        if not isinstance(followed.spec.get("forge"), Mapping):
            return _UNBOUND
        return await self._store.merge_bound(followed.source, applying.commit)

    async def _may(self, source: str, pruning: "Pruning", applying: ports.Applying) -> bool:
        return pruning.token in applying.tokens or await self._store.confirmed(
            source, pruning.token
        )

    async def _end(self, followed: ports.Followed, landed: ports.Landed, pause: float) -> None:
        await self._store.landed(
            self._name, followed.source, run_id=ids.run_id(), pause=pause, landed=landed
        )
        told = (len(landed.applied), len(landed.refused), len(landed.gone))
        LOG.info("source %s: %d applied, %d refused, %d pruned", followed.source, *told)


@dataclasses.dataclass(frozen=True, slots=True)
class Pruning:
    """What a commit no longer holds. `steps`: what may not go without a person; `kept`: prune is false.

    `undecided`: what waits until it is known what was reviewed.
    """

    going: Sequence[model.Key]
    kept: Sequence[model.Key] = ()
    steps: tuple[model.Step, ...] = ()
    undecided: Sequence[model.Key] = ()

    @property
    def free(self) -> Sequence[model.Key]:
        """What goes without a person."""
        held = {step.subject for step in self.steps}
        return [key for key in self.going if key not in held]

    @property
    def held(self) -> bool:
        """Whether it waits."""
        return bool(self.steps)

    @property
    def token(self) -> str:
        """What confirms it."""
        return brakes.token(self.steps)


def prune(
    before: Mapping[model.Key, ports.Placed],
    applying: ports.Applying,
    policy: model.Policy,
    bound: ports.MergeBound = _UNBOUND,
) -> Pruning:
    """What this source applied and no longer declares, where all of it could be read. Counted for each revision by itself.

    What a pull request brought goes only where its reviewed plan said so.
    """
    said = {row.key for row in applying.rows}
    absent = sorted(
        key
        for key, each in before.items()
        if key not in said and (each.path or "") not in applying.broken
    )
    if not applying.complete:
        absent = []
    if not applying.prune:
        return Pruning((), absent)
    if absent and not bound.decided:
        return Pruning((), undecided=absent)
    going = collections.Counter(key.kind for key in absent)
    living = collections.Counter(key.kind for key in before)
    if brakes.too_much(policy, going, living, collections.Counter()):
        braked = [_hold(before[key], model.Because.BRAKED) for key in absent]
        return Pruning(absent, (), tuple(braked))
    told = bound.destroys
    more = [] if told is None else [key for key in absent if brakes.mark(key) not in told]
    holds = [_hold(before[key], model.Because.NOT_REVIEWED) for key in more]
    return Pruning(absent, (), tuple(holds))


def _hold(placed: ports.Placed, because: model.Because) -> model.Step:
    return model.Step(
        model.Action.HOLD,
        placed.key,
        because,
        destructive=True,
        holds=model.Action.DELETE,
        project=placed.project,
    )


def held_plan(held: Pruning, source: str, commit: str) -> model.Plan:
    """What is held, as a plan that people read and confirm."""
    inputs = {"hold_token": held.token, "source": source, "commit": commit}
    counts = {model.Action.HOLD.value: len(held.steps)}
    return model.Plan("", held.token, True, inputs, held.steps, (), (), counts)


def account_of(followed: ports.Followed) -> ports.Account:
    """Who applies for a source."""
    name = followed.spec.get("serviceAccountName") or ACCOUNT
    return ports.Account(followed.namespace, str(name), followed.source)


def stands(row: model.Declared, before: Mapping[model.Key, ports.Placed]) -> bool:
    """Whether it is written down as it is, place and all."""
    known, place = before.get(row.key), row.source
    return known is not None and (
        (known.hash, known.metadata, known.repo, known.path, known.line)
        == (row.hash, row.metadata, place.repo, place.path, place.line)
    )


def manifest(row: model.Declared, before: Mapping[model.Key, ports.Placed]) -> ports.Manifest:
    """An object as it is to be; whether it is ours already decides whether others are overruled."""
    known = before.get(row.key)
    spec = row.text or json.dumps(row.spec)
    ours = known is not None and known.applied
    return ports.Manifest(row.key, spec, row.hash, ours, row.metadata)


def wanted(manifest: ports.Manifest) -> dict[str, Any]:
    """What an object has, at the least, that is as its file says."""
    return {
        "metadata": attached.fields(manifest.metadata),
        "spec": json.loads(manifest.spec),
    }


def holds(live: Any, wanted: Any) -> bool:
    """Whether all that is wanted is there: mappings may hold more, anything else is as wanted."""
    if isinstance(wanted, Mapping):
        return isinstance(live, Mapping) and all(
            name in live and holds(live[name], value) for name, value in wanted.items()
        )
    return bool(live == wanted)


def owned(world: model.World, owners: Mapping[model.Key, str]) -> model.World:
    """The world with each object under the Source that applied it, as if that had declared it itself."""
    if not owners:
        return world

    def under(place: model.SourceRef, key: model.Key) -> model.SourceRef:
        return dataclasses.replace(place, source=owners.get(key, place.source))

    return dataclasses.replace(
        world,
        declared=tuple(
            dataclasses.replace(row, source=under(row.source, row.key)) for row in world.declared
        ),
        recorded=tuple(
            dataclasses.replace(row, source=under(row.source, row.key)) for row in world.recorded
        ),
    )


def _found(
    applying: ports.Applying,
    due: Sequence[ports.Manifest],
    taken: Sequence[tuple[model.Key, str]],
    *,
    refused: Mapping[model.Key, str],
    pruning: Pruning,
    held: Pruning | None,
) -> dict[str, Any]:
    """What people are told of the commit; only what there is."""
    told: dict[str, Any] = {
        **applying.found,
        "changed": len(due),
        "removed": len(pruning.going),
        "refused": [*(applying.found.get("refused") or ()), *_refusals(refused)][:_TOLD],
        "kept": [str(key) for key in pruning.kept],
        "taken": [{"resource": str(key), "source": other} for key, other in taken],
        "rewritten": applying.rewritten,
    }
    if held:
        names = [str(step.subject) for step in held.steps]
        told["held"] = {"token": held.token, "count": len(names), "resources": names[:_TOLD]}
    if pruning.undecided:
        told["undecided"] = [str(key) for key in pruning.undecided][:_TOLD]
    return {name: value for name, value in told.items() if value or isinstance(value, int)}


def _refusals(refused: Mapping[model.Key, str]) -> list[str]:
    return [f"{key}: {why}" for key, why in sorted(refused.items())][:_TOLD]
