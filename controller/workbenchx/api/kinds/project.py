"""Project: what belongs together, who may do what, and what it may cost."""

from typing import Annotated, Literal

import pydantic

from workbenchx.api.shapes import base, credential, fixbots, lists, repository, scalars, spec

Stoppable = Literal[
    "Session", "Experiment", "ExperimentRun", "RunnerJob", "AppDeployment", "ModelDeployment"
]
Occasion = Literal[
    "Failed", "TimedOut", "Held", "Drifted", "Unhealthy", "QuotaExceeded", "BudgetExceeded"
]


class Member(base.Shape):
    """A person with a role."""

    user: scalars.User = pydantic.Field(
        description="The uuid, or the verified e-mail address, of a user."
    )
    role: Literal["viewer", "editor", "admin"] = pydantic.Field(
        description="viewer reads; editor also gives orders; admin also confirms what destroys."
    )


class Providers(base.Shape):
    """The providers that the project uses. Empty: the default one of each kind."""

    sandbox: base.Maybe[scalars.Name] = pydantic.Field(
        default=None, description="Name of the SandboxProvider."
    )
    inference: base.Maybe[scalars.Name] = pydantic.Field(
        default=None, description="Name of the InferenceProvider."
    )
    storage: base.Maybe[scalars.Name] = pydantic.Field(
        default=None, description="Name of the StorageProvider."
    )


class Share(base.Shape):
    """Most things at the same time. Absent: no limit."""

    sessions: base.Maybe[scalars.Count] = pydantic.Field(
        default=None, description="Most sessions at the same time."
    )
    runs: base.Maybe[scalars.Count] = pydantic.Field(
        default=None, description="Most runs of jobs and experiments at the same time."
    )
    gpus: base.Maybe[scalars.Count] = pydantic.Field(
        default=None, description="Most GPUs at the same time."
    )


class Quota(Share):
    """Most things at the same time, of the project and of each member."""

    per_member: base.Maybe[Share] = pydantic.Field(
        default=None, description="The same limits for each member."
    )


class Budget(base.Shape):
    """Money for one UTC month."""

    monthly_usd: scalars.Money = pydantic.Field(
        alias="monthlyUSD", description="Most that may be spent in a UTC month, in USD."
    )
    stop_order: Annotated[list[Stoppable], pydantic.Field(max_length=6), lists.Distinct()] = (
        pydantic.Field(
            default_factory=list,
            description="Kinds in the order in which they are stopped when the budget is used up. Kinds that are not listed go on; nothing new starts.",
        )
    )


class Retention(base.Shape):
    """How long bytes are kept. Rows, events and digests are kept always."""

    artifacts: base.Maybe[scalars.Duration] = pydantic.Field(
        default=None,
        description="Age at which an artifact's bytes may be removed, as a duration. Absent: never.",
    )
    logs: base.Maybe[scalars.Duration] = pydantic.Field(
        default=None,
        description="Age at which a log's bytes may be removed, as a duration. Absent: never.",
    )
    snapshots: base.Maybe[scalars.Duration] = pydantic.Field(
        default=None,
        description="Age at which a snapshot may be removed, as a duration. Absent: never.",
    )


class Notify(base.Shape):
    """A webhook that is told what happened."""

    name: scalars.Name = pydantic.Field(description="Name of this entry.")
    url: credential.Credential = pydantic.Field(
        description="Where the webhook's URL is: an environment variable or a file of the worker."
    )
    reasons: Annotated[
        list[Occasion], pydantic.Field(min_length=1, max_length=7), lists.Distinct()
    ] = pydantic.Field(description="Ready reasons that are told.")


class ProjectSpec(spec.Spec):
    """A project. Cluster-scoped: it belongs to the platform team."""

    namespaces: Annotated[list[scalars.Name], pydantic.Field(max_length=50), lists.Distinct()] = (
        pydantic.Field(
            default_factory=list,
            description="Namespaces that the project's resources lie in. Empty: the one that is named like the project.",
        )
    )
    repo: base.Maybe[repository.Repo] = pydantic.Field(
        default=None, description="Where the project's code is."
    )
    datasets: Annotated[list[scalars.Name], pydantic.Field(max_length=1000), lists.Distinct()] = (
        pydantic.Field(
            default_factory=list,
            description="Names of the Datasets that the project uses, in its own namespaces.",
        )
    )
    runtimes: Annotated[list[scalars.Name], pydantic.Field(max_length=200), lists.Distinct()] = (
        pydantic.Field(
            default_factory=list,
            description="Names of the Runtimes that the project may use. Empty: every approved one.",
        )
    )
    members: Annotated[list[Member], pydantic.Field(max_length=1000), lists.Distinct("user")] = (
        pydantic.Field(
            default_factory=list,
            description="People and their roles. Nobody else sees the project.",
        )
    )
    providers: base.Maybe[Providers] = pydantic.Field(
        default=None, description="The providers that the project uses."
    )
    quota: base.Maybe[Quota] = pydantic.Field(
        default=None, description="Most things at the same time."
    )
    budget: base.Maybe[Budget] = pydantic.Field(
        default=None, description="Money for one UTC month. Absent: no limit."
    )
    retention: base.Maybe[Retention] = pydantic.Field(
        default=None, description="How long bytes are kept."
    )
    notify: Annotated[list[Notify], pydantic.Field(max_length=20), lists.Distinct("name")] = (
        pydantic.Field(default_factory=list, description="Webhooks that are told what happened.")
    )
    fixbot: base.Maybe[fixbots.FixBot] = pydantic.Field(
        default=None, description="Whether FixBot may propose changes. Absent: it may not."
    )
