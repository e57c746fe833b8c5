"""What callers order: who may order what, what is refused and how, and what an order leaves behind."""

import uuid
from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest
import store_callers
import store_worlds as worlds
from store_fixtures import database, server, store

from workbenchx import errors, ports
from workbenchx.engine import loop, reproduction
from workbenchx.planner import model
from workbenchx.store import connections, embedded, interventions, postgres

__all__ = ["database", "server", "store"]

JOB = ("RunnerJob", "iris", "job")
FORBIDDEN, BAD, MISSING, ENDED = "42501", "PT400", "PT404", "PT409"
ROLES = ("nobody", "foreign", "viewer", "editor", "admin", "platform")
RANK = {"viewer": 1, "editor": 2, "admin": 3, "platform": 4}
LEAST = dict.fromkeys(interventions.VERBS, "editor") | {
    "confirm": "admin",
    "adopt": "admin",
    "forget": "admin",
}
INTERVENE = "select ops.intervene(%s, %s, %s, %s, %s::jsonb)"


@pytest.fixture
async def callers(
    store: postgres.Postgres, server: embedded.Server, database: str
) -> AsyncIterator[store_callers.Callers]:
    """Callers of two projects."""
    await store_callers.two_projects(store)
    async with store_callers.connected(server, database) as connected:
        yield connected


async def refused(
    caller: store_callers.Caller, state: str, query: str, *params: Any
) -> errors.WorkbenchError:
    """The refusal of a query, with that SQLSTATE, as the store's clients see it."""
    with pytest.raises(psycopg.Error) as caught:
        await caller.rows(query, *params)
    assert caught.value.sqlstate == state, caught.value
    ours = connections.translate(caught.value)
    assert isinstance(ours, errors.Stalled)
    assert "\n" not in ours.message
    return ours


async def orders(store: postgres.Postgres) -> list[tuple[Any, ...]]:
    """All recorded orders."""
    async with store.connections.transaction() as conn:
        return await connections.fetch(
            conn,
            "select id, verb, kind, name, args, actor, applied_at is not null from ops.interventions order by at, id",
        )


@pytest.mark.parametrize("verb", ["suspend", "resume", "adopt", "forget"])
async def test_a_verb_takes_its_least_role(
    store: postgres.Postgres, callers: store_callers.Callers, verb: str
) -> None:
    """Members below it are told what it takes; who is no member is told nothing of the resource."""
    for role in ROLES:
        caller = getattr(callers, role)
        if RANK.get(role, 0) >= RANK[LEAST[verb]]:
            await caller.rows(INTERVENE, verb, *JOB, "{}")
        elif role in RANK:
            told = await refused(caller, FORBIDDEN, INTERVENE, verb, *JOB, "{}")
            assert told.reason == "Forbidden"
            assert LEAST[verb] in told.message
            assert role in told.message
        else:
            told = await refused(caller, MISSING, INTERVENE, verb, *JOB, "{}")
            assert told.message == 'RunnerJob "job" is not known'
    allowed = [role for role in ROLES if RANK.get(role, 0) >= RANK[LEAST[verb]]]
    assert len(await orders(store)) == len(allowed)


async def test_every_verb_has_its_least_role_in_one_place(callers: store_callers.Callers) -> None:
    """The verbs of the store and of the database are the same ones."""
    for verb, role in LEAST.items():
        assert await callers.viewer.one("select ops_private.least_role(%s)", verb) == role
    assert await callers.viewer.one("select ops_private.least_role('explode')") is None


async def test_what_is_cluster_scoped_takes_the_platform_team(
    callers: store_callers.Callers,
) -> None:
    """A Runtime, and a Project too, whoever administers it."""
    for kind, name in (("Runtime", "python"), ("Project", "iris")):
        told = await refused(callers.admin, FORBIDDEN, INTERVENE, "suspend", kind, "", name, "{}")
        assert "platform" in told.message
        await refused(callers.nobody, MISSING, INTERVENE, "suspend", kind, "", name, "{}")
        assert await callers.platform.one(INTERVENE, "suspend", kind, "", name, "{}")


