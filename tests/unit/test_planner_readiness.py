"""Readiness: references, runtimes, providers, dependencies; what is not there keeps nothing else from being told."""

import dataclasses
from typing import Any

import planner_worlds as worlds
import pytest

from workbenchx.planner import model


@pytest.mark.parametrize("runtime", [{"approved": False}, {"providers": {"do_runner": {}}}])
def test_a_runtime_that_is_not_approved_keeps_its_users_from_running(
    runtime: dict[str, Any],
) -> None:
    """Jobs, sessions and apps are recorded, say RuntimeNotApproved, and start by themselves once it is approved."""
    users = [worlds.job(), worlds.session(), *worlds.app(), worlds.experiment()]
    life = worlds.Life(*worlds.platform(**runtime), *users)
    found = life.apply()

    for name in (
        "RunnerJob/ingest",
        "Session/notebook",
        "AppDeployment/shop",
        "Experiment/species",
    ):
        assert (False, "RuntimeNotApproved") == worlds.standing(found, name)
    assert [] == [step for step in found.steps if step.operation]
    life.add(*worlds.platform())
    assert 5 == len([step for step in life.plan().steps if step.operation])


def test_a_missing_runtime_is_not_approved_either() -> None:
    """The users of a Runtime that is deleted say RuntimeNotApproved, also those that ran well before."""
    life = worlds.Life(*worlds.platform(), worlds.job())
    life.settle()
    life.add(worlds.declare("Project/penguins", {}))
    life.drop("Runtime/py")
    life.apply()
    found = life.plan()

    assert (False, "RuntimeNotApproved") == worlds.standing(found, "RunnerJob/ingest")
    assert [] == worlds.said(found)


def test_a_project_allows_only_the_runtimes_it_lists() -> None:
    """Named runtimes: only those; none named: every approved one."""
    life = worlds.Life(*worlds.platform(), worlds.job(runtime="other"))
    life.add(worlds.declare("Runtime/other", {"image": worlds.IMAGE, "approved": True}))

    assert (False, "RuntimeNotApproved") == worlds.standing(life.plan(), "RunnerJob/ingest")
    life.add(worlds.declare("Project/penguins", {}))
    assert (False, "Queued") == worlds.standing(life.plan(), "RunnerJob/ingest")


@pytest.mark.parametrize(
    ("spec", "part"),
    [
        ({"resources": {"cpu": 8}}, "spec.resources.cpu"),
        ({"resources": {"memory": "64Gi"}}, "spec.resources.memory"),
        ({"resources": {"gpu": 1}}, "spec.resources.gpu"),
        ({"network": {"egress": ["evil.example.com"]}}, "spec.network.egress"),
    ],
)
def test_the_runtime_is_the_ceiling(spec: dict[str, Any], part: str) -> None:
    """What asks for more than its Runtime allows is refused by name."""
    limits = {"cpu": 4, "memory": "8Gi", "gpu": 0}
    network = {"egress": ["*.example.org", "pypi.example:443"]}
    life = worlds.Life(*worlds.platform(limits=limits, network=network), worlds.job(**spec))
    found = worlds.verdict(life.plan(), "RunnerJob/ingest")

    assert (False, "RuntimeNotApproved") == (found.ready, found.reason)
    assert part in found.message


def test_egress_below_the_ceiling_is_granted() -> None:
    """A host below an allowed domain and an allowed port are in the order."""
    hosts = ["data.example.org", "pypi.example:443"]
    network = {"egress": ["*.example.org", "pypi.example:443"]}
    life = worlds.Life(*worlds.platform(network=network), worlds.job(network={"egress": hosts}))
    order = next(step.document for step in life.plan().steps if step.operation)

    assert order is not None
    assert hosts == order["egress"]


def test_missing_references_are_named() -> None:
    """The field and the name of what is not declared."""
    life = worlds.Life(
        *worlds.platform(),
        worlds.job(inputs=[{"name": "x", "from": "Dataset/gone"}]),
        worlds.declare("Dataset/lost", {"uri": "s3://x"}, project="nobody"),
    )
    found = life.plan()

    assert "spec.inputs[0].from: Dataset/gone is not declared" == (
        worlds.verdict(found, "RunnerJob/ingest").message
    )
    lost = next(item for item in found.verdicts if item.key.name == "lost")
    assert (False, "ReferenceMissing") == (lost.ready, lost.reason)


def test_what_a_provider_can_never_do_is_refused_in_the_plan() -> None:
    """No port opens on a droplet, and Vercel has no GPU; what stands in is asked instead of the declared one."""
    prices = [{"unit": "instance-hour", "name": "gpu-1", "usd": 1}]
    declared = [
        worlds.declare("SandboxProvider/droplets", {"adapter": "do_runner", "prices": prices}),
        worlds.session(ports=[8888], provider="droplets"),
        *worlds.app(provider="droplets"),
        worlds.job(resources={"gpu": 1}),
        worlds.job("on-droplets", resources={"gpu": 1}, provider="droplets"),
    ]
    found = worlds.Life(*worlds.platform(), *declared, stand_in=None).plan()

    refused = (False, "InvalidSpec")
    for name in ("Session/notebook", "AppDeployment/shop", "RunnerJob/ingest"):
        assert refused == worlds.standing(found, name)
    assert "opens no ports" in worlds.verdict(found, "Session/notebook").message
    assert (False, "Queued") == worlds.standing(found, "RunnerJob/on-droplets")
    embedded = worlds.Life(*worlds.platform(), *declared, stand_in="local").plan()
    assert "InvalidSpec" not in {each.reason for each in embedded.verdicts}


