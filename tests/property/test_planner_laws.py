"""The laws of the plan (DESIGN 6), over random lives of random worlds."""

import copy
import dataclasses
import datetime
import random
from collections.abc import Callable
from typing import Any

import hypothesis
import planner_worlds as worlds
from hypothesis import strategies as st

from workbenchx.api import canonical
from workbenchx.planner import brakes, index, model, parts, plan
from workbenchx.planner.render import json, markdown, text

_REMOVING = {model.Action.DELETE, model.Action.FORGET}
_UNSEEN = {model.Because.MISSING, model.Because.DRIFTED}


def _start(mix: random.Random) -> worlds.Life:
    """A world with some of everything."""
    table = [{"name": "table", "path": "t.csv"}]
    taken = [{"name": "t", "from": "RunnerJob/ingest/table"}]
    consent = {"onDelete": "delete"} if mix.random() < 0.5 else {}
    parts = [
        [worlds.job(outputs=table, retries=mix.choice([0, 1]))],
        [worlds.job(outputs=table), worlds.experiment(inputs=taken), worlds.registered()],
        [worlds.experiment("grid", matrix={"a": [1, 2, 3]}, concurrency=mix.choice([1, 3]))],
        worlds.app(lifecycle={"onDrift": mix.choice(["heal", "propose"])}),
        [worlds.session(ttl=mix.choice(["30m", "8h"]), lifecycle=consent)],
        [worlds.job("nightly", schedule="*/7 * * * *", retries=1)],
        [worlds.declare(f"Dataset/d{n}", {"uri": f"s3://d/{n}"}) for n in range(7)],
        [worlds.experiment(), worlds.declare("ExperimentRun/hand", {"experiment": "species"})],
    ]
    life = worlds.Life(*worlds.platform())
    for rows in parts:
        if mix.random() < 0.7:
            life.add(*rows)
    return life


def _change(life: worlds.Life, mix: random.Random) -> None:
    row = life.declared[mix.choice(sorted(life.declared))]
    spec = dict(row.spec)
    field = {
        "RunnerJob": ("command", ["run", str(mix.randrange(3))]),
        "Experiment": ("concurrency", mix.randrange(1, 4)),
        "Session": ("ttl", mix.choice(["20m", "4h"])),
        "AppDeployment": ("resources", {"cpu": mix.randrange(1, 3)}),
        "App": ("port", mix.randrange(8080, 8082)),
        "Runtime": ("approved", mix.random() < 0.8),
        "Dataset": ("uri", f"s3://d/{mix.randrange(3)}"),
    }.get(row.key.kind)
    if field:
        spec[field[0]] = field[1]
        life.declared[row.key] = dataclasses.replace(row, spec=spec, hash=canonical.digest(spec))


def _matrix(life: worlds.Life, mix: random.Random) -> None:
    for row in list(life.declared.values()):
        if row.key.kind == "Experiment":
            spec = dict(row.spec) | {"matrix": {"a": mix.sample([1, 2, 3, 4], 2)}}
            life.declared[row.key] = dataclasses.replace(
                row, spec=spec, hash=canonical.digest(spec)
            )


def _drop(life: worlds.Life, mix: random.Random) -> None:
    for name in mix.sample(sorted(life.declared), min(len(life.declared), mix.choice([1, 1, 9]))):
        if name.kind not in {"Project", "Runtime", "SandboxProvider"}:
            del life.declared[name]


def _rename(life: worlds.Life, mix: random.Random) -> None:
    old = life.declared[mix.choice(sorted(life.declared))]
    if old.key.namespace:
        del life.declared[old.key]
        new = model.Key(old.key.kind, old.key.namespace, f"{old.key.name[:20]}-{mix.randrange(9)}")
        life.declared[new] = dataclasses.replace(old, key=new)


def _break(life: worlds.Life, mix: random.Random) -> None:
    name = mix.choice(sorted(life.declared))
    problem = mix.choice([None, "spec.command: must be a list"])
    life.declared[name] = dataclasses.replace(life.declared[name], problem=problem)


def _order(life: worlds.Life, mix: random.Random) -> None:
    verb = mix.choice(
        ["suspend", "resume", "start", "stop", "rerun", "forget", "extend", "snapshot", "backfill"]
    )
    name = mix.choice(sorted(life.declared))
    before = life.now - datetime.timedelta(minutes=mix.randrange(40))
    args = {"extend": {"by": "1h"}, "backfill": {"from": before.isoformat()}}.get(verb, {})
    id_ = life.order(verb, None, **args)
    life.interventions[id_] = dataclasses.replace(life.interventions[id_], key=name)