@pytest.mark.parametrize(
    "case",
    [
        ("explode", JOB, "{}", 'intervention: "explode" is not known'),
        (None, JOB, "{}", "intervention"),
        ("suspend", JOB, "[]", "suspend: args must be an object"),
        ("suspend", JOB, '{"x": 1}', 'suspend: args: "x" is not known; known: why'),
        ("suspend", JOB, '{"why": 1}', 'suspend: args: "why" is 1, must be a text'),
        ("suspend", (None, "", None), "{}", "suspend: kind and name of a resource are missing"),
        ("resume", JOB, '{"revert": "yes"}', 'resume: args: "revert" is "yes", must be true'),
        ("extend", JOB, '{"by": "1h"}', "extend is not for RunnerJob; it is for Session"),
        ("extend", JOB, '{"by": "soon"}', 'extend: args: "by" is "soon", must be a duration'),
        ("extend", JOB, '{"by": ""}', "must be a duration"),
        ("extend", JOB, '{"by": "99999d"}', "must be a duration"),
        ("extend", JOB, '{"until": "2026-13-01T00:00:00Z"}', "must be a time like"),
        ("extend", JOB, '{"until": "9999-01-01T00:00:00Z"}', "must be a time like"),
        ("extend", JOB, '{"until": "tomorrow"}', "must be a time like"),
        ("cancel", JOB, "{}", 'cancel: args: "run_id" is missing'),
        ("cancel", JOB, '{"run_id": "1; drop table ops.runs"}', "must be a uuid"),
        ("confirm", JOB, '{"token": "g"}', 'confirm: args: "token" is "g", must be 12 hex digits'),
        ("snooze", JOB, '{"until": "2030-01-01T00:00:00Z"}', '"proposal_id" is missing'),
        ("stop", JOB, "{}", "stop is not for RunnerJob"),
    ],
)
async def test_what_makes_no_sense_is_refused(
    store: postgres.Postgres,
    callers: store_callers.Callers,
    case: tuple[str, tuple[str, str, str], str, str],
) -> None:
    """One line says what is wrong and what would be right; nothing is recorded."""
    verb, subject, args, message = case
    told = await refused(callers.admin, BAD, INTERVENE, verb, *subject, args)
    assert message in told.message
    assert told.reason in {"UnknownVerb", "InvalidArgs"}
    assert await orders(store) == []


async def test_args_have_a_size(callers: store_callers.Callers) -> None:
    """An order is no place to keep things in."""
    note = '{"why": "' + "x" * 500 + '"}'
    assert await callers.editor.one(INTERVENE, "suspend", *JOB, note)
    await refused(callers.editor, BAD, INTERVENE, "suspend", *JOB, note.replace("x", "xx"))
    await refused(callers.editor, BAD, INTERVENE, "suspend", *JOB, note.replace("x", "x" * 20))


async def test_what_is_declared_and_not_recorded_can_be_suspended(
    store: postgres.Postgres, callers: store_callers.Callers
) -> None:
    """Before its row is there, by the project that its document names."""
    late = model.Declared(model.Key("RunnerJob", "iris", "late"), "iris", {}, "d" * 64)
    await store.mirror("late", [late], complete=True, commit=None)
    await refused(callers.viewer, FORBIDDEN, "select ops.suspend('RunnerJob', 'iris', 'late')")
    assert await callers.editor.one("select ops.suspend('RunnerJob', 'iris', 'late')")
    await refused(callers.editor, MISSING, "select ops.suspend('RunnerJob', 'iris', 'later')")


@pytest.mark.parametrize(
    "claims",
    [
        {"app_metadata": {"wbx_role": "platform"}},
        {"sub": "", "app_metadata": {"wbx_role": "platform"}},
        {"sub": "a\nb", "app_metadata": {"wbx_role": "platform"}},
    ],
)
async def test_an_order_has_an_author(
    callers: store_callers.Callers, claims: dict[str, Any]
) -> None:
    """A token that names nobody orders nothing, whatever else it says."""
    told = await refused(callers.of(claims), FORBIDDEN, INTERVENE, "suspend", *JOB, "{}")
    assert "names nobody" in told.message


@pytest.mark.parametrize(
    "claims",
    [
        {"user_metadata": {"wbx_role": "platform"}},
        {"wbx_role": "platform"},
        {"app_metadata": {"wbx_role": ["platform"]}},
        {"app_metadata": {"wbx_role": {"platform": True}}},
        {"app_metadata": {"wbx_role": "Platform"}},
        {"app_metadata": "platform"},
        {"app_metadata": {"role": "platform"}},
        {"role": "service_role"},
    ],
)
async def test_the_platform_team_is_named_by_app_metadata_alone(
    callers: store_callers.Callers, claims: dict[str, Any]
) -> None:
    """Nothing that a user may edit, and nothing that only looks like it, makes one of the platform team."""
    stranger = callers.of({"sub": str(uuid.uuid4()), **claims})
    assert await stranger.rows("select 1 from ops.projects") == []
    assert await stranger.one("select ops_private.is_platform()") is False
    await refused(stranger, MISSING, INTERVENE, "suspend", "Runtime", "", "python", "{}")


