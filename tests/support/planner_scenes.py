"""Scenes for the golden plans: each a world at the moment when somebody looks.

`python tests/support/planner_scenes.py` writes the files anew; the difference is reviewed like code.
"""

import dataclasses
import pathlib
import sys
from collections.abc import Callable

ROOT = pathlib.Path(__file__).parents[2]
FOLDER = ROOT / "tests" / "golden" / "planner"
if __name__ == "__main__":
    sys.path[:0] = [str(ROOT / "controller")]

import planner_worlds as worlds  # noqa: E402 - run as a program it must find the package first

from workbenchx.planner import model  # noqa: E402 - the same
from workbenchx.planner.render import markdown, text  # noqa: E402 - the same

TABLE = [{"name": "table", "path": "outputs/table.csv"}]
TAKEN = [{"name": "table", "from": "RunnerJob/ingest/table"}]


def _whole() -> list[model.Declared]:
    return [
        *worlds.platform(),
        worlds.declare("Dataset/raw", {"uri": "repo:data/raw.csv"}),
        worlds.job(inputs=[{"name": "raw", "from": "Dataset/raw"}], outputs=TABLE),
        worlds.job("report", schedule="10 3 * * *", timeZone="Asia/Manila"),
        worlds.experiment(inputs=TAKEN),
        worlds.registered(),
        *worlds.app(inputs=[{"name": "model", "from": "Model/species"}]),
        worlds.session(ttl="8h"),
    ]


def first_look() -> worlds.Life:
    """Nothing is recorded yet."""
    return worlds.Life(*_whole())


def second_look() -> worlds.Life:
    """The first plan was applied and its runs are under way."""
    life = first_look()
    life.apply()
    return life


def third_look() -> worlds.Life:
    """The first job has ended."""
    life = second_look()
    life.finish(only="RunnerJob/ingest")
    life.apply()
    return life


def all_is_well() -> worlds.Life:
    """Settled."""
    life = first_look()
    life.settle()
    return life


def one_field() -> worlds.Life:
    """A field of a job was edited."""
    life = all_is_well()
    life.add(
        worlds.job(
            inputs=[{"name": "raw", "from": "Dataset/raw"}], outputs=TABLE, retries=2, timeout="5m"
        )
    )
    return life


def many_fields() -> worlds.Life:
    """An app, the code, a session and secrets."""
    life = all_is_well()
    token = {"name": "API_TOKEN", "value": "s3cr3t"}
    life.code["penguins"] = model.Code("9" * 64, "beef")
    life.add(*worlds.app(env=[token], resources={"cpu": "500m", "memory": "1Gi"}))
    life.add(worlds.session(ttl="4h", resources={"memory": "4Gi"}))
    return life


def one_file_less() -> worlds.Life:
    """The experiment and its model are no longer declared."""
    life = all_is_well()
    life.drop("Experiment/species", "Model/species", "AppDeployment/shop", "App/shop")
    return life


def most_files_less() -> worlds.Life:
    """So much is gone that it holds."""
    life = all_is_well()
    life.add(*(worlds.declare(f"Dataset/d{n}", {"uri": f"s3://d/{n}"}) for n in range(9)))
    life.settle()
    life.declared = {key: row for key, row in life.declared.items() if not key.namespace}
    return life


def a_rename() -> worlds.Life:
    """The experiment has another name in the same file."""
    life = all_is_well()
    row = life.declared.pop(worlds.key("Experiment/species"))
    new = worlds.key("Experiment/birds")
    life.declared[new] = dataclasses.replace(row, key=new)
    life.add(worlds.registered(fromRun="best(Experiment/birds)"))
    return life


def drift() -> worlds.Life:
    """The app runs another image than the declared one."""
    life = all_is_well()
    for name, found in life.objects.items():
        life.objects[name] = dataclasses.replace(found, fields={"image": "docker.io/other:1"})
    life.wait(60)
    life.observe()
    return life


def gone_and_unknown() -> worlds.Life:
    """The app's sandbox is gone; the documents could not all be read."""
    life = all_is_well()
    life.objects.clear()
    life.drop("Dataset/raw")
    life.complete = False
    life.wait(60)
    life.observe()
    return life


def nobody_looked() -> worlds.Life:
    """The last observation is old."""
    life = all_is_well()
    life.wait(400)
    return life


def time_is_over() -> worlds.Life:
    """The session has reached its end."""
    life = all_is_well()
    life.wait(8 * 3600)
    life.observe()
    return life


def after_its_time() -> worlds.Life:
    """And was stopped."""
    life = time_is_over()
    life.apply()
    life.finish()
    life.observe()
    return life


def failures() -> worlds.Life:
    """A job that is to be tried again, one that has failed for good, and who waits for it."""
    life = worlds.Life(
        *worlds.platform(),
        worlds.job(outputs=TABLE),
        worlds.job("use", inputs=TAKEN),
        worlds.job("again", retries=2),
    )
    life.apply()
    life.finish(worlds.badly())
    life.apply()
    return life


def not_approved() -> worlds.Life:
    """The runtime is not approved yet, another reference leads nowhere, one document is refused."""
    bad = dataclasses.replace(worlds.job("bad"), problem='spec.command: must be a list, not "run"')
    rows = [
        *worlds.platform(approved=False),
        worlds.job(),
        worlds.declare("Model/m", {"versions": [], "lifecycle": {"dependsOn": ["App/none"]}}),
        bad,
    ]
    return worlds.Life(*rows)


def with_prices() -> worlds.Life:
    """At the real provider everything has its price, and the budget does not suffice."""
    life = worlds.Life(*_whole(), stand_in=None)
    life.add(
        worlds.declare(
            "Project/penguins",
            {"runtimes": ["py"], "budget": {"monthlyUSD": 1}, "quota": {"runs": 1}},
        )
    )
    return life


SCENES: dict[str, Callable[[], worlds.Life]] = {
    scene.__name__: scene
    for scene in (
        first_look,
        second_look,
        third_look,
        all_is_well,
        one_field,
        many_fields,
        one_file_less,
        most_files_less,
        a_rename,
        drift,
        gone_and_unknown,
        nobody_looked,
        time_is_over,
        after_its_time,
        failures,
        not_approved,
        with_prices,
    )
}


def shown(scene: str) -> str:
    """The scene's plan in text, what each row is to say, and the comment on a pull request."""
    life = SCENES[scene]()
    found = life.plan()
    rows = [
        f"{verdict.key}: {verdict.state}, {'Ready' if verdict.ready else 'not Ready'}/{verdict.reason}"
        + (f": {verdict.message}" if verdict.message else "")
        for verdict in found.verdicts
    ]
    parts = [
        f"# {SCENES[scene].__doc__}",
        text.render(found),
        "# What the rows say",
        "\n".join(rows),
    ]
    return "\n\n".join([*parts, "# On a pull request", markdown.render(found)])


def main() -> None:
    """Write every golden file."""
    FOLDER.mkdir(exist_ok=True)
    for scene in SCENES:
        (FOLDER / f"{scene}.txt").write_text(shown(scene), encoding="utf-8")


if __name__ == "__main__":
    main()
