"""One rule file per kind: `settle(draft, subject) -> Verdict` puts steps and waits into the draft.

A rule sees one resource, and of others only what was concluded before it. Used by `evaluation` alone.
"""

from collections.abc import Callable, Mapping

from workbenchx.planner import draft, model, subjects
from workbenchx.planner.rules import (
    app_deployment,
    experiment,
    experiment_run,
    model_deployment,
    project,
    providers,
    registered_model,
    row_only,
    runner_job,
    runtime,
    session,
    source,
)

Rule = Callable[[draft.Draft, subjects.Subject], model.Verdict]

BY_KIND: Mapping[str, Rule] = {
    "App": row_only.settle,
    "AppDeployment": app_deployment.settle,
    "Dataset": row_only.settle,
    "Experiment": experiment.settle,
    "ExperimentRun": experiment_run.settle,
    "InferenceProvider": providers.settle,
    "Model": registered_model.settle,
    "ModelDeployment": model_deployment.settle,
    "Project": project.settle,
    "RunnerJob": runner_job.settle,
    "Runtime": runtime.settle,
    "SandboxProvider": providers.settle,
    "Session": session.settle,
    "Source": source.settle,
    "StorageProvider": providers.settle,
    "Template": row_only.settle,
}
"""The rule of each kind."""
