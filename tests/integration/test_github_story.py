"""The whole story at the double of GitHub: an App that writes check runs, git over HTTP, and webhooks in place of polls."""

import pathlib
from collections.abc import AsyncIterator, Iterator

import forge_scenes
import github_double
import github_hub
import pytest
import story

from workbenchx.forge import github


@pytest.fixture
def double(tmp_path: pathlib.Path) -> Iterator[github_double.Double]:
    """A double of GitHub; nothing that it saw or said was against GitHub's description."""
    with github_double.serving(tmp_path / "github") as serving:
        yield serving


@pytest.fixture
async def hub(double: github_double.Double) -> AsyncIterator[github_hub.Hub]:
    """A repository to which the App is installed."""
    scene = forge_scenes.GitHubScene(double, app=True)
    yield github_hub.Hub(double, scene)
    assert isinstance(scene.forge, github.GitHub)
    await scene.forge.aclose()


async def test_from_the_pull_request_to_the_drift_that_goes_by_itself(
    hub: github_hub.Hub, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As at Gitea, with one check run in place of status and comment: reviewed on the line, merged, Ready, and drift settled in each way."""
    hooks = hub.double.world.hooks
    async with story.told_in(tmp_path, hub, monkeypatch) as told, github_hub.heard(told.lab, hub):
        await told.begun()
        await told.opened()
        (check,) = hub.checks(hub.scene.state.commit_of("change"))
        (note,) = check["annotations"]
        assert (note["path"], note["start_line"]) == ("ssot/broken.yaml", 8)
        assert note["annotation_level"] == "failure"
        assert "pyy" in note["message"]
        await told.fixed()
        await told.merged()
        assert len(hub.checks(hub.tip())) == 1, "from pending to success it is one check"
        await told.adopted()
        await told.snoozed()
        await told.reverted()
        await told.gone()

    assert {each.answer for each in hooks.sent} == {202}
    heard = {each.payload.get("action", each.event) for each in hooks.sent}
    assert heard >= {"push", "opened", "synchronize", "closed"}
    assert ("POST", f"/acme/{hub.scene.state.name}.git/git-receive-pack") in hub.double.asked
