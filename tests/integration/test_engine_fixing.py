"""FixBot's passes: real rows in Postgres; forge and repository in memory, which keep the laws of their ports."""

import contextlib
import dataclasses
import datetime

import declared_files as written
import fixbot_scenes as given
import memory_forge
import memory_host
import planner_worlds as worlds
import pytest
from store_fixtures import database, server, store

from workbenchx import errors, ports
from workbenchx.engine.fixing import allowing, bot, serving
from workbenchx.fixbot import proposal, rules, scenes
from workbenchx.planner import model
from workbenchx.store import postgres, reads

__all__ = ["database", "server", "store"]
EVERYTHING = allowing.Allowed({"enabled": True})
DAYS = datetime.timedelta(days=1)


class Clock:
    """The time, and how far it was moved."""

    def __init__(self) -> None:
        self.moved = datetime.timedelta()

    def now(self) -> datetime.datetime:
        """As the port's."""
        return datetime.datetime.now(datetime.UTC) + self.moved


class Bench:
    """One repository, its world, and FixBot."""

    def __init__(self, store: postgres.Postgres) -> None:
        self.store = store
        self.clock = Clock()
        self.limits = allowing.Limits(open=10, hourly=100)
        self.allowed = EVERYTHING
        self.source = "embedded"
        self.labels: tuple[str, ...] = ()

    async def begin_anew(self, source: str) -> None:
        """Another source; what was proposed before is over."""
        self.source = source
        async with self.store.connections.transaction() as conn:
            await conn.execute("update ops.fix_proposals set state = 'merged'")

    def see(self, scene: scenes.Scene) -> None:
        """What is wrong now; the repository begins with its files."""
        self.scene = scene
        self.host = memory_host.Host(scene.files)

    async def work(self) -> bot.Pass:
        """One pass over main as it is."""
        files = self.host.files()
        changed = {path: data for path, data in files.items() if data != self.scene.files.get(path)}
        scene = dataclasses.replace(self.scene, files=files)
        if changed:
            rows = {row.key: row for row in self.scene.world.declared}
            made = given.declared(files)
            rows |= {row.key: row for row in made if row.problem is None}
            world = dataclasses.replace(scene.world, declared=tuple(rows.values()))
            scene = dataclasses.replace(scene, world=world)
        at = bot.Repository(
            self.source,
            memory_host.URL,
            "main",
            self.host.branches["main"],
            scene,
            self.labels,
        )
        hands = bot.Hands(self.host, self.host, self.host.tip)
        working = bot.Bot(self.store, hands, self.clock, self.limits)
        return await working.work(at, self.allowed)

    async def waits(self) -> list[tuple[str, str, str]]:
        """Rule, state and reason of what is not proposed."""
        found = await reads.Reads(self.store.connections).fix_waits()
        return [(row["rule"], row["state"], row["why"]) for row in found]

    async def states(self) -> list[str]:
        """The states of all rows, the oldest first."""
        async with self.store.connections.transaction() as conn:
            found = await conn.execute(
                "select state from ops.fix_proposals where source = %s order by created_at, id",
                (self.source,),
            )
            return [row[0] for row in await found.fetchall()]


@pytest.fixture
async def bench(store: postgres.Postgres) -> Bench:
    """Nothing is wrong yet."""
    return Bench(store)


async def test_one_cause_is_one_pull_request_that_ends_with_it(bench: Bench) -> None:
    """Opened once with labels, a title and evidence; merged, it is over, its branch is gone, and main has the change."""
    bench.see(given.out_of_memory())
    await bench.work()
    first = list(bench.host.writes)
    await bench.work()

    (pull,) = bench.host.open
    assert bench.host.writes == first
    assert pull.labels == ("workbenchx", "fixbot", "fixbot/raise-limit")
    assert "The plan after the merge" in bench.host.bodies[pull.number]
    bench.host.merge(pull.number)
    await bench.work()
    await bench.work()
    assert await bench.states() == ["merged"]
    assert set(bench.host.branches) == {"main"}
    assert b"memory: 2Gi" in bench.host.files()[given.JOBS]