def _confirm(life: worlds.Life, _mix: random.Random) -> None:
    token = life.plan().inputs["hold_token"]
    if token:
        life.order("confirm", token=token)


def _end(life: worlds.Life, mix: random.Random) -> None:
    life.finish(mix.choice([worlds.well, worlds.well, worlds.badly()]))


def _lose(life: worlds.Life, mix: random.Random) -> None:
    if life.objects:
        del life.objects[mix.choice(sorted(life.objects))]


def _drift(life: worlds.Life, mix: random.Random) -> None:
    for name, found in life.objects.items():
        if mix.random() < 0.5:
            life.objects[name] = dataclasses.replace(found, fields={"image": "another"})


def _kill(life: worlds.Life, mix: random.Random) -> None:
    for name, found in life.objects.items():
        life.objects[name] = dataclasses.replace(found, state=mix.choice(["exited", "failed"]))


Happening = Callable[[worlds.Life, random.Random], None]
HAPPENINGS: list[Happening] = [
    _change,
    _matrix,
    _drop,
    _rename,
    _break,
    _order,
    _confirm,
    _end,
    _lose,
    _drift,
    _kill,
    lambda life, _mix: life.observe(),
    lambda life, _mix: life.observe(complete=False),
    lambda life, mix: life.wait(mix.choice([5, 60, 400, 3000])),
    lambda life, mix: setattr(life, "complete", mix.random() < 0.7),
]

_LIVES = st.tuples(st.integers(0, 2**32), st.lists(st.integers(0, len(HAPPENINGS) - 1), max_size=8))


def _live(seed: int, happenings: list[int], look: Callable[[worlds.Life], None]) -> None:
    """Live a life; `look` judges it before each pass."""
    mix = random.Random(seed)
    life = _start(mix)
    for number in happenings:
        look(life)
        life.apply()
        if mix.random() < 0.6:
            life.finish(mix.choice([worlds.well] * 4 + [worlds.badly()]))
        if mix.random() < 0.6:
            life.wait(1)
            life.observe()
        HAPPENINGS[number](life, mix)
    look(life)


@hypothesis.given(_LIVES)
@hypothesis.settings(max_examples=50)
def test_order_of_inputs_changes_nothing(life: tuple[int, list[int]]) -> None:
    """The same world with its tuples shuffled gives the same plan, to the byte, in every rendering."""

    def look(seen: worlds.Life) -> None:
        world = seen.world
        mix = random.Random(7)
        shuffled: dict[str, Any] = {
            name: tuple(mix.sample(getattr(world, name), len(getattr(world, name))))
            for name in ("declared", "recorded", "executions", "observed", "epochs")
        }
        expected, found = plan.plan(world), plan.plan(dataclasses.replace(world, **shuffled))

        assert expected == found
        assert json.render(expected) == json.render(found)
        assert text.render(expected) == text.render(found)
        assert markdown.render(expected) == markdown.render(found)

    _live(*life, look)


@hypothesis.given(_LIVES)
@hypothesis.settings(max_examples=50)
def test_applying_a_plan_leaves_nothing_to_do(life: tuple[int, list[int]]) -> None:
    """Right after a plan is applied, while its runs are under way, planning again yields no executable step."""

    def look(seen: worlds.Life) -> None:
        after = copy.deepcopy(seen)
        first = after.apply()
        second = after.plan()

        assert [] == [step for step in second.steps if step.executable], worlds.said(first)
        assert [] == second.inputs["cancels"]

    _live(*life, look)


@hypothesis.given(_LIVES)
@hypothesis.settings(max_examples=50)
def test_every_world_settles(life: tuple[int, list[int]]) -> None:
    """If runs end well and the provider answers, a finite number of passes leaves an empty plan."""

    def look(seen: worlds.Life) -> None:
        after = copy.deepcopy(seen)
        for row in list(after.declared.values()):
            if row.key.name.startswith("nightly"):
                del after.declared[row.key]
        found = after.settle()

        assert not found.executable
        assert [] == worlds.said(found) or all(
            step.action is model.Action.HOLD for step in found.steps
        )

    _live(*life, look)


