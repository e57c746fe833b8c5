"""Which forge a Source has, found by its spec, on a real Gitea and the double of GitHub."""

import dataclasses
import pathlib
import urllib.parse
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import gitea_server
import github_answers
import github_double
import pytest
from gitea_fixtures import gitea, repository

from workbenchx import errors
from workbenchx.engine import secrets
from workbenchx.wiring import forges

__all__ = ["gitea", "repository"]

TOKEN, APP = "WBX_SECRET_WBX_SYSTEM_TOKEN", "WBX_SECRET_WBX_SYSTEM_APP"


@dataclasses.dataclass(frozen=True)
class Source:
    """One of the platform team."""

    spec: Mapping[str, Any]
    namespace: str = "wbx-system"
    project: str | None = None


@pytest.fixture(scope="module")
def double(tmp_path_factory: pytest.TempPathFactory) -> Iterator[github_double.Double]:
    """A double of GitHub."""
    with github_double.serving(tmp_path_factory.mktemp("github")) as serving:
        yield serving


@pytest.fixture
def variables() -> dict[str, str]:
    """The environment of the worker."""
    return {}


@pytest.fixture
async def picking(variables: dict[str, str]) -> AsyncIterator[forges.Forges]:
    """What picks."""
    made = forges.Forges(secrets.Places(variables.get))
    yield made
    await made.aclose()


def ref(variable: str) -> dict[str, str]:
    """Where a secret is."""
    return {"env": variable}


async def test_a_gitea_is_found_by_its_url(
    picking: forges.Forges,
    variables: dict[str, str],
    repository: gitea_server.Repository,
    tmp_path: pathlib.Path,
) -> None:
    """`forge: {}` says enough: it answers as Gitea does. One adapter for as long as the token is the same."""
    variables[TOKEN] = repository.gitea.owner.token + "\n"
    source = Source({"url": repository.url, "forge": {}, "credentials": ref(TOKEN)})

    found = await picking.of(source)

    assert await found.default_branch() == "main"
    assert not found.annotates
    assert await picking.of(source) is found
    assert (await picking.credential(source) or "").strip() == repository.gitea.owner.token
    pushes = picking.pushes(source, tmp_path / "copies")
    await pushes.drop(repository.url, "wbx/fix/none", expected="0" * 40)
    variables[TOKEN] = "another"
    assert await picking.of(source) is not found


async def test_an_app_of_github(
    picking: forges.Forges, variables: dict[str, str], double: github_double.Double
) -> None:
    """With `app`, the credential is its key, and git gets its token, or a credential of its own where both are named."""
    variables[APP] = double.app_key
    state = double.world.repository()
    said = {"type": "github", "url": double.url, "app": github_answers.APP_ID}
    source = Source(
        {
            "url": f"git@github.com:{state.owner}/{state.name}.git",
            "forge": said | {"credentials": ref(APP)},
        }
    )

    found = await picking.of(source)

    assert found.annotates
    assert await found.default_branch() == "main"
    assert (await picking.credential(source) or "").startswith("ghs_")
    variables[TOKEN] = "a key for git"
    own = Source({**source.spec, "credentials": ref(TOKEN)})
    assert await picking.credential(own) == "a key for git"


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ({"url": "https://github.com/a/b", "forge": {}}, "names no token"),
        ({"url": ".", "forge": {}}, "no repository of a forge"),
        (
            {"url": "http://git.example.test/a/b", "forge": {"type": "gitea"}},
            "not sent in the clear",
        ),
        ({"url": "https://github.com/a/b", "forge": {}, "credentials": ref(APP)}, "for git alone"),
        (
            {
                "url": "https://git.example.test/a/b",
                "forge": {"type": "gitea", "app": "x"},
                "credentials": ref(TOKEN),
            },
            "is of GitHub",
        ),
    ],
)
async def test_what_cannot_be_spoken_to(
    picking: forges.Forges, variables: dict[str, str], spec: dict[str, Any], why: str
) -> None:
    """Stalled(ForgeRefused), which says what is missing; no server is asked."""
    variables |= {TOKEN: "t", APP: "-----BEGIN OPENSSH PRIVATE KEY-----\nx"}

    with pytest.raises(errors.Stalled) as refused:
        await picking.of(Source(spec))

    assert refused.value.reason == "ForgeRefused"
    assert why in refused.value.message


async def test_a_server_that_is_no_forge(
    picking: forges.Forges, double: github_double.Double
) -> None:
    """What answers otherwise is not taken for a Gitea."""
    port = urllib.parse.urlsplit(double.url).port
    double.faults.append(github_double.Fault(path="/api/v1/version", status=404, body={}))

    with pytest.raises(errors.Stalled) as refused:
        await picking.of(Source({"url": f"http://127.0.0.1:{port}/a/b", "forge": {}}))

    assert "spec.forge.type" in refused.value.message
