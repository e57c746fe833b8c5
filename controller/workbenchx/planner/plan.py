"""`plan(world) -> Plan`: what is to be done, what waits and why, and what each row is to say."""

from collections.abc import Iterable, Mapping
from typing import Any

from workbenchx.planner import (
    brakes,
    budget,
    draft,
    evaluation,
    index,
    model,
    spelling,
)

_REMOVING = frozenset({model.Action.DELETE, model.Action.FORGET})
_ORDER = {
    action: place
    for place, action in enumerate(
        (
            model.Action.ADOPT,
            model.Action.CREATE,
            model.Action.UPDATE,
            model.Action.REPLACE,
            model.Action.STOP,
            model.Action.RUN,
            model.Action.HOLD,
            model.Action.DELETE,
            model.Action.FORGET,
        )
    )
}


def plan(world: model.World) -> model.Plan:
    """Plan for a world. Pure: the same world, its tuples in any order, gives the same bytes."""
    return of(index.build(world))


def of(looked_up: index.Index) -> model.Plan:
    """Plan for a world that is indexed."""
    writing = evaluation.run(looked_up, {})
    judgement = brakes.judge(looked_up, writing)
    if judgement.held:
        writing = evaluation.run(looked_up, judgement.held)
    writing.consumed |= judgement.confirmed
    return _assemble(looked_up, writing, judgement)


def _assemble(
    looked_up: index.Index, writing: draft.Draft, judgement: brakes.Judgement
) -> model.Plan:
    steps = tuple(_linked(looked_up, _sorted(looked_up, writing.steps)))
    before, after = budget.totals(writing, steps)
    return model.Plan(
        read_id="",
        destroy_token=judgement.token,
        complete=looked_up.world.declared_complete,
        inputs=_inputs(looked_up, writing, judgement, steps),
        steps=steps,
        waits=tuple(
            sorted(writing.waits, key=lambda wait: (wait.subject, wait.reason, wait.message))
        ),
        verdicts=tuple(sorted(writing.verdicts, key=lambda verdict: verdict.key)),
        counts=spelling.counts(steps),
        cost_before=before,
        cost_after=after,
    )


def _sorted(looked_up: index.Index, steps: Iterable[model.Step]) -> list[model.Step]:
    """What others need comes first, what others needed goes last; ties by key, then by action."""

    def place(step: model.Step) -> tuple[Any, ...]:
        removing = (step.holds or step.action) in _REMOVING
        depth = _depth(looked_up, step)
        return (removing, -depth if removing else depth, step.subject, _ORDER[step.action])

    return sorted(steps, key=place)


def _depth(looked_up: index.Index, step: model.Step) -> int:
    if step.parent is not None:
        parent = looked_up.resources.get(_parent(step))
        return parent.depth + 1 if parent else 1
    subject = looked_up.resources.get(step.subject)
    return subject.depth if subject else 0


def _parent(step: model.Step) -> model.Key:
    return model.Key("Experiment", step.subject.namespace, step.parent or "")


def _linked(looked_up: index.Index, steps: list[model.Step]) -> Iterable[model.Step]:
    """The steps with what they depend on in this plan."""
    moving = {step.subject for step in steps if step.action not in _REMOVING and step.executable}
    users = _users(looked_up, steps)
    for step in steps:
        if step.action in _REMOVING:
            needs = set(users.get(step.subject, ()))
        else:
            needs = _needs(looked_up, step) & moving
        needs.discard(step.subject)
        if needs:
            # A step of this evaluation, which nobody else has seen: a copy of each took a tenth of a plan.
            object.__setattr__(step, "depends_on", tuple(sorted(needs)))
        yield step


def _needs(looked_up: index.Index, step: model.Step) -> set[model.Key]:
    subject = looked_up.resources.get(_parent(step) if step.parent else step.subject)
    if subject is None:
        return set()
    needs = {item.target for item in subject.references if not item.optional}
    if step.parent:
        needs.add(_parent(step))
    return needs


def _users(
    looked_up: index.Index, steps: Iterable[model.Step]
) -> Mapping[model.Key, set[model.Key]]:
    """For each thing that goes: what also goes and refers to it, and must go first."""
    going = {step.subject: step for step in steps if step.action in _REMOVING}
    users: dict[model.Key, set[model.Key]] = {}
    for key, step in going.items():
        for target in _needs(looked_up, step):
            if target in going:
                users.setdefault(target, set()).add(key)
    return users


def _inputs(
    looked_up: index.Index,
    writing: draft.Draft,
    judgement: brakes.Judgement,
    steps: tuple[model.Step, ...],
) -> dict[str, Any]:
    """What the plan was made from, and what its execution takes beside the steps."""
    world = looked_up.world
    commits = {row.source.commit for row in world.declared if row.source.commit}
    commit = world.policy.source_revision or (next(iter(commits)) if len(commits) == 1 else None)
    return {
        "environment": world.policy.environment,
        "commit": commit,
        "scope": world.policy.scope,
        "declared_complete": world.declared_complete,
        "stand_in": world.policy.stand_in,
        "epochs": {
            provider: {
                "number": epoch.number,
                "complete": epoch.complete,
                "at": spelling.time(epoch.at),
            }
            for provider, epoch in sorted(looked_up.epochs.items())
        },
        "code": {
            project: {"sha256": code.sha256, "commit": code.commit}
            for project, code in sorted(world.code.items())
        },
        "applied_interventions": sorted(writing.consumed),
        "cancels": sorted(writing.cancels),
        "hold_token": judgement.hold_token,
        "budget": budget.forecasts(writing, steps),
    }
