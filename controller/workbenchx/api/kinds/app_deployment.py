"""AppDeployment: an app at a revision, running."""

from typing import Literal

import pydantic

from workbenchx.api.shapes import (
    base,
    checks,
    compute,
    environment,
    files,
    networks,
    repository,
    rules,
    scalars,
    spec,
)


class AppDeploymentSpec(spec.OwnedSpec):
    """An app deployment."""

    app: scalars.Name = pydantic.Field(
        json_schema_extra=rules.IMMUTABLE, description="Name of the App in the same namespace."
    )
    runtime: scalars.Name = pydantic.Field(description="Name of the Runtime.")
    provider: base.Maybe[scalars.Name] = pydantic.Field(
        default=None,
        description="Name of the SandboxProvider. Absent: the project's, else the default one.",
    )
    revision: base.Maybe[repository.Revision] = pydantic.Field(
        default=None,
        description="Commit, branch or tag of the code. Absent: what the project's branch has. The resolved commit is recorded.",
    )
    env: environment.Environment = pydantic.Field(
        default_factory=list, description="Environment variables of the app."
    )
    inputs: files.Inputs = pydantic.Field(
        default_factory=list,
        description="Files that lie in inputs/ before the app starts. Others make the app anew.",
    )
    resources: base.Maybe[compute.Resources] = pydantic.Field(
        default=None, description="What the app may use."
    )
    health: base.Maybe[checks.Health] = pydantic.Field(
        default=None, description="The check that says whether the app is well."
    )
    restart_policy: Literal["Always", "OnFailure", "Never"] = pydantic.Field(
        default="Always", description="When the app is started again after it ended."
    )
    network: base.Maybe[networks.Network] = pydantic.Field(
        default=None, description="What the app may reach. Absent: no network."
    )