def test_no_provider_at_all() -> None:
    """No named one and no default: ProviderMissing."""
    life = worlds.Life(*worlds.platform(), worlds.job())
    life.add(worlds.declare("SandboxProvider/vercel", {"adapter": "vercel_sandbox"}))

    assert (False, "ProviderMissing") == worlds.standing(life.plan(), "RunnerJob/ingest")


def test_which_provider_is_used() -> None:
    """The resource's own, else its project's, else the default one."""
    life = worlds.Life(*worlds.platform(), worlds.job(), worlds.job("own", provider="third"))
    for name in ("second", "third"):
        life.add(worlds.declare(f"SandboxProvider/{name}", {"adapter": "do_runner"}))
    life.add(worlds.declare("Project/penguins", {"providers": {"sandbox": "second"}}))
    orders = {s.subject.name: s.document for s in life.plan().steps if s.document}

    assert {"ingest": "second", "own": "third"} == {
        name: document["provider"] for name, document in orders.items()
    }


def test_unused_providers_are_ready() -> None:
    """A provider that nothing uses is Ready/Unused; the default one is used by each project."""
    life = worlds.Life(*worlds.platform())
    life.add(worlds.declare("SandboxProvider/spare", {"adapter": "do_runner"}))
    found = life.plan()

    assert (True, "Unused") == worlds.standing(found, "SandboxProvider/spare")
    assert (True, "Ready") == worlds.standing(found, "SandboxProvider/vercel")
    assert "done by local (for vercel_sandbox)" == (
        worlds.verdict(found, "SandboxProvider/vercel").message
    )


def test_rows_say_who_stands_in() -> None:
    """What runs and what lives has its provider in its facts, also while it is stopped; what only is recorded has none."""
    rows = [worlds.job(), worlds.experiment(), *worlds.app(), worlds.session()]
    life = worlds.Life(*worlds.platform(), *rows)
    life.settle()
    life.order("stop", "Session/notebook")
    life.settle()
    cell = next(key for key in life.recorded if key.kind == "ExperimentRun")
    names = ("RunnerJob/ingest", "AppDeployment/shop", "Session/notebook")
    found = {life.recorded[key].facts["provider"] for key in [cell, *map(worlds.key, names)]}

    assert {"local (for vercel_sandbox)"} == found
    assert "provider" not in life.recorded[worlds.key("App/shop")].facts


def test_what_is_pulled_by_digest_runs_by_the_digest_that_is_expected() -> None:
    """A name and expectedDigest: the order names both, for adapters that pull; for another the name alone."""
    digest = f"sha256:{'7' * 64}"
    named = {"image": "mirror.example.org/py:3.12", "expectedDigest": digest}
    every = dict.fromkeys(("do_runner", "kubernetes", "vercel_sandbox"), named)
    life = worlds.Life(*worlds.platform(providers=every), stand_in=None)
    prices = [{"unit": "instance-hour", "usd": 1}]
    for adapter in every:
        life.add(
            worlds.declare(f"SandboxProvider/{adapter}", {"adapter": adapter, "prices": prices})
        )
        life.add(worlds.job(adapter.replace("_", "-"), provider=adapter))
    orders = {s.subject.name: s.document for s in life.plan().steps if s.document}
    images = {name: document["runtime"]["image"] for name, document in orders.items()}

    pinned = f"{named['image']}@{digest}"
    assert images == {
        "do-runner": pinned,
        "kubernetes": pinned,
        "vercel-sandbox": named["image"],
    }


def test_an_image_that_nothing_verifies_is_said() -> None:
    """In the plan that brings it, and in the row for as long as it is so; not where another adapter stands in."""
    digest = f"sha256:{'7' * 64}"
    vendors = {"vercel_sandbox": {"image": "vercel/universal:latest", "expectedDigest": digest}}
    for stand_in, reasons in ((None, ["ImageUnverified"]), ("local", [])):
        life = worlds.Life(*worlds.platform(providers=vendors), stand_in=stand_in)
        found = life.apply()

        assert reasons == [wait.reason for wait in found.waits]
        assert bool(reasons) == (digest in worlds.verdict(found, "Runtime/py").message)
        assert worlds.standing(found, "Runtime/py") == (True, "Ready")
        assert [] == list(life.plan().waits)


def test_without_a_stand_in_the_provider_is_itself() -> None:
    """Where nothing stands in, the declared adapter is all that is said."""
    life = worlds.Life(*worlds.platform(), worlds.job(), stand_in=None)
    life.apply()

    assert "vercel_sandbox" == life.recorded[worlds.key("RunnerJob/ingest")].facts["provider"]
    assert "" == worlds.verdict(life.plan(), "SandboxProvider/vercel").message


