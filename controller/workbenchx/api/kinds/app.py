"""App: an analytical app."""

import pydantic

from workbenchx.api.shapes import repository, scalars, spec


class AppSpec(spec.OwnedSpec):
    """An app. It runs once an AppDeployment names it."""

    repo: repository.RepoUrl = pydantic.Field(
        default=".",
        description='URL of the repository with its code; "." is the project\'s own.',
    )
    command: scalars.Command = pydantic.Field(
        description="Command and arguments. No shell. It listens on the port in the variable PORT."
    )
    port: scalars.Port = pydantic.Field(
        default=8080, description="TCP port that it listens on, 1 to 65535."
    )
