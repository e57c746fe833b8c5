"""Scenes for FixBot: declared files, and a world in which something about them is wrong.

`python tests/support/fixbot_scenes.py` writes the golden files anew; the difference is reviewed like code.
"""

import dataclasses
import json
import pathlib
import sys
from collections.abc import Callable, Mapping
from typing import Any

ROOT = pathlib.Path(__file__).parents[2]
FOLDER = ROOT / "tests" / "golden" / "fixbot"
if __name__ == "__main__":
    sys.path[:0] = [str(ROOT / "controller")]

import declared_files as written  # noqa: E402 - run as a program it must find the package first
import planner_worlds as worlds  # noqa: E402 - the same

from workbenchx.declared import validate  # noqa: E402 - the same
from workbenchx.fixbot import asked, proposal, rules, scenes  # noqa: E402 - the same
from workbenchx.fixbot.rules import write_fix  # noqa: E402 - the same
from workbenchx.planner import model  # noqa: E402 - the same

IMAGE = "registry.example.org/python:3.12"
OLD, NEW = "sha256:" + "ab" * 32, "sha256:" + "cd" * 32
SANDBOX = "ssot/providers/vercel/sandbox.yaml"
RUNTIME = "ssot/runtimes/python.yaml"
PROJECT = "ssot/projects/churn/project.yaml"
JOBS = "ssot/projects/churn/jobs.yaml"
APPS = "ssot/projects/churn/apps.yaml"
GROUND: Mapping[str, str] = {
    SANDBOX: written.document(
        "SandboxProvider",
        "vercel",
        "",
        "adapter: vercel_sandbox\ndefault: true\nprices:\n- {unit: cpu-hour, usd: 0.128}",
    ),
    RUNTIME: written.document(
        "Runtime",
        "python",
        "",
        f"image: {IMAGE}@{OLD}  # what the platform team tested\n"
        "limits: {memory: 8Gi, timeout: 2h}\napproved: true",
    ),
    PROJECT: written.project(
        extra="runtimes: [python]\nquota: {runs: 10}\nfixbot: {enabled: true}"
    ),
    JOBS: "# the night's work\n" + written.job(),
}


def files(changes: Mapping[str, str]) -> dict[str, bytes]:
    """The ground with other files over it."""
    return {path: text.encode() for path, text in {**GROUND, **changes}.items()}


def declared(tree: Mapping[str, bytes]) -> list[model.Declared]:
    """What the files declare."""
    return scenes.rows(validate.check(tree, jobs=1).documents, "embedded", {})


def life(tree: Mapping[str, bytes], **policy: Any) -> worlds.Life:
    """A world in which the files are declared and nothing has happened yet."""
    made = worlds.Life(*declared(tree), **policy)
    made.code = {"churn": model.Code("c" * 64, "c0ffee")}
    return made


def seen(tree: Mapping[str, bytes], made: worlds.Life, **more: Any) -> scenes.Scene:
    """What FixBot sees of it."""
    return scenes.Scene(tree, made.world, **more)


def redeclare(made: worlds.Life, tree: Mapping[str, bytes]) -> None:
    """Declare other files; what they refuse keeps its last good version."""
    found = validate.check(tree, jobs=1).documents
    made.declared = {row.key: row for row in scenes.rows(found, "embedded", made.declared)}


def unpinned() -> scenes.Scene:
    """A commit took the digest away: the last good version of the Runtime stays in force."""
    tree = files({})
    made = life(tree)
    made.settle()
    bare = written.document("Runtime", "python", "", f"image: {IMAGE}\napproved: true")
    tree = files({RUNTIME: bare})
    redeclare(made, tree)
    return seen(tree, made, digests={IMAGE: NEW})


def moved_tag() -> scenes.Scene:
    """The tag names another image than the pinned one."""
    tree = files({})
    made = life(tree)
    made.settle()
    return seen(tree, made, digests={IMAGE: NEW})


def drifted(resources: str = "memory: 2Gi", **fields: Any) -> scenes.Scene:
    """The session was given more memory behind its back."""
    session = (
        f"project: churn\nruntime: python\nresources:\n  {resources}  # enough for the sample\n"
    )
    tree = files({JOBS: written.document("Session", "notebook", "churn", session)})
    made = life(tree)
    made.settle()
    shown = fields or {"memory": 4 << 30}
    for name, found in made.objects.items():
        made.objects[name] = dataclasses.replace(found, fields=shown)
    made.wait(60)
    made.observe()
    return seen(tree, made)


def out_of_memory() -> scenes.Scene:
    """The job was ended at its memory limit."""
    spec = "resources: {cpu: 1, memory: 1Gi}\ntimeout: 10m\n"
    tree = files({JOBS: written.job(spec=spec)})
    made = life(tree)
    ended = worlds.badly(reason="OutOfMemory", message="it used more than 1Gi")
    made.settle(ended)
    return seen(tree, made)


def timed_out() -> scenes.Scene:
    """The job was ended at its deadline."""
    tree = files({JOBS: written.job(spec="timeout: 90m\n")})
    made = life(tree)
    made.settle(worlds.badly(model.ExecutionState.TIMED_OUT, "TimedOut", "ended after 90m"))
    return seen(tree, made)


def quota_used_up() -> scenes.Scene:
    """Two jobs wait, because one may run."""
    jobs = "---\n".join(written.job(name) for name in ("one", "three", "two"))
    tree = files({JOBS: jobs, PROJECT: written.project(extra="quota: {runs: 1}")})
    made = life(tree)
    made.apply()
    return seen(tree, made)


