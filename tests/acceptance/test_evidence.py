"""Done means, issue 6: the sample on each provider that can, one line apart, and what is written down of it is the same.

Each provider has an installation of its own where nothing stands in (`WBX_STAND_IN=none`). What may differ says
tests/support/evidence.py, and decision 181.
"""

import contextlib
import json
from collections.abc import Iterator
from concurrent import futures

import evidence_sample
import evidence_worlds
import pytest
import store_server

from workbenchx.planner import abilities

AT_ONCE = 2
CODE = ("AppDeployment", "ExperimentRun", "RunnerJob", "Session")
ADAPTERS = ("local", "kubernetes", "vercel_sandbox")
NAMED = "vercel_sandbox"
"""What `ssot/` names."""
Worlds = dict[str, futures.Future[evidence_worlds.Lived]]


@pytest.fixture(scope="module")
def worlds(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Worlds]:
    """Each provider's installation, by its adapter; two live at once."""
    folder = store_server.reachable(tmp_path_factory.mktemp("evidence"))
    with contextlib.ExitStack() as stack:
        places = [
            stack.enter_context(evidence_worlds.kubernetes(request.config, folder)),
            stack.enter_context(evidence_worlds.vercel(folder / "vercel")),
            evidence_worlds.HERE,
        ]
        base = evidence_sample.make(folder / "base", places)
        pool = stack.enter_context(futures.ThreadPoolExecutor(AT_ONCE))
        yield {
            each.adapter: pool.submit(evidence_worlds.live, base, each, folder) for each in places
        }


def able(adapter: str) -> set[str]:
    """The kinds of the sample whose code runs there, by what its adapter can."""
    return {kind for kind in CODE if kind != "AppDeployment" or adapter in abilities.OPENS_PORTS}


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_one_line_is_changed_and_the_evidence_is_the_same(worlds: Worlds, adapter: str) -> None:
    """Job, session, matrix run, run of a person's and app: the rows of all four tables equal those of this machine."""
    here, there = worlds["local"].result(), worlds[adapter].result()
    one_line = f"1\t1\t{evidence_sample.PROJECT}\n"
    assert there.changed == ("" if adapter == NAMED else one_line)
    assert (there.code, there.refused) == (0, []), there.said
    for table in here.told:
        assert there.told[table] == here.told[table], (adapter, table)


def test_there_is_evidence_of_each_kind(worlds: Worlds) -> None:
    """Attempts, events and objects of four kinds; artifacts of what leaves some; every run ended well."""
    told = {
        table: [json.loads(row) for row in rows]
        for table, rows in worlds["local"].result().told.items()
    }
    kinds = {row["run_id"].partition("/")[0] for row in told["sandbox_runs"]}
    assert kinds == set(CODE)
    assert {row["kind"] for row in told["provider_objects"]} == set(CODE)
    assert {row["run_id"].partition("/")[0] for row in told["artifacts"]} == {
        "ExperimentRun",
        "RunnerJob",
    }
    ends = {row["type"] for row in told["run_events"] if row["type"].startswith("Run")}
    assert ends == {"RunClaimed", "RunQueued", "RunSucceeded"}