def raised(bench: Bench) -> dict[str, bytes]:
    """The job's file once somebody else raised the limit."""
    return {given.JOBS: bench.host.files()[given.JOBS].replace(b"1Gi", b"3Gi")}


async def test_a_cause_that_is_gone_closes_with_a_note(bench: Bench) -> None:
    """Somebody mends it otherwise: one comment says so, and the branch goes."""
    bench.see(given.out_of_memory())
    await bench.work()
    bench.host.commit("main", raised(bench))
    await bench.work()
    await bench.work()

    assert bench.host.open == []
    assert ["Nothing is wrong" in text for text in bench.host.issues.values()] == [True]
    assert await bench.states() == ["closed"]
    assert ["not wrong any more" in text for (text,) in bench.host.comments.values()] == [True]
    assert set(bench.host.branches) == {"main"}


async def test_a_persons_commit_hands_it_over(bench: Bench) -> None:
    """It is told once; from then on nothing is pushed, closed or proposed beside it, until they end it."""
    bench.see(given.out_of_memory())
    await bench.work()
    (pull,) = bench.host.open
    bench.host.commit(pull.branch, {"README.md": b"mine"})
    for _ in range(2):
        await bench.work()
    assert await bench.states() == ["handed_over"]
    bench.host.commit("main", raised(bench))
    writes = len([what for what in bench.host.writes if what != "issue"])
    await bench.work()

    assert len([what for what in bench.host.writes if what != "issue"]) == writes
    assert [each.number for each in bench.host.open] == [pull.number]
    assert len(bench.host.comments) == 1
    assert pull.branch in bench.host.branches


async def test_a_persons_close_is_quiet_for_a_month(bench: Bench) -> None:
    """Then, if it is still wrong, another one is opened from a branch of its own: a closed one may not be used again."""
    bench.see(given.out_of_memory())
    await bench.work()
    (pull,) = bench.host.open
    bench.host.shut(pull.number)
    for days in (0, 0, 29):
        bench.clock.moved = days * DAYS
        await bench.work()
        assert (bench.host.open, await bench.states()) == ([], ["snoozed"])
    bench.clock.moved = 31 * DAYS
    for _ in range(2):
        await bench.work()

    (again,) = bench.host.open
    assert again.branch == f"{pull.branch}-2"
    assert await bench.states() == ["closed", "open"]


async def test_a_snooze_by_order_closes_the_pull_request(bench: Bench) -> None:
    """The row says snoozed, as `ops.snooze` makes it: the pull request goes, and none comes until then."""
    bench.see(given.out_of_memory())
    await bench.work()
    async with bench.store.connections.transaction() as conn:
        await conn.execute(
            "update ops.fix_proposals set state = 'snoozed', snoozed_until = now() + interval '9 days'"
        )
    for _ in range(3):
        await bench.work()

    assert bench.host.open == []
    assert await bench.states() == ["snoozed"]


async def test_an_outage_of_a_registry_opens_and_closes_nothing(bench: Bench) -> None:
    """What was proposed stays while nobody can be asked, also where the tag seems gone; once it is back where it was, it closes."""
    scene = given.moved_tag()
    bench.see(dataclasses.replace(scene, digests={}))
    await bench.work()
    assert bench.host.writes == []
    bench.scene = scene
    await bench.work()
    for digests in ({}, {given.IMAGE: None}):
        bench.scene = dataclasses.replace(scene, digests=digests)
        await bench.work()
        assert await bench.states() == ["open"]
    bench.scene = dataclasses.replace(scene, digests={given.IMAGE: given.OLD})
    await bench.work()

    assert await bench.states() == ["closed"]


async def test_a_tag_that_moves_on_has_one_pull_request(bench: Bench) -> None:
    """The newer digest replaces the older proposal."""
    scene = given.moved_tag()
    bench.see(scene)
    await bench.work()
    newer = "sha256:" + "ef" * 32
    bench.scene = dataclasses.replace(scene, digests={given.IMAGE: newer})
    for _ in range(2):
        await bench.work()

    (pull,) = bench.host.open
    assert newer.encode() in bench.host.files(pull.branch)[given.RUNTIME]


