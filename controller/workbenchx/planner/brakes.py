"""How much may be destroyed at once without a person: counted for each project and each source.

What a merged pull request brought destroys no more than the plan that was reviewed, however little that is, and makes
nothing anew by a changed document that this plan left as it was.

What a person deletes in the API server is counted by itself: more than 50 in 60 seconds hold, and what is held stays so
until somebody confirms it or declares it again; time alone destroys nothing.
"""

import collections
import dataclasses
import hashlib
from collections.abc import Iterable, Mapping, Sequence

from workbenchx.api import canonical, states
from workbenchx.planner import draft, index, model, subjects

_DECIDED = frozenset({model.Because.ORDERED, model.Because.REVERTED, model.Because.EXPIRED})
_DIRECT = ("direct", "")
Group = tuple[str, str]


@dataclasses.dataclass(frozen=True, slots=True)
class Judgement:
    """What is held, and the tokens. `token` is over everything destructive, `hold_token` over what is held."""

    held: Mapping[model.Key, model.Because]
    token: str
    hold_token: str
    confirmed: frozenset[str]


def judge(looked_up: index.Index, writing: draft.Draft) -> Judgement:
    """Look at the destructive steps of an unbraked evaluation."""
    destructive = [step for step in writing.steps if step.destructive]
    held = _held(looked_up, destructive, writing.data_bearing)
    everything = token(destructive)
    held_token = token([step for step in destructive if step.subject in held])
    confirmed = {
        order.id
        for order in looked_up.people.confirmations
        if order.args.get("token") in {everything, held_token} - {""}
        and _may_confirm(looked_up, order, destructive)
    }
    stale = {order.id for order in looked_up.people.confirmations if _stale(looked_up, order)}
    if confirmed:
        held = {}
    return Judgement(held, everything, held_token if held else "", frozenset(confirmed | stale))


def token(steps: Iterable[model.Step]) -> str:
    """The first 12 hex digits over the sorted destructive steps with their external ids; "" if there are none."""
    lines = sorted(
        [*step.subject, (step.holds or step.action).value, step.external_id or ""] for step in steps
    )
    return hashlib.sha256(canonical.encode(lines)).hexdigest()[:12] if lines else ""


def _may_confirm(
    looked_up: index.Index, order: model.Intervention, destructive: Sequence[model.Step]
) -> bool:
    """A commit's trailer counts for what its own source declared; a person's word for everything."""
    source = order.args.get("source")
    return source is None or all(_brought_by(looked_up, step) == source for step in destructive)


def _brought_by(looked_up: index.Index, step: model.Step) -> str:
    """The source that declares a resource, or did; in a cluster the one that applied the version which is declared."""
    subject = looked_up.resources[step.subject]
    return (subject.declared and subject.declared.owner) or subject.source.source


def mark(key: model.Key) -> str:
    """A key as bounds name it: everybody who plans reads these, also members of other projects."""
    return hashlib.sha256(canonical.encode(list(key))).hexdigest()[:32]


def _stale(looked_up: index.Index, order: model.Intervention) -> bool:
    """A confirmation that fits no plan is forgotten with the brakes' window."""
    if order.at is None:
        return False
    return (looked_up.now - order.at).total_seconds() > looked_up.policy.brake_window


def _held(
    looked_up: index.Index, destructive: Sequence[model.Step], data_bearing: set[model.Key]
) -> dict[model.Key, model.Because]:
    counted = [step for step in destructive if _counts(looked_up, step, data_bearing)]
    held: dict[model.Key, model.Because] = {}
    for steps in _tripped(looked_up, counted):
        held.update((step.subject, model.Because.BRAKED) for step in steps)
    for step in counted:
        if _held_before(looked_up, step):
            held.setdefault(step.subject, model.Because.BRAKED)
        if _not_reviewed(looked_up, step):
            held.setdefault(step.subject, model.Because.NOT_REVIEWED)
        if step.subject in data_bearing:
            held[step.subject] = model.Because.DATA_BEARING
    for step in destructive:
        if _made_anew(looked_up, step) and _not_reviewed(looked_up, step):
            held.setdefault(step.subject, model.Because.NOT_REVIEWED)
    _hold_what_they_need(looked_up, {step.subject for step in destructive}, held)
    return held


def _hold_what_they_need(
    looked_up: index.Index, going: set[model.Key], held: dict[model.Key, model.Because]
) -> None:
    """What a held thing refers to stays with it: nobody is left without a project or an app."""
    staying = list(held)
    while staying:
        key = staying.pop()
        for reference in looked_up.resources[key].references:
            if reference.target in going and reference.target not in held:
                held[reference.target] = held[key]
                staying.append(reference.target)


