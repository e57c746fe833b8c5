"""The document around a spec, and the status that we write.

`Metadata` is what a file in the repository may say; what only an API server sets is refused there.
"""

import re
from typing import Annotated, Any, Literal, Self

import pydantic
import pydantic_core

from workbenchx.api import attached, registry
from workbenchx.api.shapes import base, lists, scalars

LABEL_KEY = re.compile(
    r"([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
)
LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")


def _label_key(value: str) -> str:
    if not LABEL_KEY.fullmatch(value):
        raise scalars.refuse("label", value, 'a label name such as "team" or "example.org/team"')
    if attached.ours(value):
        raise scalars.refuse("label", value, "a name outside of workbenchx.dev/, which is our own")
    return value


def _label_value(value: str) -> str:
    if not LABEL_VALUE.fullmatch(value):
        right = 'a label value of at most 63 letters, digits, "-", "_" and "."'
        raise scalars.refuse("label", value, right)
    return value


LabelKey = Annotated[str, pydantic.AfterValidator(_label_key)]
LabelValue = Annotated[str, pydantic.AfterValidator(_label_value)]


class Metadata(base.Shape):
    """The identity of a resource, and what people attach to it."""

    name: scalars.Name = pydantic.Field(description="Name, unique for its kind and namespace.")
    namespace: base.Maybe[scalars.Name] = pydantic.Field(
        default=None,
        description="Namespace. Needed for namespaced kinds, absent for cluster-scoped ones.",
    )
    labels: dict[LabelKey, LabelValue] = pydantic.Field(
        default_factory=dict,
        description="Labels, as in Kubernetes. A name may not have the prefix workbenchx.dev/.",
    )
    annotations: dict[LabelKey, str] = pydantic.Field(
        default_factory=dict,
        description="Annotations, as in Kubernetes. WorkbenchX takes no orders from them; a name may not have its prefix.",
    )


class Document(base.Shape):
    """One document of a file, before its spec is looked at."""

    api_version: Literal["workbenchx.dev/v1alpha1"] = pydantic.Field(
        description="Always workbenchx.dev/v1alpha1."
    )
    kind: Literal[
        "Project",
        "Dataset",
        "Runtime",
        "Session",
        "RunnerJob",
        "Experiment",
        "ExperimentRun",
        "Model",
        "ModelDeployment",
        "App",
        "AppDeployment",
        "SandboxProvider",
        "InferenceProvider",
        "StorageProvider",
        "Template",
        "Source",
    ] = pydantic.Field(description="One of the sixteen kinds.")
    metadata: Metadata = pydantic.Field(description="The identity of the resource.")
    spec: dict[str, Any] = pydantic.Field(description="What is asked for; its shape is the kind's.")

    @pydantic.model_validator(mode="after")
    def _namespaced(self) -> Self:
        scoped = registry.KINDS[self.kind].cluster_scoped
        if scoped and self.metadata.namespace is not None:
            raise pydantic_core.PydanticCustomError(
                "namespace",
                "must have no metadata.namespace: {kind} is cluster-scoped",
                {"kind": self.kind},
            )
        if not scoped and self.metadata.namespace is None:
            raise pydantic_core.PydanticCustomError(
                "namespace",
                "must have a metadata.namespace: {kind} is namespaced",
                {"kind": self.kind},
            )
        return self


class Condition(base.Shape):
    """A `metav1.Condition`."""

    type: Annotated[str, pydantic.Field(max_length=316)] = pydantic.Field(
        description="Ready, and while true Reconciling or Stalled."
    )
    status: Literal["True", "False", "Unknown"] = pydantic.Field(
        description="Whether it is so: True, False or Unknown."
    )
    observed_generation: Annotated[int, pydantic.Field(ge=0)] = pydantic.Field(
        default=0, description="The metadata.generation that it was judged for."
    )
    last_transition_time: Annotated[
        str, pydantic.WithJsonSchema({"type": "string", "format": "date-time"})
    ] = pydantic.Field(description="When its status changed last, RFC 3339, UTC.")
    reason: Annotated[str, pydantic.Field(min_length=1, max_length=1024)] = pydantic.Field(
        description="Why, in one word; schemas/reasons.json says what each means."
    )
    message: Annotated[str, pydantic.Field(max_length=32768)] = pydantic.Field(
        description="Why, in one line for people."
    )