async def test_a_rebase_comes_of_a_conflict_alone(bench: Bench) -> None:
    """Another line of the file is nobody's business; a change beside ours makes a new commit on top of it."""
    bench.see(given.out_of_memory())
    await bench.work()
    (pull,) = bench.host.open
    bench.host.commit(
        "main", {"docs.md": b"new", given.JOBS: b"# at night\n" + bench.host.files()[given.JOBS]}
    )
    await bench.work()
    assert bench.host.open[0].head == pull.head
    near = bench.host.files()[given.JOBS].replace(b"timeout: 10m", b"timeout: 20m")
    at = bench.host.commit("main", {given.JOBS: near})
    made = given.life(bench.host.files())
    made.settle(worlds.badly(reason="OutOfMemory", message="it used more than 1Gi"))
    bench.scene = dataclasses.replace(bench.scene, world=made.world)
    await bench.work()
    writes = list(bench.host.writes)
    await bench.work()

    head = bench.host.commits[bench.host.open[0].head]
    assert (head.parent, head.ours) == (at, True)
    assert b"timeout: 20m" in head.files[given.JOBS]
    assert bench.host.writes == writes


async def test_caps_hold(bench: Bench) -> None:
    """No more are open at once, and no more made within an hour, than allowed; later the others come.

    Dashboard and rows say of each of the others why it waits, and of none any more once it is proposed.
    """
    async with bench.store.connections.transaction() as conn:
        await conn.execute(
            "insert into ops.projects (id, kind, namespace, name, spec)"
            " values (gen_random_uuid(), 'Project', '', 'churn', '{}')"
        )
    jobs = [written.job(f"job-{n}").replace("runtime: python", "runtime: pyton") for n in range(5)]
    tree = given.files({given.JOBS: "---\n".join(jobs)})
    made = given.life(tree)
    made.apply()
    bench.see(given.seen(tree, made))
    bench.limits = allowing.Limits(open=2, hourly=100)
    for _ in range(2):
        await bench.work()
    assert len(bench.host.open) == 2
    waits = await bench.waits()
    assert [each[:2] for each in waits] == [("fix-reference", "capped")] * 3
    assert {"2 (the setting fixbot_open)" in why for _, _, why in waits} == {True}
    (issue,) = bench.host.issues.values()
    assert issue.count("the setting fixbot") == 3
    bench.limits = allowing.Limits(open=10, hourly=3)
    for _ in range(2):
        await bench.work()
    assert len(bench.host.open) == 3
    assert {"3 (the setting fixbot_hourly)" in why for _, _, why in await bench.waits()} == {True}
    bench.clock.moved = datetime.timedelta(hours=2)
    await bench.work()

    assert len(bench.host.open) == 5
    assert await bench.waits() == []


async def test_a_branch_of_somebody_else_is_left_alone(bench: Bench) -> None:
    """Whoever has a branch of that name keeps it; the proposal comes from another one."""
    scene = given.out_of_memory()
    bench.see(scene)
    (made,) = proposal.all_of(scene, rules.find(scene))
    bench.host.branches[made.branch] = bench.host.branches["main"]
    mine = bench.host.commit(made.branch, {"README.md": b"mine"})
    for _ in range(2):
        await bench.work()

    assert [each.branch for each in bench.host.open] == [f"{made.branch}-2"]
    assert bench.host.branches[made.branch] == mine


@pytest.mark.parametrize("gone", [False, True])
async def test_a_pull_request_that_is_not_ours_is_not_taken_for_it(
    bench: Bench, gone: bool
) -> None:
    """Killed before it wrote down its pull request; in the meantime somebody put another commit and one of their own there."""
    bench.see(given.out_of_memory())
    bench.host.fail(1)
    with contextlib.suppress(memory_forge.PowerCutError):
        await bench.work()
    (branch,) = set(bench.host.branches) - {"main"}
    mine = bench.host.commit(branch, {"README.md": b"mine"})
    theirs = await bench.host.open_pull(ports.NewPull(branch, "main", "Mine", "Merge me."))
    if gone:
        bench.host.commit("main", raised(bench))
    for _ in range(3):
        await bench.work()

    assert theirs in bench.host.open
    assert bench.host.branches[branch] == mine
    assert bench.host.bodies[theirs.number] == "Merge me."
    expected = [branch] if gone else [branch, f"{branch}-2"]
    assert [each.branch for each in bench.host.open] == expected
    assert (await bench.states())[-1] == ("handed_over" if gone else "open")