async def test_the_platform_team_sees_dead_projects_too(
    store: postgres.Postgres, callers: store_callers.Callers
) -> None:
    """What a removed project left is read by nobody else."""
    world = await worlds.world(store)
    graves = [
        (row.key, row.uid, model.Because.NOT_DECLARED, model.Action.DELETE)
        for row in world.recorded
        if row.key.name == "other" or row.key.namespace == "other"
    ]
    epoch = await worlds.lead(store)
    await store.settle(epoch, worlds.batch(tombstones=graves))
    assert await callers.platform.one("select count(*) from ops.projects") == 2
    assert (
        await callers.platform.one("select count(*) from ops.runs where namespace = 'other'") == 1
    )
    assert await callers.foreign.one("select count(*) from ops.runs") == 0


async def test_cancel_is_recorded_told_and_done(
    store: postgres.Postgres, callers: store_callers.Callers
) -> None:
    """A run that nobody held ends at once; order, events and row are one transaction."""
    run_id = await store_callers.open_run(store, "iris")
    told = await refused(callers.viewer, FORBIDDEN, "select ops.cancel(%s)", run_id)
    assert "editor" in told.message
    await refused(callers.foreign, MISSING, "select ops.cancel(%s)", run_id)
    mailed = callers.of(
        {
            "sub": store_callers.EDNA,
            "email": "Edna@x.org",
            "app_metadata": {"email_verified": True},
        }
    )
    order_id = await mailed.one("select ops.cancel(%s)", run_id)
    (order,) = await orders(store)
    assert order[0] == order_id
    assert order[1:4] == ("cancel", "RunnerJob", "job")
    assert order[4] == {"run_id": run_id, "actor_email": "edna@x.org"}
    assert order[5:] == (f"user:{store_callers.EDNA}", True)
    events = await callers.viewer.rows(
        "select type, actor from ops.run_events where run_id::text = %s order by seq", run_id
    )
    assert events[1:] == [
        ("CancelRequested", f"user:{store_callers.EDNA}"),
        ("RunCancelled", "engine"),
    ]
    assert [chain.verdict async for chain in store.verify([run_id])] == ["intact"]
    again = await refused(callers.editor, ENDED, "select ops.cancel(%s)", run_id)
    assert (again.reason, again.message) == ("RunEnded", f'run "{run_id}" has ended (cancelled)')
    missing = await refused(callers.platform, MISSING, "select ops.cancel(%s)", uuid.uuid4())
    assert missing.reason == "RunNotFound"


async def test_cancel_tells_who_holds_the_run(
    store: postgres.Postgres, callers: store_callers.Callers
) -> None:
    """A run under way ends when its provider has confirmed it: the holder is told with its next beat."""
    run_id = await store_callers.open_run(store, "iris")
    (run,) = await store.claim("w", limit=1, lease=60)
    await callers.editor.rows(
        INTERVENE, "cancel", None, "", None, f'{{"run_id": "{run_id.upper()}"}}'
    )
    beat = await store.beat("w", [(run_id, run.fencing)], lease=60)
    assert beat == ports.Beat(frozenset({run_id}), frozenset({run_id}))
    await callers.editor.rows("select ops.cancel(%s)", run_id)


async def test_a_run_without_a_project_is_the_platforms(
    store: postgres.Postgres, callers: store_callers.Callers
) -> None:
    """What belongs to no project is ended by no project's admin."""
    order = worlds.order(str(uuid.uuid4()), model.Key("Source", "x", "y"), project=None)
    assert await store.enqueue([order])
    await refused(callers.admin, FORBIDDEN, "select ops.cancel(%s)", order.run_id)
    assert await callers.platform.one("select ops.cancel(%s)", order.run_id)


async def keep_plan(
    store: postgres.Postgres, subjects: list[tuple[model.Key, str | None]], token: str, digit: str
) -> None:
    """A kept plan that holds the removal of those things."""
    steps = tuple(
        model.Step(
            action=model.Action.HOLD,
            subject=key,
            because=model.Because.BRAKED,
            destructive=True,
            project=project,
        )
        for key, project in subjects
    )
    plan = model.Plan(
        read_id=digit * 64,
        destroy_token="f" * 12,
        complete=True,
        inputs={"hold_token": token},
        steps=steps,
        waits=(),
        verdicts=(),
        counts={},
    )
    await store.settle(await worlds.lead(store), worlds.batch(plan=plan))


