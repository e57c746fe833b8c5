"""Money of answers (`ports.Answers`): set aside before, metered after, never past the budget."""

import asyncio
import datetime
import decimal

import answers_world
import psycopg
import pytest
import store_worlds as worlds
from store_fixtures import database, server, store  # noqa: F401 - fixtures

from workbenchx import errors, ports
from workbenchx.store import answers, callers, embedded, postgres

USD = decimal.Decimal


@pytest.fixture
async def made(
    store: postgres.Postgres,  # noqa: F811 - the fixture
    server: embedded.Server,  # noqa: F811
    database: str,  # noqa: F811
) -> answers_world.Made:
    """A project with 5 USD a month."""
    return await answers_world.fill(store, server, database)


@pytest.fixture
def money(store: postgres.Postgres, made: answers_world.Made) -> answers.Answers:  # noqa: F811
    """The store's part about answers."""
    return answers.Answers(store.connections, "gateway:test")


async def test_an_answer_is_a_run(money: answers.Answers, made: answers_world.Made) -> None:
    """Reserving writes a running run and a reservation; settling ends both, meters, and tells it in the run's chain."""
    ask = made.ask()
    assert await money.reserve([ask], seconds=60) == {}
    assert made.rows("select state, operation, kind, name from ops.runs where operation = 'answer'") == [
        ("running", "answer", "ModelDeployment", "chat")
    ]  # fmt: skip
    assert await money.settle([answers_world.ended(ask)]) == 1
    query = (
        "select state, cost, metrics ->> 'output_tokens' from ops.runs where operation = 'answer'"
    )
    assert made.rows(query) == [("succeeded", USD("0.25"), "20")]
    query = "select cost, alias, model, input_tokens, estimated from ops.usage"
    assert made.rows(query) == [(USD("0.25"), "chat", "tiny", 10, False)]
    assert made.rows("select metered from ops.spending") == [(USD("0.25"),)]
    assert made.rows("select count(*) from ops.reservations where released_at is null") == [(0,)]
    query = "select type, data ->> 'cost' from ops.run_events where run_id = %s"
    assert made.rows(query, ask.run_id) == [("Answered", "0.25")]


async def test_settled_once(money: answers.Answers, made: answers_world.Made) -> None:
    """The same end again, or another one of the same run, changes nothing."""
    ask = made.ask()
    await money.reserve([ask], seconds=60)
    assert await money.settle([answers_world.ended(ask)]) == 1
    assert await money.settle([answers_world.ended(ask, "3", state="failed")]) == 0
    assert made.rows("select sum(cost) from ops.usage") == [(USD("0.25"),)]


async def test_never_past_the_budget(money: answers.Answers, made: answers_world.Made) -> None:
    """Many gateways ask at once: what is set aside never passes 5 USD; the refusal says the numbers."""
    asked = [made.ask() for _ in range(40)]
    rounds = [money.reserve(asked[at : at + 2], seconds=60) for at in range(0, 40, 2)]
    refused: dict[str, ports.Refused] = {}
    for one in await asyncio.gather(*rounds):
        refused |= one
    assert len(refused) == 35
    assert {each.reason for each in refused.values()} == {"BudgetExceeded"}
    assert "monthlyUSD of Project/iris is 5" in next(iter(refused.values())).message
    assert made.rows("select sum(usd) from ops.reservations") == [(USD(5),)]
    taken = [ask for ask in asked if ask.run_id not in refused]
    await money.settle([answers_world.ended(ask, "0.5") for ask in taken])
    assert await money.reserve([made.ask("2.5")], seconds=60) == {}
    assert len(await money.reserve([made.ask("0.000001")], seconds=60)) == 1


async def test_what_costs_nothing_always_may(
    money: answers.Answers, made: answers_world.Made
) -> None:
    """With the budget used up, what is free goes on."""
    await money.reserve([made.ask("5")], seconds=60)
    assert await money.reserve([made.ask("0")], seconds=60) == {}
    assert len(await money.reserve([made.ask("0.01")], seconds=60)) == 1


