"""GitHub at its worst: each fault is told by what to do next, nothing is retried inside, and the same report makes it good."""

from collections.abc import AsyncIterator, Iterator

import forge_scenes
import github_double
import pytest

from workbenchx import errors, ports
from workbenchx.forge import calls, faults, github, github_app

FAR = 4_000_000_000


@pytest.fixture(scope="module")
def double(tmp_path_factory: pytest.TempPathFactory) -> Iterator[github_double.Double]:
    """A double of GitHub; nothing that it saw was against GitHub's description."""
    with github_double.serving(tmp_path_factory.mktemp("github")) as serving:
        yield serving


@pytest.fixture
async def scene(double: github_double.Double) -> AsyncIterator[forge_scenes.GitHubScene]:
    """A repository; an App speaks."""
    made = forge_scenes.GitHubScene(double, app=True)
    yield made
    double.faults.clear()
    assert isinstance(made.forge, github.GitHub)
    await made.forge.aclose()


@pytest.mark.parametrize(
    ("status", "headers", "wait"),
    [
        (403, {"retry-after": "77"}, 77),
        (429, {"retry-after": "5"}, 5),
        (403, {}, 60),
        (403, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(FAR)}, 3900),
    ],
    ids=["secondary", "too many", "says nothing", "the hour is over"],
)
async def test_a_limit_says_how_long(
    double: github_double.Double,
    scene: forge_scenes.GitHubScene,
    status: int,
    headers: dict[str, str],
    wait: float,
) -> None:
    """Waiting(RateLimited) with the time that GitHub names; asked once."""
    told = {"message": "You have exceeded a secondary rate limit."}
    double.faults.append(github_double.Fault("GET", "/pulls", status, headers, told))
    before = len(double.asked)

    with pytest.raises(errors.Waiting) as limited:
        await scene.forge.open_pulls()

    assert limited.value.reason == "RateLimited"
    assert limited.value.retry_after == wait
    assert [path for _, path in double.asked[before:] if path.endswith("/pulls")] == [
        f"/repos/{scene.state.owner}/{scene.state.name}/pulls"
    ]


def test_the_hour_is_over_by_the_forges_clock() -> None:
    """Our clock may be wrong by days: the answer has its own date."""
    headers = {
        "x-ratelimit-remaining": "0",
        "x-ratelimit-reset": "1000000120",
        "date": "Sun, 09 Sep 2001 01:46:40 GMT",
    }

    assert faults.pause(headers) == 120


async def test_failing_slow_or_away(
    double: github_double.Double, scene: forge_scenes.GitHubScene
) -> None:
    """5xx, no answer in time, no server: Waiting(ForgeUnavailable); then all is well again."""
    double.faults.append(github_double.Fault(path="/pulls", status=502))
    with pytest.raises(errors.Waiting) as failing:
        await scene.forge.open_pulls()

    async def nothing() -> dict[str, str]:
        return {}

    double.faults.append(github_double.Fault(path="/slow", hang=True))
    impatient = calls.Calls(double.url, "forge", nothing, seconds=0.2)
    with pytest.raises(errors.Waiting) as slow:
        await impatient.ask("GET", "/slow")
    await impatient.aclose()
    double.server.stop()
    with pytest.raises(errors.Waiting) as away:
        await scene.forge.open_pulls()
    double.server.start()

    assert {each.value.reason for each in (failing, slow, away)} == {"ForgeUnavailable"}
    assert await scene.forge.open_pulls() == []


async def test_right_after_the_webhook(
    double: github_double.Double, scene: forge_scenes.GitHubScene
) -> None:
    """A pull request that GitHub does not know yet is None, and there a moment later."""
    scene.commit({"a.txt": "one\n"}, "change/a")
    number = scene.pull("change/a", "Add a")
    double.faults.append(
        github_double.Fault("GET", f"/pulls/{number}$", 404, body={"message": "Not Found"})
    )

    assert await scene.forge.pull(number) is None
    assert await scene.forge.pull(number) is not None