async def test_a_forge_that_is_away_changes_nothing(bench: Bench) -> None:
    """The pass ends, rows stay as they were, and the next pass goes on."""
    bench.see(given.out_of_memory())
    await bench.work()
    away = errors.Waiting("forge: does not answer", reason="ForgeUnavailable")
    bench.host.faults = [away] * 100
    with pytest.raises(errors.Waiting):
        await bench.work()
    bench.host.faults.clear()
    await bench.work()

    assert (len(bench.host.open), await bench.states()) == (1, ["open"])


class Sites:
    """Two sources; something happens at the first one."""

    def __init__(self, happens: Exception) -> None:
        self.happens = happens
        self.asked: list[str] = []

    async def names(self) -> list[str]:
        """As the port's."""
        return ["first", "second"]

    async def job(self, source: str) -> serving.Job | None:
        """As the port's."""
        self.asked.append(source)
        if source == "first":
            raise self.happens
        return None


@pytest.mark.parametrize("happens", [errors.Conflict("push: somebody was faster"), KeyError("bug")])
async def test_whatever_happens_at_one_source_the_next_has_its_turn(
    store: postgres.Postgres, happens: Exception
) -> None:
    """Somebody was faster, or nobody foresaw it: FixBot pauses there, and goes on elsewhere."""
    sites = Sites(happens)
    assert await serving.Keeper(store, sites, Clock(), name="w1").look() == []
    assert sites.asked == ["first", "second"]
    assert not await store.take_turn("first", "w2", lease=60.0)


async def test_a_file_that_is_no_text_any_more_closes_nothing(bench: Bench) -> None:
    """Somebody commits a byte that is no UTF-8 to the file of an open proposal: it is not known, and that is all."""
    bench.see(given.out_of_memory())
    await bench.work()
    bench.host.commit("main", {given.JOBS: bench.host.files()[given.JOBS] + b"# \xff\n"})
    await bench.work()

    assert (len(bench.host.open), await bench.states()) == (1, ["open"])


