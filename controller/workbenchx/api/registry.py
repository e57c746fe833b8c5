"""The sixteen kinds: names, scope, table, and where each spec model is.

Importing this is cheap: a model is imported at the first use of its `spec_model`.
"""

import dataclasses
import functools
import importlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pydantic

GROUP = "workbenchx.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
CATEGORY = "workbenchx"


@dataclasses.dataclass(frozen=True, slots=True)
class Kind:
    """One kind. `executable`: reconciling it may run a user's command; `row_only`: reconciling it only writes a row.

    `implemented` False: recorded, and says Ready=False/NotImplementedYet. `model` is "module:Class".
    """

    kind: str
    plural: str
    singular: str
    short_names: tuple[str, ...]
    cluster_scoped: bool
    table: str
    row_only: bool
    executable: bool
    implemented: bool
    model: str
    purpose: str

    @property
    def spec_model(self) -> "type[pydantic.BaseModel]":
        """The pydantic model of the kind's `spec`."""
        return _load(self.model)


@functools.cache
def _load(target: str) -> "type[pydantic.BaseModel]":
    module, _, name = target.partition(":")
    found: type[pydantic.BaseModel] = getattr(importlib.import_module(module), name)
    return found


def _kind(
    kind: str,
    plural: str,
    short: str,
    table: str,
    purpose: str,
    *,
    module: str,
    cluster: bool = False,
    row_only: bool = False,
    executable: bool = False,
    implemented: bool = True,
) -> Kind:
    return Kind(
        kind=kind,
        plural=plural,
        singular=kind.lower(),
        short_names=tuple(short.split()),
        cluster_scoped=cluster,
        table=table,
        row_only=row_only,
        executable=executable,
        implemented=implemented,
        model=f"workbenchx.api.kinds.{module}:{kind}Spec",
        purpose=purpose,
    )


_ALL = (
    _kind(
        "Project",
        "projects",
        "proj",
        "projects",
        "A project: its code, data, runtimes, members, quotas, budget and providers.",
        module="project",
        cluster=True,
        row_only=True,
    ),
    _kind(
        "Dataset",
        "datasets",
        "ds",
        "datasets",
        "A reference to data that lives elsewhere. Never the data itself.",
        module="dataset",
        row_only=True,
    ),
    _kind(
        "Runtime",
        "runtimes",
        "rt",
        "runtimes",
        "An approved image, pinned by digest, with its limits and the providers that may run it.",
        module="runtime",
        cluster=True,
        row_only=True,
    ),
    _kind(
        "Session",
        "sessions",
        "sess",
        "sessions",
        "Interactive compute that is kept alive until its time is up.",
        module="session",
        executable=True,
    ),
    _kind(
        "RunnerJob",
        "runnerjobs",
        "rj",
        "runner_jobs",
        "One command to completion, once for each version of its spec or on a schedule.",
        module="runner_job",
        executable=True,
    ),
    _kind(
        "Experiment",
        "experiments",
        "exp",
        "experiments",
        "A question, a metric and a matrix of parameters; each cell is executed once for each seed.",
        module="experiment",
        executable=True,
    ),
    _kind(
        "ExperimentRun",
        "experimentruns",
        "exprun",
        "experiment_runs",
        "One parameter set of an Experiment, declared by hand and executed once.",
        module="experiment_run",
        executable=True,
    ),
    _kind(
        "Model",
        "models",
        "mdl",
        "models",
        "A registry entry: versions, each an artifact with its sha256 and the run that made it.",
        module="model",
        row_only=True,
    ),
    _kind(
        "ModelDeployment",
        "modeldeployments",
        "mdep",
        "model_deployments",
        "A model served by the gateway under an alias.",
        module="model_deployment",
    ),
    _kind(
        "App",
        "apps",
        "wapp",
        "apps",
        "An analytical app: where its code is, how it starts, on which port it listens.",
        module="app",
        row_only=True,
    ),
    _kind(
        "AppDeployment",
        "appdeployments",
        "adep",
        "app_deployments",
        "An App at a revision, running on a Runtime, with a URL.",
        module="app_deployment",
        executable=True,
    ),
    _kind(
        "SandboxProvider",
        "sandboxproviders",
        "sbp",
        "providers",
        "One option for where code runs.",
        module="sandbox_provider",
        cluster=True,
        row_only=True,
    ),
    _kind(
        "InferenceProvider",
        "inferenceproviders",
        "ifp",
        "providers",
        "One option for where models answer.",
        module="inference_provider",
        cluster=True,
        row_only=True,
    ),
    _kind(
        "StorageProvider",
        "storageproviders",
        "stp",
        "providers",
        "One option for where artifacts are stored.",
        module="storage_provider",
        cluster=True,
        row_only=True,
    ),
    _kind(
        "Template",
        "templates",
        "tmpl",
        "templates",
        "An accelerator: parameters, and the resources that it renders.",
        module="template",
        cluster=True,
        row_only=True,
    ),
    _kind(
        "Source",
        "sources",
        "src",
        "sources",
        "A git repository whose documents are followed.",
        module="source",
    ),
)

KINDS: Mapping[str, Kind] = MappingProxyType({kind.kind: kind for kind in _ALL})
