"""The laws of `ports.Forge`, for every forge."""

import secrets
from collections.abc import AsyncIterator, Iterator
from typing import Any

import forge_scenes
import gitea_server
import github_double
import pytest

from workbenchx import errors, ports
from workbenchx.forge import gitea, github, rest

MARKER = "workbenchx: check"
NOWHERE = "0" * 40


@pytest.fixture(scope="module")
def other(pytestconfig: pytest.Config) -> gitea_server.User:
    """Somebody else than whom the forge speaks for."""
    return gitea_server.shared(pytestconfig).user(f"ada{secrets.token_hex(3)}")


@pytest.fixture(scope="module")
def double(tmp_path_factory: pytest.TempPathFactory) -> Iterator[github_double.Double]:
    """A double of GitHub; nothing that it saw was against GitHub's description."""
    with github_double.serving(tmp_path_factory.mktemp("github")) as serving:
        yield serving


@pytest.fixture(params=["gitea", "github-app", "github-token"])
async def scene(
    request: pytest.FixtureRequest, pytestconfig: pytest.Config
) -> AsyncIterator[forge_scenes.Scene]:
    """A new repository at each forge."""
    made: forge_scenes.GiteaScene | forge_scenes.GitHubScene
    if request.param == "gitea":
        server = gitea_server.shared(pytestconfig)
        server.start()
        made = forge_scenes.GiteaScene(server, request.getfixturevalue("other"))
    else:
        double = request.getfixturevalue("double")
        made = forge_scenes.GitHubScene(double, app=request.param == "github-app")
    yield made
    assert isinstance(made.forge, rest.Repository)
    await made.forge.aclose()


def _report(commit: str, verdict: ports.Verdict, title: str, **more: Any) -> ports.Report:
    return ports.Report(commit, "workbenchx/test/platform", verdict, title, **more)


async def test_a_pull_request_as_it_stands(scene: forge_scenes.Scene) -> None:
    """What somebody opened is read with its branches and commits; what nobody opened is None."""
    head = scene.commit({"a.txt": "one\n"}, "change/a")
    number = scene.pull("change/a", "Add a")

    found = await scene.forge.pull(number)

    assert found is not None
    assert await scene.forge.default_branch() == "main"
    assert (found.branch, found.target, found.head) == ("change/a", "main", head)
    assert (found.title, found.open, found.fork, found.merged) == ("Add a", True, False, None)
    assert len(found.base) == 40
    assert found.author
    assert str(number) in found.url
    assert await scene.forge.open_pulls() == [found]
    assert await scene.forge.open_pulls(target="other") == []
    assert await scene.forge.pull_of_branch("change/a") == found
    assert await scene.forge.pull(number + 1) is None
    assert await scene.forge.pull_of_branch("change/b") is None


async def test_a_fork_is_told(scene: forge_scenes.Scene) -> None:
    """A pull request of another repository says so, and is none of a branch of ours."""
    number = scene.fork_pull()

    found = await scene.forge.pull(number)

    assert found is not None
    assert found.fork
    assert found.branch == "theirs"
    assert await scene.forge.pull_of_branch("theirs") is None


async def test_every_page_of_open_pull_requests(scene: forge_scenes.Scene) -> None:
    """A listing is whole where it takes more than a page; it is told once for each."""
    for each in range(3):
        scene.commit({f"{each}.txt": "x\n"}, f"many/{each}")
    numbers = [scene.pull(f"many/{each}", f"Number {each}") for each in range(3)]

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(gitea, "_PAGE", ("limit", 2))
        patched.setattr(github, "_PAGE", ("per_page", 2))
        found = await scene.forge.open_pulls()

    assert sorted(pull.number for pull in found) == sorted(numbers)


@pytest.mark.parametrize("how", ["merge", "squash", "rebase"])
async def test_the_pull_request_of_a_merge(scene: forge_scenes.Scene, how: str) -> None:
    """The commit that a merge made leads to its pull request, however it was merged."""
    before = scene.commit({"base.txt": "base\n"}, "main")
    scene.commit({"a.txt": "one\n"}, "change/a")
    number = scene.pull("change/a", "Add a")
    scene.commit({"more.txt": "more\n"}, "main")

    commit = scene.merge(number, how)

    found = await scene.forge.pull_of_commit(commit)
    assert found is not None
    assert (found.number, found.open, found.merged) == (number, False, commit)
    assert found.branch == "change/a"
    assert await scene.forge.pull_of_commit(before) is None


async def test_opening_twice_is_opening_once(scene: forge_scenes.Scene) -> None:
    """A pull request that is open already is brought up to date and answered, labels too."""
    scene.commit({"a.txt": "one\n"}, "wbx/fix/a-1")
    first = await scene.forge.open_pull(
        ports.NewPull("wbx/fix/a-1", "main", "Fix a", "Why.", ("workbenchx",))
    )

    again = await scene.forge.open_pull(
        ports.NewPull("wbx/fix/a-1", "main", "Fix a better", "Why.", ("workbenchx", "drift"))
    )

    assert again.number == first.number
    assert (again.title, first.title) == ("Fix a better", "Fix a")
    assert set(first.labels) == {"workbenchx"}
    assert set(again.labels) == {"workbenchx", "drift"}
    assert len(await scene.forge.open_pulls()) == 1