async def test_more_in_the_middle(money: answers.Answers, made: answers_world.Made) -> None:
    """An answer that grows sets more aside, until the budget ends; one that was settled gets nothing."""
    ask, gone = made.ask("3"), made.ask("1")
    await money.reserve([ask, gone], seconds=60)
    await money.settle([answers_world.ended(gone, "1")])
    assert await money.extend({ask.run_id: USD(1), gone.run_id: USD(1)}) == {}
    refused = await money.extend({ask.run_id: USD("0.5")})
    assert refused[ask.run_id].reason == "BudgetExceeded"
    assert made.rows("select usd from ops.reservations where released_at is null") == [(USD(4),)]


@pytest.mark.parametrize(
    ("role", "reason"),
    [("outsider", "NotFound"), ("viewer", "Forbidden"), ("editor", None), ("admin", None), ("platform", None)],
)  # fmt: skip
async def test_who_may_ask(
    money: answers.Answers, made: answers_world.Made, role: str, reason: str | None
) -> None:
    """Asking spends the project's money: an editor may. Who is no member does not learn that it is there."""
    ask = made.ask("0", role)
    refused = await money.reserve([ask], seconds=60)
    assert (refused[ask.run_id].reason if refused else None) == reason


async def test_each_with_their_own_claims(money: answers.Answers, made: answers_world.Made) -> None:
    """In one statement for many, nobody is taken for their neighbour."""
    asked = [made.ask("0", role) for role in ("outsider", "editor", "viewer", "admin") * 5]
    refused = await money.reserve(asked, seconds=60)
    wrong = {ask.run_id for ask in asked if ask.claims["sub"][0] in "01"}
    assert set(refused) == wrong


async def test_a_gateway_that_is_gone(money: answers.Answers, made: answers_world.Made) -> None:
    """A reservation that nobody renews is counted as spent, once; its run is lost. A late end changes nothing."""
    ask, kept = made.ask("2"), made.ask("1")
    await money.reserve([ask, kept], seconds=-1)
    assert await money.keep([kept.run_id], seconds=600) == {kept.run_id: False}
    assert await money.expire() == 1
    assert await money.expire() == 0
    assert await money.settle([answers_world.ended(ask)]) == 0
    assert made.rows("select cost, estimated, alias from ops.usage") == [(USD(2), True, "chat")]
    query = "select state, reason from ops.runs where run_id = %s"
    assert made.rows(query, ask.run_id) == [("lost", "Lost")]
    assert await money.keep([ask.run_id], seconds=60) == {}


async def test_somebody_wants_its_end(
    money: answers.Answers,
    made: answers_world.Made,
    store: postgres.Postgres,  # noqa: F811
) -> None:
    """`wbx cancel` of an answer is told to its gateway when it renews."""
    ask = made.ask()
    await money.reserve([ask], seconds=60)
    await store.intervene("cancel", None, {"run_id": ask.run_id}, actor="user:test")
    assert await money.keep([ask.run_id], seconds=60) == {ask.run_id: True}


async def test_no_worker_takes_an_answer(
    money: answers.Answers,
    made: answers_world.Made,
    store: postgres.Postgres,  # noqa: F811
) -> None:
    """Nobody claims the run of an answer, even when a process is buried; the planner does not see it."""
    ask = made.ask()
    await money.reserve([ask], seconds=-1)
    for holder in await store.holders():
        assert "/" not in holder or await store.release(holder) == 0
    assert await store.claim("w", limit=10, lease=60) == []
    assert (await worlds.world(store)).executions == ()


async def test_others_usage_counts(money: answers.Answers, made: answers_world.Made) -> None:
    """What anything else meters for the project counts against the same budget; another month does not."""
    for days in (0, 40):
        made.execute(
            "insert into ops.usage (project_id, provider, from_at, until_at, usd_per_hour, cost) select id, 'x', at, at, 1,"
            " 4.5 from ops.projects, (select now() - make_interval(days => %s)) as t(at)",
            days,
        )
    assert len(await money.reserve([made.ask("0.6")], seconds=60)) == 1
    assert await money.reserve([made.ask("0.5")], seconds=60) == {}


