"""Reviews at the double of GitHub when things go wrong, from the webhook that the console takes to the check run that is posted."""

import asyncio
import pathlib
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import console_lab
import declared_files as files
import forge_scenes
import github_double
import github_pulls
import github_reruns
import httpx
import pytest
import review_lab as labs
from store_fixtures import database, server, store

from workbenchx import errors, ports
from workbenchx.api import canonical
from workbenchx.engine import failpoints, secrets
from workbenchx.forge import github
from workbenchx.planner import model
from workbenchx.store import embedded, postgres
from workbenchx.wiring import reviewing

__all__ = ["database", "server", "store"]

SECRET, VARIABLE = "a secret of the team", "WBX_SECRET_WBX_SYSTEM_HOOK"
BROKEN = files.job("new").replace("runtime: python", "runtime: pyton")


class Place:
    """A repository at GitHub, the console that takes its webhooks, and a worker that reviews."""

    def __init__(
        self, lab: labs.Lab, double: github_double.Double, scene: forge_scenes.GitHubScene
    ) -> None:
        self.lab, self.double, self.scene = lab, double, scene
        self.hooks = double.world.hooks

    async def propose(self, name: str, text: str = "one") -> tuple[int, str]:
        """Somebody opens a pull request that adds a Dataset; its number and its head."""
        head = await self.push(name, text)
        return await asyncio.to_thread(self.scene.pull, name, f"Add {name}"), head

    async def push(self, name: str, text: str) -> str:
        """Somebody pushes another version of it."""
        change: dict[str, str | None] = {f"ssot/{name}.yaml": labs.dataset(name, text)}
        return await asyncio.to_thread(self.scene.commit, change, name)

    async def look(self) -> int:
        """What was sent is heard, and a worker looks; at how many deliveries and Sources."""
        await asyncio.to_thread(self.hooks.settle)
        heard = await reviewing.hearer(self.lab.store, "prod").look()
        return heard + await self.lab.reviewer().look()

    async def later(self) -> None:
        """The time of the next look has come."""
        async with self.lab.store.connections.transaction() as conn:
            await conn.execute("update ops.review_states set due_at = now()")
        await self.lab.reviewer().look()

    def said(self, commit: str) -> list[tuple[str, str]]:
        """What its check runs ever said, verdict and title."""
        return [
            (verdict, title)
            for check in self.scene.state.checks
            if check["head_sha"] == commit
            for verdict, title, _ in check["history"]
        ]

    def checks(self, commit: str) -> list[dict[str, Any]]:
        """Its check runs, the oldest first."""
        return [each for each in self.scene.state.checks if each["head_sha"] == commit]

    async def taken_over(self) -> None:
        """The lease of who died has run out, and another worker looks."""
        async with self.lab.store.connections.transaction() as conn:
            await conn.execute("update ops.review_states set held_until = now() - interval '1 s'")
        await self.later()

    def fault(self, verb: str, path: str, status: int, **headers: str) -> None:
        """The next question of that kind is answered so."""
        told = {"message": "You have exceeded a secondary rate limit."}
        said = headers | {}
        self.double.faults.append(github_double.Fault(verb, path, status, said, told))

    async def rows(self) -> int:
        """How many deliveries were ever put down."""
        return len(await self.lab.store.recent_deliveries())


@pytest.fixture
def double(tmp_path: pathlib.Path) -> Iterator[github_double.Double]:
    """A double of GitHub; nothing that it saw or said was against GitHub's description."""
    with github_double.serving(tmp_path / "github") as serving:
        yield serving