def test_a_storage_says_who_keeps_the_bytes() -> None:
    """Embedded, that is this machine, whatever is declared and whatever else stands in."""
    storage = worlds.declare(
        "StorageProvider/bucket", {"adapter": "s3_compatible", "default": True}
    )
    life = worlds.Life(*worlds.platform(), storage, stand_in=None, kept_by="local")

    told = worlds.verdict(life.plan(), "StorageProvider/bucket").message
    assert told == "done by local (for s3_compatible)"


def test_depends_on_waits_until_ready() -> None:
    """What is named in lifecycle.dependsOn must be Ready first, then it goes on by itself."""
    life = worlds.Life(
        *worlds.platform(),
        worlds.job(),
        worlds.job("after", lifecycle={"dependsOn": ["RunnerJob/ingest"]}),
    )
    first = life.apply()
    life.finish()

    assert {"DependencyNotReady"} == worlds.waits(first, "RunnerJob/after")
    assert ["run RunnerJob/after New execute"] == worlds.said(life.plan())


def test_a_circle_hangs_nothing() -> None:
    """Resources that wait for each other wait; the plan is made all the same."""
    life = worlds.Life(
        *worlds.platform(),
        worlds.job("a", lifecycle={"dependsOn": ["RunnerJob/b"]}),
        worlds.job("b", lifecycle={"dependsOn": ["RunnerJob/a"]}),
    )
    found = life.plan()

    assert 0 == found.counts["run"]
    assert (False, "DependencyNotReady") == worlds.standing(found, "RunnerJob/a")


def test_a_long_chain_is_planned_in_one_pass() -> None:
    """Three thousand row-only resources, each waiting for the one before: all Ready at once."""
    rows = [
        worlds.declare(
            f"Dataset/d{n}",
            {"uri": "s3://x", "lifecycle": {"dependsOn": [f"Dataset/d{n - 1}"] if n else []}},
        )
        for n in range(3000)
    ]
    found = worlds.Life(*worlds.platform(), *rows).plan()

    assert all(verdict.ready for verdict in found.verdicts)


def test_only_observed_means_only_observed() -> None:
    """management: observe makes a row and nothing else; what was only observed is let go, never deleted."""
    life = worlds.Life(*worlds.platform(), worlds.session(lifecycle={"management": "observe"}))
    found = life.apply()
    life.drop("Session/notebook")

    assert ["create New"] == worlds.steps_of(found, "Session/notebook")
    assert (True, "Observed") == worlds.standing(found, "Session/notebook")
    assert [] == [step for step in found.steps if step.operation]
    assert ["forget NotDeclared"] == worlds.steps_of(life.plan(), "Session/notebook")


def test_every_verdict_is_in_published_words() -> None:
    """State and reason of every verdict are members of the published enums."""
    from workbenchx.api import reasons, states  # noqa: PLC0415

    life = worlds.Life(
        *worlds.platform(), worlds.job(), worlds.session(), *worlds.app(), worlds.experiment()
    )
    for _ in range(6):
        found = life.apply()
        life.finish()
        for verdict in found.verdicts:
            assert verdict.state in set(states.State)
            assert verdict.reason in set(reasons.Reason)
            assert type(verdict.reason) is str
        assert isinstance(found, model.Plan)


def test_a_namespace_that_is_not_the_projects_gets_nothing() -> None:
    """Who may write in a namespace spends no money of a project that does not list it; listed, the job runs."""
    life = worlds.Life(*worlds.platform())
    stranger = dataclasses.replace(worlds.job(), key=model.Key("RunnerJob", "elsewhere", "ingest"))
    life.add(stranger)
    found = life.plan()

    verdict = next(item for item in found.verdicts if item.key == stranger.key)
    assert (verdict.ready, verdict.reason) == (False, "OutsideProject")
    assert (
        'metadata.namespace: "elsewhere" is not a namespace of Project/penguins' in verdict.message
    )
    assert not any(step.operation for step in found.steps)

    spec = {"runtimes": ["py"], "namespaces": ["penguins", "elsewhere"]}
    life.add(worlds.declare("Project/penguins", spec))
    assert any(step.operation == "execute" for step in life.plan().steps)


def test_a_resource_of_another_project_is_not_used() -> None:
    """In a namespace that two projects share, one takes nothing that is the other's."""
    shared = {"namespaces": ["penguins"]}
    life = worlds.Life(
        *worlds.platform(),
        worlds.declare("Project/whales", shared),
        worlds.declare("Dataset/theirs", {"project": "whales", "uri": "s3://x", "format": "csv"}),
        worlds.job(inputs=[{"name": "in", "from": "Dataset/theirs"}]),
    )
    verdict = worlds.verdict(life.plan(), "RunnerJob/ingest")
    assert (verdict.ready, verdict.reason) == (False, "OutsideProject")
    assert "Dataset/theirs belongs to Project/whales" in verdict.message