async def test_what_is_longer_than_a_forge_takes_is_cut(scene: forge_scenes.Scene) -> None:
    """Title and body of a pull request, comments and issues: whole lines, with their marker, and the same again is nothing new."""
    scene.commit({"a.txt": "one\n"}, "wbx/fix/a-1")
    text = "<details><summary>All</summary>\n\n" + "- 65,535 bytes are no comment yet\n" * 3000
    wanted = ports.NewPull("wbx/fix/a-1", "main", "many " * 90, text)

    made = await scene.forge.open_pull(wanted)
    await scene.forge.edit_pull(made.number, title=wanted.title, body=text)
    for _ in range(2):
        await scene.forge.say(made.number, MARKER, "a" * 65_535)
        await scene.forge.keep_issue(MARKER, "Dashboard", text)

    assert len(made.title) <= 250
    (comment,) = scene.comments(made.number)
    ((_, issue),) = scene.issues()
    for body in (comment, issue):
        assert body.startswith(f"<!-- {MARKER} -->")
        assert len(body.replace("\r\n", "\n")) <= 65_536
    assert (
        issue.replace("\r\n", "\n").rstrip().endswith("</details>\n\n… the rest does not fit here")
    )


async def test_a_closed_one_stays_closed_and_is_found(scene: forge_scenes.Scene) -> None:
    """Closing twice is closing once; the newest of a branch is answered, open or not."""
    scene.commit({"a.txt": "one\n"}, "wbx/fix/a-1")
    wanted = ports.NewPull("wbx/fix/a-1", "main", "Fix a", "Why.")
    first = await scene.forge.open_pull(wanted)
    await scene.forge.edit_pull(first.number, body="Other words.")
    await scene.forge.close_pull(first.number)
    await scene.forge.close_pull(first.number)

    closed = await scene.forge.pull_of_branch("wbx/fix/a-1")
    assert closed is not None
    assert (closed.number, closed.open, closed.merged) == (first.number, False, None)
    second = await scene.forge.open_pull(wanted)
    assert second.number != first.number
    newest = await scene.forge.pull_of_branch("wbx/fix/a-1")
    assert newest is not None
    assert newest.number == second.number


async def test_a_report_is_told_once(scene: forge_scenes.Scene) -> None:
    """The same again changes nothing, a newer one of its context replaces it, and a long title is cut."""
    commit = scene.commit({"a.txt": "one\n"}, "main")
    url = "https://console.example.test/plans/1"
    pending = _report(commit, ports.Verdict.PENDING, "Planning", external_id="1", url=url)
    done = _report(commit, ports.Verdict.FAILURE, "3 problems " * 40, external_id="2", url=url)

    for each in (pending, pending, done, done):
        await scene.forge.report(each)

    told = scene.told(commit)
    assert [each.verdict for each in told] == ["pending", "failure"]
    assert (told[0].title, told[0].url) == ("Planning", url)
    assert len(told[1].title) <= 140


async def test_one_comment_of_ours(scene: forge_scenes.Scene) -> None:
    """A marked comment is made once and then edited; others are left alone, also those that copy the marker."""
    scene.commit({"a.txt": "one\n"}, "change/a")
    number = scene.pull("change/a", "Add a")
    scene.comment(number, f"<!-- {MARKER} -->\nnot ours")

    await scene.forge.say(number, MARKER, "First\n\nword")
    await scene.forge.say(number, MARKER, "First\n\nword")
    await scene.forge.say(number, MARKER, "Last word")
    await scene.forge.note(number, "By the way.")

    bodies = [body.replace("\r\n", "\n") for body in scene.comments(number)]
    assert bodies == [
        f"<!-- {MARKER} -->\nnot ours",
        f"<!-- {MARKER} -->\nLast word",
        "By the way.",
    ]


async def test_one_issue_of_ours(scene: forge_scenes.Scene) -> None:
    """A marked issue is made once and then edited; it is not made where it is only to be brought up to date."""
    await scene.forge.keep_issue(MARKER, "Dashboard", "Nothing", make=False)
    assert scene.issues() == []
    await scene.forge.keep_issue(MARKER, "Dashboard", "Nothing yet")
    await scene.forge.keep_issue(MARKER, "Dashboard", "One thing")

    ((title, body),) = scene.issues()
    assert title == "Dashboard"
    assert body.replace("\r\n", "\n") == f"<!-- {MARKER} -->\nOne thing"


async def test_a_commit_that_is_not_there(scene: forge_scenes.Scene) -> None:
    """A report about it is refused: a person must act."""
    with pytest.raises(errors.Stalled) as refused:
        await scene.forge.report(_report(NOWHERE, ports.Verdict.SUCCESS, "Done"))

    assert refused.value.reason == "ForgeRefused"