async def test_a_token_is_asked_for_once_and_anew(
    double: github_double.Double, scene: forge_scenes.GitHubScene
) -> None:
    """An App's token is kept; one that GitHub takes back is waited out by the next call."""
    before = len(double.asked)
    await scene.forge.open_pulls()
    await scene.forge.default_branch()
    asked = [path for _, path in double.asked[before:] if path.endswith("/access_tokens")]
    assert len(asked) == 1

    for token in [each for each in double.world.tokens if each.startswith("ghs_")]:
        del double.world.tokens[token]
    with pytest.raises(errors.Waiting):
        await scene.forge.open_pulls()
    assert await scene.forge.open_pulls() == []


async def test_a_key_that_is_not_the_apps(double: github_double.Double) -> None:
    """Stalled(ForgeRefused), whether it is another key or none; it is not shown."""
    state = double.world.repository()
    for key in ("-----BEGIN nothing-----", "x"):
        app = github_app.App("Iv1.0123456789abcdef", key)
        made = github.with_app(state.owner, state.name, app, api=double.url)
        with pytest.raises(errors.Stalled) as refused:
            await made.open_pulls()
        await made.aclose()
        assert refused.value.reason == "ForgeRefused"
        assert key not in refused.value.message
        assert key not in repr(app)


async def test_annotations_go_by_fifty_and_go_on(
    double: github_double.Double, scene: forge_scenes.GitHubScene
) -> None:
    """120 annotations are three calls; cut off after the first batch, the same report sends the rest, once."""
    commit = scene.commit({"a.txt": "one\n"}, "main")
    notes = [ports.Annotation("a.txt", each + 1, "failure", "T", "M") for each in range(120)]
    report = ports.Report(
        commit, "workbenchx/test/x", ports.Verdict.FAILURE, "120 problems", "# All", notes
    )
    double.faults.append(github_double.Fault("PATCH", "/check-runs/", 502))

    with pytest.raises(errors.Waiting):
        await scene.forge.report(report)
    await scene.forge.report(report)
    await scene.forge.report(report)

    (check,) = [each for each in scene.state.checks if each["head_sha"] == commit]
    assert [each["start_line"] for each in check["annotations"]] == list(range(1, 121))
    assert (check["conclusion"], check["output"]["summary"]) == ("failure", "# All")


async def test_a_check_that_is_in_progress_ends_as_the_same_one(
    scene: forge_scenes.GitHubScene,
) -> None:
    """Pending, pending with other words, and the end are one check run; what comes after its end is another one."""
    commit = scene.commit({"a.txt": "one\n"}, "main")
    notes = (ports.Annotation("a.txt", 1, "failure", "T", "M"),)

    def said(verdict: ports.Verdict, title: str, *more: ports.Annotation) -> ports.Report:
        return ports.Report(commit, "workbenchx/test/x", verdict, title, "# All", more)

    for report in (
        said(ports.Verdict.PENDING, "1 of 3"),
        said(ports.Verdict.PENDING, "2 of 3"),
        said(ports.Verdict.FAILURE, "1 problem", *notes),
        said(ports.Verdict.FAILURE, "1 problem", *notes),
    ):
        await scene.forge.report(report)
    (one,) = [each for each in scene.state.checks if each["head_sha"] == commit]
    assert [verdict for verdict, _, _ in one["history"]] == ["pending", "pending", "failure"]
    assert len(one["annotations"]) == 1

    await scene.forge.report(said(ports.Verdict.PENDING, "Again"))
    await scene.forge.report(said(ports.Verdict.SUCCESS, "3 of 3"))
    found = [each for each in scene.state.checks if each["head_sha"] == commit]
    assert [len(each["annotations"]) for each in found] == [1, 0]
    assert found[-1]["history"][-1][:2] == ("success", "3 of 3")


async def test_a_summary_too_long_for_github(scene: forge_scenes.GitHubScene) -> None:
    """It is cut by bytes, and says so."""
    commit = scene.commit({"b.txt": "one\n"}, "main")
    report = ports.Report(
        commit, "workbenchx/test/x", ports.Verdict.SUCCESS, "Done", "ü" * 60_000, external_id="1"
    )

    await scene.forge.report(report)

    (check,) = [each for each in scene.state.checks if each["head_sha"] == commit]
    assert len(check["output"]["summary"].encode()) <= 65_535
    assert "Cut" in check["output"]["summary"]