@hypothesis.given(_LIVES)
@hypothesis.settings(max_examples=50)
def test_unknown_never_destroys(life: tuple[int, list[int]]) -> None:
    """With nothing known of the providers, nothing is made again or replaced; with documents unread, nothing is deleted."""

    def look(seen: worlds.Life) -> None:
        blind = dataclasses.replace(seen.world, epochs=(), observed=())
        unread = dataclasses.replace(seen.world, declared_complete=False)
        asked = {order.key for order in seen.interventions.values()}

        assert [] == [
            step
            for step in plan.plan(blind).steps
            if step.because in _UNSEEN and step.external_id and step.executable
        ]
        assert [] == [
            step
            for step in plan.plan(unread).steps
            if step.action in _REMOVING and step.parent is None and step.subject not in asked
        ]

    _live(*life, look)


@hypothesis.given(_LIVES)
@hypothesis.settings(max_examples=50)
def test_what_was_confirmed_brakes_nothing(life: tuple[int, list[int]]) -> None:
    """Whatever number of confirmed deletes is in the window: the plan is the same, to the byte."""

    def look(seen: worlds.Life) -> None:
        world = seen.world
        many = [
            model.Destroyed(project, kind, seen.now, confirmed=True)
            for project in (worlds.PROJECT, None)
            for kind in ("Dataset", "RunnerJob", "Session")
        ] * 20
        more = dataclasses.replace(world, destroyed=(*world.destroyed, *many))

        assert plan.plan(world) == plan.plan(more)

    _live(*life, look)


@hypothesis.given(_LIVES)
@hypothesis.settings(max_examples=50)
def test_a_merge_destroys_only_what_was_reviewed(life: tuple[int, list[int]]) -> None:
    """Of what is no longer declared nothing goes but what the reviewed plan destroyed; who reviewed all of it changed nothing."""

    def look(seen: worlds.Life) -> None:
        free = plan.plan(seen.world)
        everything = {step.subject for step in free.steps if step.destructive}
        reviewed = set(sorted(everything)[::2])
        bound = plan.plan(_bound(seen.world, reviewed))
        gone = {
            step.subject
            for step in bound.steps
            if step.executable and step.because is model.Because.NOT_DECLARED and step.destructive
        }
        again = {run.key for run in seen.world.executions if run.operation == "delete"}

        assert gone <= {step.subject for step in free.steps if step.executable}
        if not any(order.verb == "confirm" for order in seen.world.interventions):
            assert gone - again <= reviewed
        assert plan.plan(_bound(seen.world, everything)).steps == free.steps

    _live(*life, look)


def _bound(world: model.World, reviewed: set[model.Key]) -> model.World:
    """The same world, its commit brought by a pull request whose plan destroyed these."""
    marks = frozenset(map(brakes.mark, reviewed))
    return dataclasses.replace(world, bounds={"embedded": marks})


@hypothesis.given(_LIVES)
@hypothesis.settings(max_examples=50)
def test_what_is_not_ours_is_never_destroyed(life: tuple[int, list[int]]) -> None:
    """Rows that were only observed are let go at most."""

    def look(seen: worlds.Life) -> None:
        foreign = tuple(
            dataclasses.replace(row, owned=False, external_id=row.external_id or "theirs")
            for row in seen.world.recorded
        )
        found = plan.plan(dataclasses.replace(seen.world, recorded=foreign))
        cells = {step.subject for step in found.steps if step.parent}

        assert [] == [
            step for step in found.steps if step.destructive and step.subject not in cells
        ]
        assert [] == [
            step
            for step in found.steps
            if step.action is model.Action.DELETE and step.subject not in cells
        ]

    _live(*life, look)


@hypothesis.given(_LIVES, st.integers(0, 40))
@hypothesis.settings(max_examples=50)
def test_a_crash_after_any_step_converges(life: tuple[int, list[int]], cut: int) -> None:
    """A prefix of the steps, then a new start: it settles, and no execution was started twice."""

    def look(seen: worlds.Life) -> None:
        after = copy.deepcopy(seen)
        after.declared = {
            name: row for name, row in after.declared.items() if not name.name.startswith("nightly")
        }
        after.interventions = {}
        begun = len(after.started)
        after.apply(first=cut)
        after.settle()
        started = after.started[begun:]

        assert len(started) == len(set(started))
        assert not after.plan().executable

    _live(*life, look)


