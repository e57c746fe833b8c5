"""FixBot's images: a real registry with token sign-in, a real Gitea, real git. And commits that are signed there."""

import asyncio
import pathlib

import declared_files as written
import fixbot_bench
import fixbot_scenes as given
import gitea_server
import pytest
import registry_guarded
import registry_tokens
import signing_keys
from gitea_fixtures import gitea, repository
from registry_fixtures import guarded
from store_fixtures import database, server, store

from workbenchx.store import embedded, postgres

__all__ = ["database", "gitea", "guarded", "repository", "server", "store"]
EMAIL = "fixbot@example.test"
SANDBOX = """\
adapter: do_runner
default: true
settings:
  region: fra1
  size: s-1vcpu-1gb
  apiUrl: https://wbx.example.org
  registries: [{{host: "{host}", username: {user}, passwordFrom: REGISTRY}}]
credentials:
  DIGITALOCEAN_TOKEN: {{env: A_TOKEN}}
  REGISTRY: {{env: A_PASSWORD}}
"""


@pytest.fixture
def bench(
    repository: gitea_server.Repository,
    store: postgres.Postgres,
    server: embedded.Server,
    database: str,
    tmp_path: pathlib.Path,
) -> fixbot_bench.Bench:
    """A repository that nobody follows yet."""
    return fixbot_bench.Bench(repository, store, server.url_for("wbx_engine", database), tmp_path)


def files(guarded: registry_guarded.Guarded) -> dict[str, str]:
    """A Runtime of the tag 3.12 of that registry, and a provider that knows the password."""
    spec = SANDBOX.format(host=guarded.server.address, user=registry_tokens.USER)
    image = f"image: {guarded.image}:3.12  # what the platform team tested\napproved: true"
    runtime = written.document("Runtime", "python", "", image)
    sandbox = written.document("SandboxProvider", "droplets", "", spec)
    return {**given.GROUND, given.SANDBOX: sandbox, given.RUNTIME: runtime}


async def test_a_runtime_follows_its_tag(
    bench: fixbot_bench.Bench, guarded: registry_guarded.Guarded
) -> None:
    """Unpinned, it is pinned to the index; merged, that settles; a tag that moves is bumped; an outage changes nothing."""
    tree = files(guarded)
    bench.secrets["A_PASSWORD"] = registry_tokens.PASSWORD
    first, image = guarded.push("3.12", "one", "two")

    guarded.server.away()
    await bench.follow(tree)
    assert await bench.look() == 0
    assert bench.pulls("all") == []
    guarded.server.back()
    for _ in range(2):
        assert await bench.look() == 0
    (pin,) = bench.pulls("all")
    assert pin["title"] == "pin-digest: Runtime/python: spec.image"
    await bench.merge(pin["number"])
    pinned = f'image: "{guarded.image}:3.12@{first}"  # what the platform team tested'
    assert pinned in bench.text(given.RUNTIME)
    assert image not in bench.text(given.RUNTIME)
    assert await bench.look() == 0
    assert await bench.states() == ["merged"]

    second, _ = guarded.push("3.12", "three", "four")
    guarded.server.away()
    assert await bench.look() == 0
    assert bench.pulls() == []
    guarded.server.back()
    assert await bench.look() == 0
    (bump,) = bench.pulls()
    assert bump["title"] == "bump-digest: Runtime/python: spec.image"
    guarded.server.away()
    assert await bench.look() == 0
    assert [each["number"] for each in bench.pulls()] == [bump["number"]]
    guarded.server.back()
    await bench.merge(bump["number"])
    assert await bench.look() == 0
    assert f'image: "{guarded.image}:3.12@{second}"  #' in bench.text(given.RUNTIME)
    assert await bench.states() == ["merged", "merged"]
    assert bench.branches() == {"main"}


async def test_gitea_calls_a_signature_good(
    bench: fixbot_bench.Bench, tmp_path: pathlib.Path
) -> None:
    """The key is named by the Source; forge and git say who signed; one that is missing proposes nothing."""
    pair = await asyncio.to_thread(signing_keys.gpg, tmp_path, EMAIL)
    user = await asyncio.to_thread(bench.repository.gitea.user, "fixbot")
    bench.repository.gitea.ask(
        "POST", "/user/gpg_keys", {"armored_public_key": pair.public}, user=user
    )
    reference = {"env": "WBX_SECRET_WBX_SYSTEM_KEY"}
    await bench.follow(commits={"name": "FixBot", "email": EMAIL, "signingKey": reference})
    assert await bench.look() == 0
    assert bench.pulls("all") == []

    bench.secrets["WBX_SECRET_WBX_SYSTEM_KEY"] = pair.secret
    assert await bench.look() == 0
    (pull,) = bench.pulls()
    commit = bench.repository.ask("GET", f"/git/commits/{pull['head']['sha']}")["commit"]
    assert commit["author"]["email"] == EMAIL
    assert commit["verification"]["verified"] is True, commit["verification"]["reason"]
