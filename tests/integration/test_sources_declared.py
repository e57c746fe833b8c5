"""Sources that are declared, in a real installation: who may declare what, names, suspension, prune, brakes, the end."""

import asyncio
import pathlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import engine_lab
import git_lab
import pytest

from workbenchx import errors
from workbenchx.planner import model

PLATFORM = model.Key("Source", "wbx-system", "platform")
TEAM = model.Key("Source", "lab", "team")
OTHER = model.Key("Source", "lab", "other")
LOOK = 300.0


def source(key: model.Key, repository: git_lab.Repository, more: str = "") -> str:
    """A Source that is looked at when somebody asks."""
    owner = "" if key.namespace == "wbx-system" else "  project: lab\n"
    return (
        f"---\napiVersion: workbenchx.dev/v1alpha1\nkind: Source\n"
        f"metadata: {{name: {key.name}, namespace: {key.namespace}}}\n"
        f"spec:\n{owner}  url: {repository.url}\n  interval: 1h\n{more}"
    )


class Scene:
    """An installation that serves, and three repositories."""

    def __init__(self, lab: engine_lab.Lab, folder: pathlib.Path) -> None:
        self.lab, self.folder = lab, folder
        self.platform, self.team, self.other = (
            git_lab.Repository(folder / "served", name) for name in ("platform", "team", "other")
        )

    async def declare(self, *sources: str) -> None:
        """What the folder declares: the platform's own Source and others."""
        ssot = self.folder / "ssot"
        ssot.mkdir(exist_ok=True)
        (ssot / "sources.yaml").write_text("".join(sources))
        report = await self.lab.app.mirror(ssot)
        assert report.valid, report.problems

    async def row(self, key: model.Key) -> dict[str, Any] | None:
        """A resource; None: it is not there."""
        try:
            found: dict[str, Any] = dict(await self.lab.app.reads.resource(key))
        except errors.Stalled:
            return None
        return found

    async def until(self, key: model.Key, true: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
        """Look again and again until a resource is as it should be."""
        row: dict[str, Any] | None = None
        try:
            async with asyncio.timeout(LOOK):
                while (row := await self.row(key)) is None or not true(row):
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"{key} is {row}") from None
        return row

    async def gone(self, key: model.Key) -> None:
        """Look again and again until it is no more."""
        async with asyncio.timeout(LOOK):
            while await self.row(key) is not None:
                await asyncio.sleep(0.05)

    async def at(self, key: model.Key, tip: str) -> dict[str, Any]:
        """Ask for a look, and wait until this commit is in force."""
        await self.lab.app.intervene("sync", key, {})
        return await self.until(key, lambda row: row["facts"].get("revision") == tip)


@pytest.fixture
async def scene(tmp_path: pathlib.Path) -> AsyncIterator[Scene]:
    """It serves while the test lasts."""
    async with engine_lab.lab(tmp_path) as lab:
        made = Scene(lab, tmp_path)
        async with lab.reconciling():
            yield made


def dataset(name: str, namespace: str = "lab") -> model.Key:
    """Its key."""
    return model.Key("Dataset", namespace, name)