async def test_a_repository_without_issues_has_pull_requests(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its forge refuses the list of everything; the pass is as good without."""

    async def refuses(*_: object, **__: object) -> None:
        raise errors.Stalled("forge: that part is switched off", reason="ForgeRefused")

    bench.see(given.out_of_memory())
    monkeypatch.setattr(bench.host, "keep_issue", refuses)
    assert len((await bench.work()).done) == len(bench.host.open) == 1


async def _nothing(_bench: Bench) -> None:
    """The first pass is the one that dies."""


async def _closes(bench: Bench) -> None:
    await bench.work()
    bench.host.commit("main", raised(bench))


async def _revises(bench: Bench) -> None:
    await bench.work()
    near = bench.host.files()[given.JOBS].replace(b"timeout: 10m", b"timeout: 20m")
    bench.host.commit("main", {given.JOBS: near})
    made = given.life(bench.host.files())
    made.settle(worlds.badly(reason="OutOfMemory", message="it used more than 1Gi"))
    bench.scene = dataclasses.replace(bench.scene, world=made.world)


@pytest.mark.parametrize("story", ["opens", "revises", "closes"])
async def test_a_crash_after_any_change_is_gone_on_from(bench: Bench, story: str) -> None:
    """Whatever was done last, the next passes come to the same: one pull request (or none), one row, no branch left over."""
    stories = {"opens": _nothing, "revises": _revises, "closes": _closes}
    for after in range(1, 5):
        await bench.begin_anew(f"{story}-{after}")
        bench.see(given.out_of_memory())
        await stories[story](bench)
        bench.host.fail(after)
        with contextlib.suppress(memory_forge.PowerCutError):
            await bench.work()
        bench.host.fail(0)
        for _ in range(2):
            await bench.work()

        expected = 0 if story == "closes" else 1
        assert len(bench.host.open) == expected
        assert await bench.states() == ["closed" if story == "closes" else "open"]
        assert len(bench.host.branches) == 1 + expected
        assert len(bench.host.pulls) == 1


async def test_a_crash_before_the_labels_is_gone_on_from(bench: Bench) -> None:
    """A forge is told labels after it opened the pull request: what a dead process left without them gets them."""
    bench.see(given.out_of_memory())
    bench.labels = ("of-the-night",)
    bench.host.fail(2)
    with contextlib.suppress(memory_forge.PowerCutError):
        await bench.work()
    (pull,) = bench.host.open
    bench.host.pulls[pull.number] = dataclasses.replace(pull, labels=())
    await bench.work()

    (pull,) = bench.host.open
    assert pull.labels == ("workbenchx", "fixbot", "fixbot/raise-limit", "of-the-night")
    assert await bench.states() == ["open"]


async def test_whoever_pushes_at_the_same_moment_has_it(bench: Bench) -> None:
    """A commit between our look and our push: the pass goes on without an error, and the next one hands it over."""
    bench.see(given.out_of_memory())
    await _revises(bench)
    bench.host.overtaken = True
    await bench.work()
    assert await bench.states() == ["open"]
    (pull,) = bench.host.open
    mine = bench.host.branches[pull.branch]
    await bench.work()

    assert await bench.states() == ["handed_over"]
    assert bench.host.branches[pull.branch] == mine


async def test_it_is_off_unless_somebody_turned_it_on(bench: Bench) -> None:
    """A project's FixBot is its spec's; what is cluster-scoped is the source's; rules may be named."""
    scene = given.out_of_memory()
    off = scene.files[given.PROJECT].replace(b"{enabled: true}", b"{enabled: false}")
    tree = {**scene.files, given.PROJECT: off}
    world = dataclasses.replace(scene.world, declared=tuple(given.declared(tree)))
    bench.see(dataclasses.replace(scene, files=tree, world=world))
    await bench.work()
    assert bench.host.writes == []

    bench.see(given.moved_tag())
    for cluster in (None, {"enabled": False}, {"enabled": True, "rules": ["pin-digest"]}):
        bench.allowed = allowing.Allowed(cluster)
        await bench.work()
    assert bench.host.writes == []
    bench.allowed = allowing.Allowed({"enabled": True, "rules": ["bump-digest"]})
    await bench.work()
    assert [pull.title for pull in bench.host.open] == ["bump-digest: Runtime/python: spec.image"]


async def test_going_back_holds_the_version_that_failed(bench: Bench) -> None:
    """The plan knows the hold while the pull request is open, which says the same of a row that is held; closed, it is over."""
    scene = given.bad_version()
    key = worlds.key("AppDeployment/shop", "churn")
    bench.see(scene)
    await bench.work()
    (pull,) = bench.host.open
    row = scene.recorded[key]
    assert await holds(bench) == {key: row.hash}

    held = dataclasses.replace(
        row,
        state="Held",
        reason="RollBackProposed",
        message="held",
        facts={**row.facts, "held_for": f"{row.reason} ({row.message})"},
    )
    recorded = tuple(held if each.key == key else each for each in scene.world.recorded)
    world = dataclasses.replace(scene.world, recorded=recorded, holds={key: row.hash})
    bench.scene = dataclasses.replace(scene, world=world)
    writes = list(bench.host.writes)
    await bench.work()
    assert [pull.number] == [each.number for each in bench.host.open]
    assert bench.host.writes == writes
    bench.host.shut(pull.number)
    await bench.work()
    assert await holds(bench) == {}


async def holds(bench: Bench) -> dict[model.Key, str]:
    """As the planner reads them."""
    world = await bench.store.world(now=bench.clock.now(), policy=model.Policy())
    return dict(world.holds)