async def test_callers_cannot_settle(
    made: answers_world.Made,
    server: embedded.Server,  # noqa: F811
    database: str,  # noqa: F811
) -> None:
    """No caller of the API reserves, extends or settles, whatever their role: only the gateway does."""
    asked = callers.Callers(server.url_for("wbx_api", database))
    caller = asked.ordering(answers_world.claims("platform"))
    for call in (
        "settle_answers('[]')",
        "reserve_answers('[]', 'x', 1)",
        "extend_answers('[]')",
        "expire_answers()",
    ):
        with pytest.raises(errors.Stalled, match="permission denied"):
            async with caller.transaction() as conn:
                await conn.execute(f"select ops_private.{call}")
    await asked.close()


async def test_answers_wake_nobody(money: answers.Answers, made: answers_world.Made) -> None:
    """Neither the beginning nor the end of an answer is a change that the engine or a page has to look at."""
    async with await psycopg.AsyncConnection.connect(made.url, autocommit=True) as conn:
        await conn.execute("listen ops_changed")
        ask = made.ask()
        await money.reserve([ask], seconds=60)
        await money.settle([answers_world.ended(ask)])
        await conn.execute("notify ops_changed, 'ours'")
        async for heard in conn.notifies():
            assert heard.payload == "ours"
            break


async def test_what_probes_leave(
    money: answers.Answers,
    made: answers_world.Made,
    store: postgres.Postgres,  # noqa: F811 - the fixture
) -> None:
    """What changed how a revision stands is told in a chain and stays; of the others the last good and bad ones. Money stays."""
    ((deployment,),) = made.rows("select id::text from ops.model_deployments")
    probing = ports.Probing(deployment, "r1", made.project_id, 0)
    await money.take_probes([probing])
    other = made.ask(usd="0.25")
    asks = [other]
    await money.reserve(asks, seconds=60)
    for number, well in enumerate((True, True, True, False, False, False, True, True)):
        ask = made.ask(usd="0.25", document={"alias": "chat", "verb": "probe"})
        asks.append(ask)
        assert await money.reserve([ask], seconds=60) == {}
        ended = answers_world.ended(ask, state="succeeded" if well else "failed")
        told = "" if well else f"wrong in its own way: {number}"
        if number % 2:  # the settling may come last
            await money.probed(probing, ask.run_id, well=well, message=told, most=2)
        assert await money.settle([ended]) == 1
        if not number % 2:
            await money.probed(probing, ask.run_id, well=well, message=told, most=2)
    await money.settle([answers_world.ended(other)])
    query = "select array_position(%s::uuid[], run_id::uuid), data ->> 'passed' from ops.run_events where type = 'ProbeChanged' order by 1"
    changed = [(2, "true"), (5, "true"), (6, "false"), (8, "true")]
    runs = [ask.run_id for ask in asks]
    assert made.rows(query, runs) == changed
    before = datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=1)
    assert await store.prune_probes(before - datetime.timedelta(hours=2), keep=1) == 0
    assert await store.prune_probes(before, keep=1) == 2
    assert await store.prune_probes(before, keep=1) == 0
    query = "select array_position(%s::uuid[], run_id) from ops.runs where operation = 'answer' order by 1"
    assert [number for (number,) in made.rows(query, runs)] == [1, 2, 5, 6, 7, 8, 9]
    assert made.rows("select count(*), sum(cost) from ops.usage") == [(9, USD("2.25"))]
    assert made.rows("select metered from ops.spending") == [(USD("2.25"),)]
    unended = (
        "select count(*) from ops.runs where event_head is distinct from nullif(event_hash, '')"
    )
    assert made.rows(unended) == [(0,)]
    async with store.verification() as session:
        verdicts = [each async for each in session.chains(None, last=0, lost=())]
    assert [each for each in verdicts if each.broken_at is not None or each.gone] == []