@hypothesis.given(_LIVES)
@hypothesis.settings(max_examples=50)
def test_a_step_done_twice_is_done_once(life: tuple[int, list[int]]) -> None:
    """Writing the rows and verdicts of a plan again changes nothing."""

    def look(seen: worlds.Life) -> None:
        after = copy.deepcopy(seen)
        found = after.apply()
        once = dict(after.recorded)
        writing = [
            step
            for step in found.steps
            if step.executable and step.action not in _REMOVING and not step.renamed_from
        ]
        after._rows(writing)
        after._verdicts(found.verdicts)

        assert once == after.recorded

    _live(*life, look)


@hypothesis.given(_LIVES)
@hypothesis.settings(max_examples=50)
def test_messages_do_not_flap(life: tuple[int, list[int]]) -> None:
    """Time alone, without a deadline passing, changes no verdict."""

    def look(seen: worlds.Life) -> None:
        after = copy.deepcopy(seen)
        after.apply()
        now = after.plan()
        soonest = min(
            ((wait.until - after.now).total_seconds() for wait in now.waits if wait.until),
            default=60.0,
        )
        after.wait(min(1.0, soonest / 2))

        assert now.verdicts == after.plan().verdicts or "Unknown" in {
            verdict.state for verdict in after.plan().verdicts
        }

    _live(*life, look)


def _quiet() -> list[model.Declared]:
    """A project in which nothing runs."""
    return [
        worlds.declare("Project/quiet", {"datasets": ["q0", "q1", "q7"]}),
        worlds.declare("Runtime/spare", {"image": worlds.IMAGE, "approved": True}),
        worlds.declare("Template/t", {"title": "t"}),
        worlds.declare("App/show", {"command": ["run"]}, project="quiet"),
        *(worlds.declare(f"Dataset/q{n}", {"uri": f"s3://q/{n}"}, project="quiet") for n in (0, 1)),
    ]


def _edit(life: worlds.Life, mix: random.Random) -> set[model.Key]:
    """New documents for a few resources that are judged alone: changed, refused, mended, or new ones."""
    changed: set[model.Key] = set()
    alone = [name for name in life.declared if name.kind in parts.JUDGED_ALONE]
    for name in mix.sample(sorted(alone), mix.choice([1, 1, 2])):
        row = life.declared[name]
        after: dict[str, Any] = {"lifecycle": {"dependsOn": ["Dataset/q1"]}}
        extra = mix.choice([after, {"approved": False}, {}])
        spec = {**row.spec, "note": mix.randrange(9), **extra}
        problem = mix.choice([None, None, None, "spec.uri: must be a string"])
        new = worlds.declare(f"Dataset/q{mix.randrange(9)}", {"uri": "s3://q/new"}, project="quiet")
        life.add(
            dataclasses.replace(row, spec=spec, hash=canonical.digest(spec), problem=problem), new
        )
        changed |= {name, new.key}
    return changed


@hypothesis.given(_LIVES)
@hypothesis.settings(max_examples=100)
def test_a_part_is_judged_as_in_the_whole(life: tuple[int, list[int]]) -> None:
    """What a change reaches is judged alike with and without the rest of the world, and the rest stands as it stood."""

    def look(seen: worlds.Life) -> None:
        mix, after = random.Random(len(seen.recorded)), copy.deepcopy(seen)
        after.add(*_quiet())
        for _ in range(4):
            after.apply()
        before = index.build(after.world)
        stood = {one.key: one for one in plan.of(before).verdicts}
        judged = parts.Reach(before).of(_edit(after, mix))
        if judged is None:
            return

        whole, small = plan.plan(after.world), _restricted(after.world, judged)
        alone = plan.plan(small)

        assert parts.sound(index.build(small), alone)
        assert [one for one in whole.verdicts if one.key in judged] == list(alone.verdicts)
        steps = {one.subject: one for one in whole.steps if one.subject in judged}
        assert steps == {one.subject: one for one in alone.steps}
        rest = [one for one in whole.verdicts if one.key not in judged]
        assert [one for one in rest if not one.key.kind.endswith("Provider")] == [
            stood[one.key] for one in rest if not one.key.kind.endswith("Provider")
        ]

    _live(*life, look)


def _restricted(world: model.World, judged: frozenset[model.Key]) -> model.World:
    """What the store would read for a part: the judged and what they refer to."""
    resources = index.build(world).resources
    read = {item.target for key in judged for item in resources[key].references} | judged
    return dataclasses.replace(
        world,
        declared=tuple(row for row in world.declared if row.key in read),
        recorded=tuple(row for row in world.recorded if row.key in read),
        interventions=tuple(one for one in world.interventions if one.key in judged),
        executions=(),
        observed=(),
        destroyed=(),
        part=judged,
    )
