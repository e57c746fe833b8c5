"""Fixtures of tests that need a real forge: import what a test file needs."""

import gitea_server
import pytest


@pytest.fixture(scope="module")
def gitea(pytestconfig: pytest.Config) -> gitea_server.Gitea:
    """The Gitea of this test process, running."""
    found = gitea_server.shared(pytestconfig)
    found.start()
    return found


@pytest.fixture
def repository(gitea: gitea_server.Gitea) -> gitea_server.Repository:
    """A repository of this test's own in it."""
    return gitea.repository()