def _counts(looked_up: index.Index, step: model.Step, data_bearing: set[model.Key]) -> bool:
    """Not braked: what a person ordered, what has begun and is only tried again, what comes back anew without loss."""
    if step.because in _DECIDED:
        return False
    if step.action is model.Action.REPLACE and step.subject not in data_bearing:
        return False
    last = looked_up.runs_of(step.subject).last
    return not (last is not None and last.operation == "delete" and step.operation == "delete")


def _made_anew(looked_up: index.Index, step: model.Step) -> bool:
    """Whether a document that was changed makes it anew; one that fails is tried again, and what it refers to may change it."""
    if step.action is not model.Action.REPLACE or step.because in _DECIDED:
        return False
    return looked_up.resources[step.subject].changed


def _tripped(looked_up: index.Index, counted: Sequence[model.Step]) -> list[list[model.Step]]:
    """The steps of each group that would destroy too much."""
    groups: dict[Group, list[model.Step]] = {}
    for step in counted:
        for group in _groups(looked_up, step):
            groups.setdefault(group, []).append(step)
    if not groups:
        return []
    before = _before(looked_up)
    living = _living(looked_up, groups)
    return [
        steps
        for group, steps in sorted(groups.items())
        if _too_much(looked_up.policy, group, steps, before.get(group), living.get(group))
    ]


def _groups(looked_up: index.Index, step: model.Step) -> list[Group]:
    subject = looked_up.resources[step.subject]
    return _groups_of(looked_up.policy, subjects.project_of(subject), subject.recorded)


def _groups_of(
    policy: model.Policy, project: str | None, row: model.Recorded | None
) -> list[Group]:
    source = row.source.source if row else ""
    if source == policy.direct_source:
        return [_DIRECT]
    return [("project", project or ""), ("source", source)]


def _held_before(looked_up: index.Index, step: model.Step) -> bool:
    """Whether it was deleted directly, and its end is held already."""
    row = looked_up.resources[step.subject].recorded
    if row is None or row.source.source != looked_up.policy.direct_source:
        return False
    return row.state == states.State.HELD and step.because is model.Because.NOT_DECLARED


def _not_reviewed(looked_up: index.Index, step: model.Step) -> bool:
    """Whether its source's commit came by a pull request whose reviewed plan did not destroy it.

    A matrix run that began since the review goes with its Experiment.
    """
    bounds = looked_up.world.bounds
    allowed = bounds.get(_brought_by(looked_up, step)) if bounds else None
    if allowed is None or mark(step.subject) in allowed:
        return False
    parent = model.Key("Experiment", step.subject.namespace, step.parent or "")
    return step.parent is None or mark(parent) not in allowed


def _before(looked_up: index.Index) -> dict[Group, collections.Counter[str]]:
    """What was destroyed lately and nobody confirmed, by project within the window."""
    found: dict[Group, collections.Counter[str]] = {}
    policy = looked_up.policy
    for gone in looked_up.world.destroyed:
        age = (looked_up.now - gone.at).total_seconds()
        if 0 <= age <= policy.brake_window and not gone.confirmed:
            group = ("project", gone.project or "")
            found.setdefault(group, collections.Counter())[gone.kind] += 1
        if 0 <= age <= policy.direct_window and not gone.confirmed:
            found.setdefault(_DIRECT, collections.Counter())[gone.kind] += 1
    return found


def _living(
    looked_up: index.Index, groups: Mapping[Group, Sequence[model.Step]]
) -> dict[Group, collections.Counter[str]]:
    """How many of each kind live in each group."""
    found: dict[Group, collections.Counter[str]] = {}
    for subject in looked_up.ordered:
        if subject.recorded is not None:
            project = subjects.project_of(subject)
            for group in _groups_of(looked_up.policy, project, subject.recorded):
                if group in groups:
                    found.setdefault(group, collections.Counter())[subject.key.kind] += 1
    return found


def _too_much(
    policy: model.Policy,
    group: Group,
    steps: Sequence[model.Step],
    before: collections.Counter[str] | None,
    living: collections.Counter[str] | None,
) -> bool:
    before, living = before or collections.Counter(), living or collections.Counter()
    if group == _DIRECT:
        return len(steps) + before.total() > policy.direct_count
    going = collections.Counter(step.subject.kind for step in steps)
    return too_much(policy, going, living, before)


def too_much(
    policy: model.Policy,
    going: collections.Counter[str],
    living: collections.Counter[str],
    before: collections.Counter[str],
) -> bool:
    """Whether so many of each kind, of those that live, are more than may go without a person; `before`: gone lately."""
    everything = going.total() + before.total()
    if everything > policy.brake_count:
        return True
    most = policy.brake_most * (living.total() + before.total())
    if everything >= policy.brake_most_from and everything > most:
        return True
    for kind, number in going.items():
        gone, had = number + before[kind], living[kind] + before[kind]
        if gone >= policy.brake_share_from and gone > policy.brake_share * had:
            return True
    return False