async def test_confirm_takes_an_admin_of_all_that_is_destroyed(
    store: postgres.Postgres, callers: store_callers.Callers
) -> None:
    """By the kept plan of the token; of somebody else's plan nobody learns that it exists."""
    mine, theirs = model.Key(*JOB), model.Key("RunnerJob", "other", "job")
    gone = model.Key("Dataset", "iris", "gone")
    await keep_plan(store, [(mine, "iris"), (gone, "iris")], "a" * 12, "1")
    await keep_plan(store, [(mine, "iris"), (theirs, "other")], "b" * 12, "2")
    await keep_plan(
        store, [(mine, "iris"), (model.Key("Runtime", "", "python"), None)], "c" * 12, "3"
    )
    confirm = "select ops.confirm(%s)"
    for caller in (callers.viewer, callers.editor):
        told = await refused(caller, FORBIDDEN, confirm, "a" * 12)
        assert "admin" in told.message
    await refused(callers.foreign, MISSING, confirm, "a" * 12)
    assert await callers.admin.one(confirm, "A" * 12)
    for caller in (callers.admin, callers.foreign):
        await refused(caller, FORBIDDEN, confirm, "b" * 12)
    told = await refused(callers.admin, FORBIDDEN, confirm, "c" * 12)
    assert "platform" in told.message
    await refused(callers.nobody, MISSING, confirm, "c" * 12)
    told = await refused(callers.platform, MISSING, confirm, "d" * 12)
    assert "wbx plan" in told.message
    for token in ("b" * 12, "c" * 12, "f" * 12):
        assert await callers.platform.one(confirm, token)
    assert (await orders(store))[0][4] == {"token": "a" * 12}


async def test_snooze_quiets_a_proposal(
    store: postgres.Postgres, callers: store_callers.Callers
) -> None:
    """Until a time that is still to come, by an editor of its project."""
    async with store.connections.transaction() as conn:
        (found,) = await connections.fetch(
            conn,
            "insert into ops.fix_proposals (fingerprint, project_id) select 'f', id from ops.projects"
            " where name = 'iris' returning id",
        )
    snooze = "select ops.snooze(%s, %s::timestamptz)"
    later = "2090-01-01T00:00:00Z"
    await refused(callers.viewer, FORBIDDEN, snooze, found[0], later)
    await refused(callers.foreign, MISSING, snooze, found[0], later)
    await refused(callers.editor, MISSING, snooze, uuid.uuid4(), later)
    await refused(callers.editor, BAD, snooze, found[0], "2020-01-01T00:00:00Z")
    await refused(callers.editor, BAD, snooze, found[0], None)
    assert await callers.editor.one(snooze, found[0], later)
    assert await callers.viewer.rows(
        "select state, snoozed_until = '2090-01-01T00:00:00Z' from ops.fix_proposals"
    ) == [("snoozed", True)]


async def test_a_webhook_is_handled_anew(
    store: postgres.Postgres, callers: store_callers.Callers
) -> None:
    """By an editor of the project of its Source, who is written down; what belongs to none is the platform team's. Whoever handles them wakes."""
    async with store.connections.transaction() as conn:
        await conn.execute(
            "insert into ops.webhook_deliveries (forge, delivery_id, event, repository, project_id, handled_at)"
            " select 'github', 'd-' || name, 'push', 'host/x/y', id, now() from ops.projects where name = 'iris'"
            " union all select 'github', 'd-none', 'push', 'host/x/y', null, now()"
        )
    again = "select ops.deliver_again('github', %s)"
    await refused(callers.viewer, FORBIDDEN, again, "d-iris")
    for stranger in (callers.foreign, callers.nobody):
        await refused(stranger, MISSING, again, "d-iris")
    for other in ("d-none", "d-unknown"):
        await refused(callers.admin, MISSING, again, other)
    listening = store.delivered()
    await anext(listening)
    assert await callers.editor.one(again, "d-iris")
    await anext(listening)
    assert await callers.platform.one(again, "d-none")

    (mine,) = await callers.viewer.rows(
        "select delivery_id, handled_at, again_by like 'user:%%' from ops.webhook_deliveries"
    )
    assert mine == ("d-iris", None, True)
    waiting = await store.open_deliveries()
    assert {each.id for each in waiting} == {"d-iris", "d-none"}
    await store.deliver_again("github", "d-iris", actor="user:else")
    await store.handle_deliveries(waiting)
    assert [each.id for each in await store.open_deliveries()] == ["d-iris"]


