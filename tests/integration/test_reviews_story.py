"""The whole story at a real Gitea: pull request, merge, drift and what FixBot proposes for it, in an installation that serves."""

import pathlib

import gitea_hub
import gitea_server
import pytest
import story
from gitea_fixtures import gitea, repository

__all__ = ["gitea", "repository"]


async def test_from_the_pull_request_to_the_drift_that_goes_by_itself(
    repository: gitea_server.Repository, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reviewed on the line, merged, Ready; then drift: adopted by a merge, snoozed by a close, reverted on order, closed with its cause."""
    async with story.told_in(tmp_path, gitea_hub.Hub(repository), monkeypatch) as told:
        await told.begun()
        await told.opened()
        await told.fixed()
        await told.merged()
        await told.adopted()
        await told.snoozed()
        await told.reverted()
        await told.gone()