@pytest.fixture
async def place(
    double: github_double.Double,
    store: postgres.Postgres,
    server: embedded.Server,
    database: str,
    tmp_path: pathlib.Path,
) -> AsyncIterator[Place]:
    """Main is in force and told; the App speaks; the console has heard the ping."""
    scene = forge_scenes.GitHubScene(double, app=True)
    speaker = scene.forge
    assert isinstance(speaker, github.GitHub)

    async def credential(_: ports.Reviewable) -> str:
        return await speaker.token()

    first = scene.commit(dict(labs.GROUND), "main")
    lab = await labs.built(
        store, tmp_path, scene.state, speaker, first=first, credential=credential
    )
    spec = {"url": scene.state.url, "path": "ssot", "branch": "main", "forge": {"type": "github"}}
    spec |= {"webhookSecret": {"env": VARIABLE}}
    where = model.SourceRef("embedded", path="ssot/source.yaml", line=1)
    key = model.Key("Source", "wbx-system", "platform")
    row = model.Declared(key, None, spec, canonical.digest(spec), where)
    await store.mirror("embedded", [row], complete=True, commit=None)
    assert await store.due_sources("follower", lease=3600.0, limit=1)
    await lab.settle()
    places = secrets.Places({VARIABLE: SECRET}.get)
    async with console_lab.alone(server, database, tmp_path, places=places) as (url, _):
        made = Place(lab, double, scene)
        about = scene.state.about()
        await asyncio.to_thread(made.hooks.subscribe, about, f"{url}/webhooks/github", SECRET)
        await asyncio.to_thread(made.hooks.settle)
        assert [each.answer for each in made.hooks.sent] == [202]
        await made.later()
        assert made.said(first)[-1] == ("success", "4 of 4 Ready")
        yield made
    await speaker.aclose()


async def test_a_webhook_that_is_forged(place: Place) -> None:
    """401, no row, nobody looks; the genuine one with the same bytes is heard after it."""
    place.hooks.held = True
    _, head = await place.propose("c")
    (push, opened) = place.hooks.waiting
    for each in (push, opened):
        async with httpx.AsyncClient(timeout=120) as client:
            guessed = each.headers(secret="guessed")
            answer = await client.post(each.hook.url, content=each.body, headers=guessed)
        assert answer.status_code == 401
    assert await place.rows() == 0
    assert await place.look() == 0
    assert place.said(head) == []

    place.hooks.send(opened)
    await place.look()
    assert place.said(head) == [("success", "1 to create")]


async def test_a_webhook_that_comes_twice(place: Place) -> None:
    """Sent again before and after it was handled: one row, one check run, said once."""
    _, head = await place.propose("c")
    await asyncio.to_thread(place.hooks.settle)
    sent = list(place.hooks.sent)
    before = await place.rows()
    for each in sent:
        place.hooks.send(each)
    await place.look()
    for each in sent:
        place.hooks.send(each)
    assert await place.look() == 0

    assert await place.rows() == before == 2
    assert {each.answer for each in place.hooks.sent} == {202}
    assert place.said(head) == [("success", "1 to create")]


