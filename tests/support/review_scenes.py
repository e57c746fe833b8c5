"""Scenes of pull requests for the golden tests: a settled world, a change of it, and what is said of that."""

import pathlib
from collections.abc import Callable

import planner_worlds as worlds

from workbenchx import ports
from workbenchx.declared import problem
from workbenchx.engine import mirror
from workbenchx.engine.reviewing import changing, judging, wording
from workbenchx.planner import model, plan

FOLDER = pathlib.Path(__file__).parent.parent / "golden" / "reviews"
SOURCE = ports.Reviewable("embedded", "", "platform", None, {"url": "https://git.example.org/p"})
PLACE = wording.Place(
    context="workbenchx/prod/platform",
    head="c0ffee" * 6 + "c0ff",
    target="main",
    link="https://wbx.example.org/plans/abc",
)
PRICED = {"stand_in": None}


def life(*rows: model.Declared, **policy: object) -> worlds.Life:
    """A world in which these rows are in force."""
    made = worlds.Life(*worlds.platform(), *rows, **policy)
    made.settle()
    return made


def judged(
    before: worlds.Life,
    *rows: model.Declared,
    without: tuple[str, ...] = (),
    problems: tuple[problem.Problem, ...] = (),
    source: ports.Reviewable = SOURCE,
) -> judging.Judged:
    """What is said of a change that declares these rows too, or anew, and `without` others."""
    declared = {row.key: row for row in before.world.declared} | {row.key: row for row in rows}
    gone = {worlds.key(name) for name in without}
    reading = mirror.Reading([row for key, row in declared.items() if key not in gone])
    found = changing.Change("t" * 40, reading=reading, problems=problems)
    return judging.judge(before.world, plan.plan(before.world), source, found)


def as_asked() -> judging.Judged:
    """A Session more, another limit, and a reference that leads nowhere."""
    before = life(worlds.job(), worlds.job("report"), **PRICED)
    broken = worlds.job("report", runtime="pz", timeout="2h")
    found = problem.Problem(
        broken.source.path or "", 9, 12, "RunnerJob/report", "spec.runtime",
        'there is no Runtime "pz"', 'did you mean "py"?',
    )  # fmt: skip
    return judged(
        before, worlds.session(ttl="8h"), worlds.job(timeout="2h"), broken, problems=(found,)
    )


def destroying() -> judging.Judged:
    """A Session and an app go: what is destroyed comes first."""
    before = life(worlds.session(), *worlds.app(), worlds.job(), **PRICED)
    gone = ("Session/notebook", "App/shop", "AppDeployment/shop")
    return judged(before, worlds.job("another"), without=gone)


def over_budget() -> judging.Judged:
    """More than the project may spend in a month."""
    project = worlds.declare(
        "Project/penguins",
        {"runtimes": ["py"], "budget": {"monthlyUSD": 25}},
        path="ssot/projects/penguins/p.yaml",
    )
    before = life(project, **PRICED)
    return judged(before, *worlds.app(resources={"cpu": 4, "memory": "8Gi"}))


def nothing() -> judging.Judged:
    """A change that declares nothing else."""
    return judged(life(worlds.job()))


def conflict() -> judging.Judged:
    """Two files that git cannot merge."""
    found = changing.Change("", conflicts=("ssot/a.yaml", "ssot/<b>.yaml"))
    world = life().world
    return judging.judge(world, plan.plan(world), SOURCE, found)


SCENES: dict[str, Callable[[], judging.Judged]] = {
    scene.__name__: scene for scene in (as_asked, destroying, over_budget, nothing, conflict)
}


def shown(scene: str) -> str:
    """All that a forge gets of it."""
    said = wording.of(SCENES[scene](), PLACE)
    lines = [f"{item.path}:{item.line} {item.level} {item.message}" for item in said.annotations]
    heading = f"# {SCENES[scene].__doc__}\n\n{said.verdict.value}: {said.title}"
    return "\n".join([heading, "", *lines, "", said.body])


def main() -> None:
    """Write every golden file."""
    FOLDER.mkdir(exist_ok=True)
    for scene in SCENES:
        (FOLDER / f"{scene}.txt").write_text(shown(scene), encoding="utf-8")


if __name__ == "__main__":
    main()
