"""Done means, issue 6: the sample on each provider that can, one line apart, and what is written down of it is the same.

Each provider has an installation of its own where nothing stands in (`WBX_STAND_IN=none`). What may differ says
tests/support/evidence.py, and decision 181.
"""

import contextlib
import json
from collections.abc import Iterator
from concurrent import futures

import evidence
import evidence_droplets
import evidence_sample
import evidence_worlds
import pytest
import store_server
from cluster_fixtures import cluster

from workbenchx.planner import abilities

__all__ = ["cluster"]
AT_ONCE = 2
CODE = ("AppDeployment", "ExperimentRun", "RunnerJob", "Session")
ADAPTERS = ("do_runner", "kubernetes", "local", "vercel_sandbox")
NAMED = "vercel_sandbox"
"""What `ssot/` names."""
STORED_ELSEWHERE = {"do_runner"}
"""Whose bytes lie at the StorageProvider that the sample names, since its machines put them there."""
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
            stack.enter_context(evidence_droplets.droplets(request, folder)),
            evidence_worlds.HERE,
        ]
        base = evidence_sample.make(folder / "base", places)
        pool = stack.enter_context(futures.ThreadPoolExecutor(AT_ONCE))
        yield {each.adapter: pool.submit(each.live, base, folder) for each in places}


def able(adapter: str) -> set[str]:
    """The kinds of the sample whose code runs there, by what its adapter can."""
    return {kind for kind in CODE if kind != "AppDeployment" or adapter in abilities.OPENS_PORTS}


def of(lived: evidence_worlds.Lived, table: str, adapter: str) -> list[evidence.Row]:
    """The rows of a table that can be compared with those of `adapter`: of the kinds whose code runs there."""
    others = [f'"{kind}/' for kind in CODE if kind not in able(adapter)]
    rows = [row for row in lived.told[table] if not any(word in row for word in others)]
    found: list[evidence.Row] = list(map(json.loads, rows))
    if table == "artifacts" and adapter in STORED_ELSEWHERE:
        places = {(row.pop("bucket"), row.pop("storage")) for row in found}
        assert len(places) == 1
    return found


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_one_line_is_changed_and_the_evidence_is_the_same(worlds: Worlds, adapter: str) -> None:
    """Job, session, matrix run, run of a person's and app, as far as it can: the rows of all four tables equal those of this machine."""
    here, there = worlds["local"].result(), worlds[adapter].result()
    one_line = f"1\t1\t{evidence_sample.PROJECT}"
    assert there.changed == ("" if adapter == NAMED else one_line)
    for table in evidence.TABLES:
        assert of(there, table, adapter) == of(here, table, adapter), (adapter, table)


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_what_it_cannot_is_refused_with_the_way_out(worlds: Worlds, adapter: str) -> None:
    """Everything becomes Ready but what the adapter's capabilities leave out: an app on a machine that opens no ports."""
    there = worlds[adapter].result()
    if adapter in abilities.OPENS_PORTS:
        assert (there.code, there.refused) == (0, []), there.said
        return
    assert len(there.refused) == 1, there.refused
    (refused,) = there.refused
    assert (refused["kind"], refused["reason"]) == ("AppDeployment", "InvalidSpec")
    assert "opens no ports" in refused["message"]
    assert "kubernetes, vercel_sandbox" in refused["message"]


def test_all_but_one_can_do_everything() -> None:
    """What each of them can, as the adapters' capabilities have it (the contract suite compares both)."""
    assert {adapter for adapter in ADAPTERS if able(adapter) != set(CODE)} == {"do_runner"}


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