async def test_somebody_wants_a_check_anew(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Re-run: the same is said anew, as one fresh check run for each press, whoever dies in between; of another check nothing.

    So it is of a commit that was settled, and when a person has a webhook handled anew.
    """
    world, state = place.double.world, place.scene.state
    _, head = await place.propose("c")
    await place.look()
    (check,) = place.checks(head)
    good = ("success", "1 to create")

    await asyncio.to_thread(github_reruns.rerun, world, state, check, name="somebody's")
    await place.look()
    assert place.said(head) == [good]

    await asyncio.to_thread(github_reruns.rerun, world, state, check)
    with monkeypatch.context() as patched:
        patched.setattr(failpoints, "reach", dying_at("review.said"))
        with pytest.raises(BaseExceptionGroup):
            await place.look()
    await place.taken_over()
    assert place.said(head) == [good, good]
    assert place.checks(head)[1]["external_id"] != check["external_id"]
    place.hooks.send(place.hooks.sent[-1])
    await place.look()
    assert place.said(head) == [good, good], "the same webhook again is no new wish"

    first = state.commit_of("main")
    before = place.said(first)
    await asyncio.to_thread(github_reruns.rerun_all, world, state, first)
    await place.look()
    assert place.said(first) == [*before, ("pending", "In force"), ("success", "4 of 4 Ready")]
    assert place.said(head) == [good, good]

    opened = next(each for each in place.hooks.sent if each.event == "pull_request")
    await place.lab.store.deliver_again("github", opened.id, actor="user:ada")
    assert await place.look() >= 1
    assert place.said(head) == [good, good, good]
    assert await place.lab.store.open_deliveries() == []
    with pytest.raises(errors.Stalled):
        await place.lab.store.deliver_again("github", "unknown", actor="user:ada")


class Killed(BaseException):
    """The worker dies here."""


def dying_at(place: str) -> Callable[[str], None]:
    """What stands in for failpoints.reach."""

    def reach(name: str) -> None:
        if name == place:
            raise Killed

    return reach


async def test_webhooks_out_of_order(place: Place) -> None:
    """The newest first, the end before the beginning: what is said is of how things are, and nothing of what is over."""
    place.hooks.held = True
    number, old = await place.propose("c")
    new = await place.push("c", "two")
    over, gone = await place.propose("d")
    await asyncio.to_thread(
        github_pulls.edit, place.double.world, place.scene.state, over, {"state": "closed"}
    )
    for each in reversed(place.hooks.waiting):
        place.hooks.send(each)
        await place.look()

    assert place.said(new) == [("success", "1 to create")]
    assert place.said(old) == place.said(gone) == []
    assert number in place.scene.state.pulls


async def test_a_webhook_that_is_lost(place: Place) -> None:
    """Nobody is told; the poll finds the pull request, and after its merge the commit."""
    place.hooks.held = True
    _, head = await place.propose("c")
    assert await place.look() == 0
    assert place.said(head) == []
    await place.later()
    assert place.said(head) == [("success", "1 to create")]


@pytest.mark.parametrize("path", ["/pulls$", "/check-runs$"])
async def test_right_after_the_webhook_nobody_knows_of_it(place: Place, path: str) -> None:
    """404 where the API is behind its own webhook: nothing is lost, and the next look says it once."""
    _, head = await place.propose("c")
    place.fault("GET" if path == "/pulls$" else "POST", path, 404)
    await place.look()
    assert place.said(head) == []
    await place.later()
    assert place.said(head) == [("success", "1 to create")]


async def test_right_after_the_webhook_git_is_behind(place: Place) -> None:
    """The API names a head that git does not have yet: it is asked for again within seconds, not at the next poll, and said once."""
    number, head = await place.propose("c")
    pull = place.scene.state.pulls[number]
    pull["head_sha"] = "1" * 40
    await place.look()
    assert place.scene.state.checks[-1]["head_sha"] != "1" * 40
    assert (await place.lab.store.next_review() or 0.0) < 30.0
    pull["head_sha"] = head
    await place.later()
    assert place.said(head) == [("success", "1 to create")]


async def test_a_secondary_limit(place: Place) -> None:
    """403 with Retry-After, and the hour that is over: nobody asks before the time that GitHub names, not even for a webhook."""
    _, head = await place.propose("c")
    place.fault("POST", "/check-runs$", 403, **{"retry-after": "77"})
    await place.look()
    assert 60 < (await place.lab.store.next_review() or 0.0) <= 77
    asked = len(place.double.asked)
    other, _ = await place.propose("d")
    await place.look()
    assert len(place.double.asked) == asked, "a webhook does not make it sooner"

    place.fault("GET", "/pulls$", 429, **{"retry-after": "5"})
    await place.later()
    await place.later()
    assert place.said(head) == [("success", "1 to create")]
    assert place.said(place.scene.state.pulls[other]["head_sha"]) == [("success", "1 to create")]


async def test_the_forge_is_down(place: Place) -> None:
    """Gone after its webhook, then failing: it is waited for; back again, it is told once, and what was told before is not said anew."""
    first = place.scene.state.commit_of("main")
    before = place.said(first)
    _, head = await place.propose("c")
    await asyncio.to_thread(place.hooks.settle)
    place.double.server.stop()
    await place.look()
    assert (await place.lab.store.next_review() or 0.0) > 0
    place.double.server.start()
    place.fault("GET", "/info/refs$", 502)
    await place.later()
    assert place.said(head) == []
    await place.later()
    await place.later()
    assert place.said(head) == [("success", "1 to create")]
    assert place.said(first) == before


async def test_more_sentences_than_a_call_takes(place: Place) -> None:
    """120 broken references are one check run with 120 annotations, by fifty, each on its line; cut off in between, it goes on."""
    change: dict[str, str | None] = {
        f"ssot/jobs/{n}.yaml": BROKEN.replace("name: new", f"name: new-{n}") for n in range(120)
    }
    head = await asyncio.to_thread(place.scene.commit, change, "many")
    await asyncio.to_thread(place.scene.pull, "many", "Many")
    place.fault("PATCH", "/check-runs/", 502)
    await place.look()
    await place.later()
    await place.later()

    (check,) = [each for each in place.scene.state.checks if each["head_sha"] == head]
    lines = {(each["path"], each["start_line"]) for each in check["annotations"]}
    assert len(check["annotations"]) == len(lines) == 120
    assert {line for _, line in lines} == {8}
    writes = [each for each in place.double.asked if "/check-runs" in each[1] and each[0] != "GET"]
    assert writes[-4:-3] != [], writes
    assert check["conclusion"] == "failure"