async def test_sources_of_an_installation(scene: Scene) -> None:
    """The platform's declares all; a team's only its namespace, and what another declared first stays that one's.

    Suspended it is not looked at; with prune off nothing goes; when it is deleted, what it declared stays, and whoever
    declares it next takes it over.
    """
    tip = scene.platform.commit({"a.yaml": git_lab.project() + git_lab.dataset("first")})
    team = scene.team.commit(
        {
            "t.yaml": git_lab.dataset("mine") + git_lab.dataset("first"),
            "b.yaml": git_lab.project("theirs") + git_lab.dataset("x", namespace="theirs"),
        }
    )
    await scene.declare(source(PLATFORM, scene.platform))
    row = await scene.until(PLATFORM, lambda row: row["facts"].get("revision") == tip)
    assert (row["ready"], row["reason"]) == (True, "Ready")
    await scene.until(dataset("first"), lambda row: row["source"] == "wbx-system/platform")

    await scene.declare(
        source(PLATFORM, scene.platform), source(TEAM, scene.team, "  prune: false\n")
    )
    row = await scene.until(TEAM, lambda row: row["facts"].get("revision") == team)
    assert (row["ready"], row["reason"], row["facts"]["skipped"]) == (False, "Conflict", 2)
    assert 'Dataset/first is declared by source "wbx-system/platform"' in row["message"]
    row = await scene.until(dataset("mine"), lambda row: row["ready"])
    assert (row["source_repo"], row["source_commit"]) == (scene.team.url, team)
    assert (row["source_path"], row["source_line"]) == ("t.yaml", 2)
    assert await scene.row(dataset("x", "theirs")) is None

    team = scene.team.commit({"t.yaml": None})
    row = await scene.at(TEAM, team)
    assert (row["ready"], row["facts"]["kept"]) == (True, 1)
    assert await scene.row(dataset("mine")) is not None

    await scene.lab.app.intervene("suspend", TEAM, {})
    await scene.until(TEAM, lambda row: row["state"] == "Suspended")
    later = scene.team.commit({"t.yaml": git_lab.dataset("later")})
    await scene.lab.app.intervene("sync", TEAM, {})
    tip = scene.platform.commit({"c.yaml": git_lab.dataset("second")})
    await scene.at(PLATFORM, tip)
    assert (await scene.row(TEAM) or {})["facts"]["revision"] == team
    await scene.lab.app.intervene("resume", TEAM, {})
    await scene.at(TEAM, later)

    await scene.declare(source(PLATFORM, scene.platform), source(OTHER, scene.other))
    await scene.gone(TEAM)
    assert (await scene.row(dataset("later")) or {})["ready"]
    tip = scene.other.commit({"o.yaml": git_lab.dataset("later")})
    await scene.at(OTHER, tip)
    await scene.until(dataset("later"), lambda row: row["source"] == "lab/other")
    assert await scene.row(dataset("mine")) is not None


async def test_a_commit_that_destroys_much_is_held_until_a_trailer_confirms(scene: Scene) -> None:
    """Eleven deletes of one revision hold; a commit with the token of the hold lets them go."""
    files = {f"{number}.yaml": git_lab.dataset(f"d{number}") for number in range(11)}
    scene.platform.commit({"lab.yaml": git_lab.project(), **files})
    await scene.declare(source(PLATFORM, scene.platform))
    await scene.until(dataset("d10"), lambda row: row["ready"])
    tip = scene.platform.commit(dict.fromkeys(files))
    await scene.at(PLATFORM, tip)
    await scene.until(dataset("d0"), lambda row: row["state"] == "Held")
    token = (await scene.lab.app.plan()).inputs["hold_token"]
    scene.platform.commit({}, f"They may go\n\nWorkbenchX-Confirm: {token}")
    await scene.lab.app.intervene("sync", PLATFORM, {})
    for number in range(11):
        await scene.gone(dataset(f"d{number}"))


async def test_signers_of_the_repository(
    scene: Scene, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The given key signs the first commit, which names a second signer; a stranger's commit is not applied, and told."""
    given, second = git_lab.ssh_key(tmp_path, "given"), git_lab.ssh_key(tmp_path, "second")
    git_lab.ssh_key(tmp_path, "stranger")
    monkeypatch.setenv("WBX_SECRET_LAB_SIGNERS", given)
    verify = "  verify: {mode: ssh, keys: {env: WBX_SECRET_LAB_SIGNERS}, signers: .signers}\n"

    def commit(key: str, name: str, **more: str) -> str:
        env = git_lab.signed_by(tmp_path / key)
        files = {f"{name}.yaml": git_lab.dataset(name)}
        return scene.team.commit({**files, **more}, "m", "-S", **env)

    scene.platform.commit({"a.yaml": git_lab.project()})
    tip = commit("given", "first", **{".signers": second})
    await scene.declare(source(PLATFORM, scene.platform))
    await scene.until(PLATFORM, lambda row: row["ready"])
    await scene.declare(source(PLATFORM, scene.platform), source(TEAM, scene.team, verify))
    row = await scene.until(TEAM, lambda row: row["facts"].get("revision") == tip)
    await scene.at(TEAM, commit("second", "more"))
    refused = commit("stranger", "no", **{".signers": second})
    await scene.lab.app.intervene("sync", TEAM, {})
    row = await scene.until(TEAM, lambda row: row["reason"] == "SignatureInvalid")
    assert refused[:12] in row["message"]
    assert await scene.row(dataset("no")) is None
    await scene.at(TEAM, commit("second", "again"))
