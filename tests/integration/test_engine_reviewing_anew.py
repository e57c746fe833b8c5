"""A merge that makes a living thing anew: bound to its review where files are declared, and in a cluster."""

import pathlib
from collections.abc import AsyncIterator

import declared_files as files
import memory_forge
import pytest
import review_lab as labs
import store_worlds as worlds
from store_fixtures import database, server, store

from workbenchx.planner import model
from workbenchx.store import postgres

__all__ = ["database", "server", "store"]

PAGE = model.Key("AppDeployment", "churn", "page")
PROVIDER = """\
adapter: vercel_sandbox
default: true
prices:
  - {unit: cpu-hour, usd: 0.128}
  - {unit: memory-gib-hour, usd: 0.0212}
"""


def app(colour: str) -> str:
    """An App, and where it is served."""
    spec = f"project: churn\napp: page\nruntime: python\nenv: [{{name: COLOUR, value: {colour}}}]"
    served = files.document("AppDeployment", "page", "churn", spec)
    spec = "project: churn\ncommand: [python, page.py]\nport: 8080\nrepo: https://example.com/page"
    return files.document("App", "page", "churn", spec) + "---\n" + served


GROUND = labs.GROUND | {
    "ssot/provider.yaml": files.document("SandboxProvider", "box", "", PROVIDER),
    "ssot/app.yaml": app("red"),
}


@pytest.fixture
async def lab(store: postgres.Postgres, tmp_path: pathlib.Path) -> AsyncIterator[labs.Lab]:
    """Main is in force; the app is about to be made."""
    async with labs.opened(store, tmp_path, GROUND) as made:
        yield made


def forge_of(lab: labs.Lab) -> memory_forge.Forge:
    """The forge in memory."""
    assert isinstance(lab.forge, memory_forge.Forge)
    return lab.forge


async def work(lab: labs.Lab, external_id: str) -> str:
    """A worker does the one thing that is to be done; which."""
    (run,) = await lab.store.claim("w", limit=5, lease=600)
    done = worlds.outcome(facts={"external_id": external_id})
    assert await lab.store.finish(run.run_id, run.fencing, done)
    await lab.settle()
    return f"{run.operation} {run.key}"


async def merged(
    lab: labs.Lab, proposed: dict[str, str | None], more: dict[str, str | None] | None = None
) -> tuple[int, str, str]:
    """A pull request, reviewed and squashed, with more than was reviewed; its number, its head, the commit of main."""
    head = lab.repository.propose("change", proposed)
    number = forge_of(lab).propose("change", head)
    await lab.look()
    lab.repository.git("merge", "-q", "--squash", head)
    commit: str = lab.repository.commit(more or {}, "squashed")
    lab.repository.git("branch", "-D", "-q", "change")
    forge_of(lab).merged(number, commit)
    return number, head, commit


def told(lab: labs.Lab, commit: str) -> tuple[str, str]:
    """What a commit was told last."""
    report = forge_of(lab).statuses[(commit, labs.CONTEXT)][-1]
    return report.verdict.value, report.title


async def steps(lab: labs.Lab) -> list[tuple[str, str, str]]:
    """What there is to do for living things, once all that can be done at once is."""
    found = (await lab.settle()).plan.steps
    return [(each.action.value, str(each.subject), each.because.value) for each in found]


@pytest.mark.parametrize("where", ["embedded", "cluster"])
async def test_a_merge_makes_nothing_anew_that_was_not_reviewed(lab: labs.Lab, where: str) -> None:
    """It is held, the commit says so, and a person's word lets it go; what was reviewed waits only until that is known, and a later review is not blamed for an earlier one."""
    apply = lab.apply if where == "embedded" else lab.applied
    if where == "cluster":
        await lab.leave()
        await apply(lab.repository.git("rev-parse", "main"))
        await lab.settle()
    await lab.reviewer().look()
    assert await work(lab, "one") == "create AppDeployment/page"
    change: dict[str, str | None] = {"ssot/a.yaml": labs.dataset("a", "two")}
    *_, commit = await merged(lab, change, {"ssot/app.yaml": app("blue")})
    await apply(commit)
    held = [("hold", "AppDeployment/page", "NotReviewed")]
    assert await steps(lab) == held
    await lab.reviewer().look()
    assert await steps(lab) == held
    await lab.reviewer().look()
    verdict, title = told(lab, commit)
    assert (verdict, "AppDeployment/page" in title) == ("failure", True)
    token = (await lab.settle()).plan.inputs["hold_token"]
    await lab.store.intervene("confirm", None, {"token": token}, actor="ada")
    assert await steps(lab) == []
    assert await work(lab, "two") == "replace AppDeployment/page"

    _, head, commit = await merged(lab, {"ssot/app.yaml": app("green")})
    assert told(lab, head) == ("success", "1 to replace (1 destroying)")
    await apply(commit)
    assert await steps(lab) == held
    await lab.reviewer().look()
    assert await steps(lab) == []
    assert await work(lab, "three") == "replace AppDeployment/page"