async def test_rerun_promises_an_id_and_the_engine_keeps_it(
    store: postgres.Postgres, callers: store_callers.Callers
) -> None:
    """The new run appears under the id that the caller got, once, however often the order is read."""
    (run_id,) = [
        run
        for (run,) in await callers.editor.rows(
            "select run_id from ops.runs where operation = 'execute'"
        )
    ]
    await refused(callers.viewer, FORBIDDEN, "select ops.rerun(%s)", run_id)
    await refused(callers.foreign, MISSING, "select ops.rerun(%s)", run_id)
    promised = str(await callers.editor.one("select ops.rerun(%s)", run_id))
    assert promised[14] == "7"
    world = await worlds.world(store)
    assert [order.args["new_run_id"] for order in reproduction.ordered(world)] == [promised]
    for _ in range(2):
        await reproduction.carry_out(store, world, installation="i" * 8)
    assert reproduction.ordered(await worlds.world(store)) == []
    ((operation, attempt),) = await callers.viewer.rows(
        "select operation, attempt from ops.runs where run_id = %s", promised
    )
    assert (operation, attempt) == ("reproduce", 2)
    told = await refused(callers.editor, ENDED, "select ops.rerun(%s)", promised)
    assert "has not ended" in told.message
    (order,) = await orders(store)
    assert order[1:4] == ("rerun", "RunnerJob", "job")


async def test_an_order_to_reproduce_is_not_settled(
    store: postgres.Postgres, callers: store_callers.Callers
) -> None:
    """Whoever waits until all is done waits for it too; an order that cannot be carried out is dropped."""
    settle = [
        run
        for (run,) in await callers.platform.rows(
            "select run_id from ops.runs where operation = 'settle'"
        )
    ]
    await refused(callers.platform, ENDED, "select ops.rerun(%s)", settle[0])
    (run_id,) = [
        run
        for (run,) in await callers.editor.rows(
            "select run_id from ops.runs where operation = 'execute'"
        )
    ]
    plan = model.Plan("", "", complete=True, inputs={}, steps=(), waits=(), verdicts=(), counts={})
    assert loop.Pass(await worlds.world(store), plan, worlds.batch()).settled
    await callers.editor.rows("select ops.rerun(%s)", run_id)
    assert not loop.Pass(await worlds.world(store), plan, worlds.batch()).settled
    async with store.connections.transaction() as conn:
        forged = f'{{"run_id": "{settle[0]}", "new_run_id": "{uuid.uuid4()}"}}'
        await conn.execute("update ops.interventions set args = %s::jsonb", (forged,))
    await reproduction.carry_out(store, await worlds.world(store), installation="i" * 8)
    assert reproduction.ordered(await worlds.world(store)) == []


@pytest.mark.parametrize("role", ["anon", "service_role"])
async def test_only_signed_in_callers_order(callers: store_callers.Callers, role: str) -> None:
    """Anon has no way to the functions, and the engine has its own."""
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        await callers.of(store_callers.PLATFORM, role).rows(INTERVENE, "suspend", *JOB, "{}")


async def test_the_implementations_are_closed(server: embedded.Server, database: str) -> None:
    """Definer functions lie in the unexposed schema; the exposed ones run as their caller; none is public's."""
    async with await psycopg.AsyncConnection.connect(
        server.url_for("wbx_migrate", database)
    ) as conn:
        exposed = await conn.execute(
            "select proname from pg_proc where pronamespace = 'ops'::regnamespace and prosecdef"
        )
        assert await exposed.fetchall() == []
        callable_ones = await conn.execute(
            "select proname from pg_proc where pronamespace = 'ops_private'::regnamespace and provolatile = 'v'"
            " and has_function_privilege('authenticated', oid, 'execute') order by 1"
        )
        names = [name for (name,) in await callable_ones.fetchall()]
        of_runners = [name for name in names if name.startswith("runner_")]  # these ask for a token
        of_console = [
            "receive_delivery",
            "tally_delivery",
        ]  # these ask for the console's own claims
        ordering = sorted({*names} - {*of_runners, *of_console})
        assert ordering == ["deliver_again", "intervene", "rerun"]
        assert len(of_runners) == 8