class SourceRef(base.Shape):
    """Where the resource is declared."""

    repo: base.Maybe[str] = pydantic.Field(default=None, description="URL of the repository.")
    commit: base.Maybe[str] = pydantic.Field(default=None, description="Commit, 40 or 64 hex.")
    path: base.Maybe[str] = pydantic.Field(
        default=None, description="Path of the file in the repository."
    )
    line: base.Maybe[int] = pydantic.Field(
        default=None, description="Line at which the document starts, from 1."
    )


class Status(base.Shape):
    """What is recorded about a resource: a one-way projection of the database, never read back to decide."""

    observed_generation: base.Maybe[int] = pydantic.Field(
        default=None, description="The metadata.generation that this status is about."
    )
    conditions: Annotated[list[Condition], pydantic.Field(max_length=8), lists.Distinct("type")] = (
        pydantic.Field(
            default_factory=list, description="Ready, and while true Reconciling or Stalled."
        )
    )
    state: base.Maybe[str] = pydantic.Field(
        default=None, description="What the resource is doing, in one word."
    )
    last_run_id: base.Maybe[str] = pydantic.Field(
        default=None, description="The run_id of its latest run."
    )
    source: base.Maybe[SourceRef] = pydantic.Field(
        default=None, description="Where the resource is declared."
    )
    why: base.Maybe[str] = pydantic.Field(
        default=None, description="Why it is as it is, in one plain sentence from recorded facts."
    )


class ObjectStatus(Status):
    """The status of a kind that has something at a provider."""

    provider: base.Maybe[str] = pydantic.Field(
        default=None,
        description="Where it is, such as vercel_sandbox or local (for vercel_sandbox).",
    )
    external_id: base.Maybe[str] = pydantic.Field(
        default=None, description="Its id at the provider."
    )
    url: base.Maybe[str] = pydantic.Field(default=None, description="URL under which it answers.")
    started_at: base.Maybe[str] = pydantic.Field(
        default=None, description="When it started, RFC 3339, UTC."
    )
    expires_at: base.Maybe[str] = pydantic.Field(
        default=None, description="When it is stopped by itself, RFC 3339, UTC."
    )
    cost: base.Maybe[str] = pydantic.Field(
        default=None, description="What it has cost so far, in USD, as a decimal number."
    )


class DeploymentStatus(ObjectStatus):
    """The status of a kind that serves something."""

    revision: base.Maybe[str] = pydantic.Field(
        default=None, description="The commit, or the version, that is served."
    )


class RunStatus(ObjectStatus):
    """The status of a kind that is executed."""

    exit_code: base.Maybe[int] = pydantic.Field(
        default=None, description="Exit code of its latest run."
    )
    next_run_at: base.Maybe[str] = pydantic.Field(
        default=None, description="When its schedule fires next, RFC 3339, UTC."
    )
    runs: base.Maybe[int] = pydantic.Field(
        default=None, description="Number of runs that the spec asks for."
    )
    succeeded: base.Maybe[int] = pydantic.Field(
        default=None, description="Number of runs that ended well."
    )
    failed: base.Maybe[int] = pydantic.Field(
        default=None, description="Number of runs that ended badly."
    )
    best_run_id: base.Maybe[str] = pydantic.Field(
        default=None, description="The run_id of the best run so far."
    )
    best_metric: base.Maybe[float] = pydantic.Field(
        default=None, description="The metric of the best run so far, in its own unit."
    )


class PinnedStatus(Status):
    """The status of a kind that stands for bytes."""

    digest: base.Maybe[str] = pydantic.Field(
        default=None, description="Digest that was resolved or verified, as sha256:<64 hex>."
    )
    version: base.Maybe[str] = pydantic.Field(
        default=None, description="The newest version that is recorded."
    )


class SourceStatus(Status):
    """The status of a Source."""

    revision: base.Maybe[str] = pydantic.Field(
        default=None, description="The commit that is in force."
    )
    applied_at: base.Maybe[str] = pydantic.Field(
        default=None, description="Since when, RFC 3339, UTC."
    )
    fetched: base.Maybe[str] = pydantic.Field(
        default=None, description="The commit that the branch was at when it was looked at last."
    )
    documents: base.Maybe[int] = pydantic.Field(
        default=None, description="Number of documents that the commit declares for this Source."
    )
    skipped: base.Maybe[int] = pydantic.Field(
        default=None, description="Number of documents that are not of its namespace."
    )
    kept: base.Maybe[int] = pydantic.Field(
        default=None,
        description="Number of resources that are no longer declared and stay: prune is false.",
    )
