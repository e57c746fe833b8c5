"""Git over HTTP and webhooks of the double of GitHub, as our own client and our own reader of webhooks meet them."""

import contextlib
import pathlib
from collections.abc import AsyncIterator, Iterator

import emulator_thread
import forge_scenes
import github_double
import github_hooks
import github_pulls
import pytest
from starlette import applications, requests, responses, routing

from workbenchx import errors, ports
from workbenchx.forge import github, merging, pushing, webhooks

SECRET = "a secret of the team"
FIX = "wbx/fix/a-1"


@pytest.fixture
def double(tmp_path: pathlib.Path) -> Iterator[github_double.Double]:
    """A double of GitHub; nothing that it saw or said was against GitHub's description."""
    with github_double.serving(tmp_path / "github") as serving:
        yield serving


@pytest.fixture
async def scene(double: github_double.Double) -> AsyncIterator[forge_scenes.GitHubScene]:
    """A repository; an App speaks."""
    made = forge_scenes.GitHubScene(double, app=True)
    yield made
    await speaker(made).aclose()


def speaker(scene: forge_scenes.GitHubScene) -> github.GitHub:
    """Who has the App's token."""
    assert isinstance(scene.forge, github.GitHub)
    return scene.forge


@contextlib.contextmanager
def hearing() -> Iterator[str]:
    """An address that takes webhooks."""

    async def take(_: requests.Request) -> responses.Response:
        return responses.Response(status_code=202)

    app = applications.Starlette(routes=[routing.Route("/", take, methods=["POST"])])
    server = emulator_thread.Server(app)
    server.start()
    yield f"{server.url}/"
    server.stop()


def heard(delivery: github_hooks.Delivery) -> webhooks.Hint:
    """What our side makes of one."""
    headers = {name.lower(): value for name, value in delivery.headers().items()}
    assert webhooks.signed(SECRET, delivery.body, headers["x-hub-signature-256"])
    event, name = webhooks.names("github", headers)
    assert name == delivery.id
    return webhooks.parse(event, delivery.body)


def fix(scene: forge_scenes.GitHubScene, text: str) -> ports.NewCommit:
    """A commit of ours on top of main."""
    changes = (ports.FileChange("a.txt", text.encode()),)
    return ports.NewCommit(scene.state.commit_of("main"), FIX, "Fix a", changes)


async def test_a_branch_of_ours_from_its_push_to_its_end(
    double: github_double.Double, scene: forge_scenes.GitHubScene, tmp_path: pathlib.Path
) -> None:
    """Pushed over HTTP by the App's token, proposed, pushed again, dropped: the pull request follows, and each is told, signed."""

    async def credential(_: str) -> str:
        return await speaker(scene).token()

    pusher = pushing.Pusher(tmp_path / "copies", credential=credential, transports="http")
    with hearing() as url:
        double.world.hooks.subscribe(scene.state.about(), url, SECRET)
        first = await pusher.push(scene.state.url, fix(scene, "one\n"), expected=None)
        pull = await scene.forge.open_pull(ports.NewPull(FIX, "main", "Fix a", "Why."))
        second = await pusher.push(scene.state.url, fix(scene, "two\n"), expected=first)
        moved = await scene.forge.pull(pull.number)
        await pusher.drop(scene.state.url, FIX, expected=second)
        closed = await scene.forge.pull(pull.number)
        double.world.hooks.settle()

    assert moved is not None
    assert closed is not None
    assert (pull.head, moved.head, moved.open) == (first, second, True)
    assert (closed.head, closed.open, closed.merged) == (second, False, None)
    assert {each.answer for each in double.world.hooks.sent} == {202}
    told = [heard(each) for each in double.world.hooks.sent]
    assert [(each.event, each.action, each.number, each.after) for each in told] == [
        ("ping", None, None, None),
        ("push", None, None, first),
        ("pull_request", "opened", pull.number, first),
        ("push", None, None, second),
        ("pull_request", "synchronized", pull.number, second),
        ("push", None, None, None),
        ("pull_request", "closed", pull.number, second),
    ]


async def test_git_is_for_whoever_has_a_token_of_that_repository(
    double: github_double.Double, scene: forge_scenes.GitHubScene, tmp_path: pathlib.Path
) -> None:
    """Nobody, a guess, and an App's token of another repository are refused; a person's token may push."""
    other = forge_scenes.GitHubScene(double, app=True)
    elsewhere = await speaker(other).token()
    await speaker(other).aclose()
    for shown in (None, "guessed", elsewhere):

        async def credential(_: str, shown: str | None = shown) -> str | None:
            return shown

        pusher = pushing.Pusher(tmp_path / "copies", credential=credential, transports="http")
        with pytest.raises(errors.Stalled) as refused:
            await pusher.push(scene.state.url, fix(scene, "one\n"), expected=None)
        assert refused.value.reason == "ForgeRefused"
        assert elsewhere not in refused.value.message
    assert set(scene.state.branches()) == {"main"}

    async def person(_: str) -> str:
        return double.world.token("ada")

    pusher = pushing.Pusher(tmp_path / "copies", credential=person, transports="http")
    await pusher.push(scene.state.url, fix(scene, "one\n"), expected=None)
    assert set(scene.state.branches()) == {"main", FIX}


def test_git_that_does_not_answer_is_asked_again(
    double: github_double.Double, scene: forge_scenes.GitHubScene, tmp_path: pathlib.Path
) -> None:
    """5xx, too many requests, nobody there: Waiting, on the way that reviews read a repository; then all is well."""
    copies = merging.Copies(tmp_path / "copies", transports="http")
    wanted = ("+refs/heads/main:refs/wbx/base/main",)
    token = double.world.token("ada")
    for status in (502, 429):
        double.faults.append(github_double.Fault(path="/info/refs", status=status))
        with pytest.raises(errors.Waiting):
            copies.fetch(scene.state.url, *wanted, credential=token)
    double.server.stop()
    with pytest.raises(errors.Waiting):
        copies.fetch(scene.state.url, *wanted, credential=token)
    double.server.start()

    bare = copies.fetch(scene.state.url, *wanted, credential=token)
    assert copies.commit(bare, "refs/wbx/base/main") == scene.state.commit_of("main")


def test_what_git_says_of_a_pull_request(
    double: github_double.Double, scene: forge_scenes.GitHubScene
) -> None:
    """Whether it can be merged is found by git; one that somebody pushes to main by hand is merged."""
    scene.commit({"a.txt": "one\n"}, "main")
    scene.commit({"a.txt": "theirs\n"}, "theirs")
    number = scene.pull("theirs", "Theirs")
    assert github_pulls.shown(scene.state, scene.state.pulls[number])["mergeable"] is True

    scene.commit({"a.txt": "ours\n"}, "main")
    assert github_pulls.shown(scene.state, scene.state.pulls[number])["mergeable"] is False

    scene.commit({"a.txt": "ours\n", "b.txt": "b\n"}, "more")
    hand = scene.pull("more", "More")
    with double.world.clone(scene.state) as (_, run):
        run("push", "-q", "origin", "origin/more:refs/heads/main")
    github_pulls.notice(double.world, scene.state)
    assert scene.state.pulls[hand]["merged"] == scene.state.commit_of("main")
    assert scene.state.pulls[number]["state"] == "open"