def bad_version() -> scenes.Scene:
    """The newest revision of the app is not healthy; the one before was."""
    tree = files({APPS: _app("v2")})
    good = scenes.Scene(files({APPS: _app("v1")}), life(tree).world)
    made = life(tree)
    made.code = {"churn@v2": model.Code("d" * 64, "beef"), **made.code}
    made.settle()
    for name, found in made.objects.items():
        made.objects[name] = dataclasses.replace(found, fields={"healthy": False})
    made.wait(60)
    made.observe()
    made.apply()
    key = worlds.key("AppDeployment/shop", "churn")
    return seen(tree, made, good={key: good.documents[key].spec})


def _app(revision: str) -> str:
    return written.document(
        "App", "shop", "churn", "project: churn\ncommand: [serve]\nport: 8080"
    ) + (
        "---\n"
        + written.document(
            "AppDeployment",
            "shop",
            "churn",
            f"project: churn\napp: shop\nruntime: python\nenv:\n- {{name: MODE, value: {revision}}}  # of this release",
        )
    )


def orphan() -> scenes.Scene:
    """An object with our tag that no row explains."""
    tree = files({})
    made = life(tree, stand_in=None)
    made.apply()
    made.strays = [
        model.Stray("vercel_sandbox", "sbx_gone", "Session", worlds.START, {"usd_per_hour": "0.5"})
    ]
    return seen(tree, made)


def wrong_name() -> scenes.Scene:
    """A job names a runtime that is nearly called like it, and an input of a job that is."""
    spec = "inputs:\n- {name: table, from: RunnerJob/ingets/table}  # of the night\n"
    taking = written.job("report", spec).replace("runtime: python", "runtime: pyhton")
    making = written.job(spec="outputs:\n- {name: table, path: out/table.csv}\n")
    tree = files({JOBS: making + "---\n" + taking})
    made = life(tree)
    made.settle()
    return seen(tree, made)


def failing_schedule() -> scenes.Scene:
    """The nightly job failed three nights in a row."""
    tree = files({JOBS: written.job(spec='schedule: "0 3 * * *"  # when nobody works\n')})
    made = life(tree)
    for _ in range(4):
        made.observe()
        made.apply()
        made.finish(worlds.badly())
        made.apply()
        made.wait(24 * 3600)
    return seen(tree, made)


def many_wrong_names() -> scenes.Scene:
    """Seven jobs name the same runtime wrongly."""
    jobs = [written.job(f"job-{n}").replace("runtime: python", "runtime: pyton") for n in range(7)]
    tree = files({JOBS: "---\n".join(jobs)})
    made = life(tree)
    made.apply()
    return seen(tree, made)


BROKEN = "ssot/projects/churn/code/run.py"
SCRIPT = b"import sys\n\nrows = open('inputs/table.csv').read()\nsys.exit(3 if not rows else 0)\n"


def failed_run(reply: Mapping[str, Any] | None = None, spec: str = "") -> scenes.Scene:
    """The job failed, and a model wrote a change of its document and of its script."""
    project = (
        "runtimes: [python]\nrepo: {path: ssot/projects/churn/code}\n"
        "fixbot: {enabled: true, rules: [write-fix], model: chat}"
    )
    night = written.job(spec=spec or "env:\n- {name: ROWS, value: '0'}  # for the test\n")
    other = written.job("other").replace("run.py", "other.py")
    tree = files({PROJECT: written.project(extra=project), JOBS: f"# ours\n{night}---\n{other}"})
    made = life(tree)
    made.settle(_ingest_fails)
    scene = seen(tree, made, scripts={BROKEN: SCRIPT})
    return answered(scene, WRITTEN if reply is None else reply)


def _ingest_fails(run: model.Execution, order: Mapping[str, Any]) -> dict[str, Any]:
    ending = worlds.badly() if run.key.name == "ingest" else worlds.well
    return ending(run, order)


WRITTEN: Mapping[str, Any] = {
    "title": "Read the table only if it is there",
    "reason": "The command fails on a missing table. See @octo-team, https://example.org/x and #12.",
    "edits": [
        {"path": JOBS, "old": "value: '0'", "new": "value: '10'"},
        {"path": BROKEN, "old": "3 if not rows else 0", "new": "0"},
    ],
}


def answered(scene: scenes.Scene, reply: Mapping[str, Any]) -> scenes.Scene:
    """The scene once a model answered so about each failed run."""
    answers = {
        cause.key: asked.Answer(
            cause.finding.fingerprint,
            asked.State.ACCEPTED,
            alias="chat",
            reply=asked.Reply.model_validate_json(json.dumps(reply)),
        )
        for cause in write_fix.candidates(scene)
    }
    return dataclasses.replace(scene, answers=answers)


SCENES: dict[str, Callable[[], scenes.Scene]] = {
    scene.__name__: scene
    for scene in (
        unpinned,
        moved_tag,
        drifted,
        out_of_memory,
        timed_out,
        quota_used_up,
        bad_version,
        orphan,
        wrong_name,
        failing_schedule,
        failed_run,
        many_wrong_names,
    )
}


def shown(name: str) -> str:
    """Every proposal of the scene: branch, title, labels, patch and body."""
    scene = SCENES[name]()
    found = rules.find(scene)
    parts = [f"# {SCENES[name].__doc__}"]
    for made in proposal.all_of(scene, found):
        head = [
            f"branch: {made.branch}",
            f"labels: {', '.join(made.labels)}",
            f"refusal: {made.refusal or '(none)'}",
            f"message: {made.message}",
        ]
        parts += ["=" * 60, "\n".join(head), made.patch, made.body]
    return "\n".join(parts)


def main() -> None:
    """Write every golden file."""
    FOLDER.mkdir(exist_ok=True)
    for name in SCENES:
        (FOLDER / f"{name}.md").write_text(shown(name), encoding="utf-8")


if __name__ == "__main__":
    main()
