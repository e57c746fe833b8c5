"""RunnerJob: one command to completion, once or on a schedule."""

from typing import Annotated, Literal, Self

import pydantic
from pydantic_core import PydanticCustomError

from workbenchx.api.shapes import (
    base,
    compute,
    environment,
    files,
    networks,
    rules,
    scalars,
    schedules,
    spec,
)


class RunnerJobSpec(spec.OwnedSpec):
    """A runner job. Without a schedule it runs once for each version of what it executes."""

    model_config = pydantic.ConfigDict(
        json_schema_extra=rules.cel(
            "!has(self.timeZone) || has(self.schedule)",
            "has a timeZone but no schedule (add one, or remove it)",
        )
    )

    runtime: scalars.Name = pydantic.Field(description="Name of the Runtime.")
    provider: base.Maybe[scalars.Name] = pydantic.Field(
        default=None,
        description="Name of the SandboxProvider. Absent: the project's, else the default one.",
    )
    resources: base.Maybe[compute.Resources] = pydantic.Field(
        default=None, description="What a run may use."
    )
    command: scalars.Command = pydantic.Field(description="Command and arguments. No shell.")
    env: environment.Environment = pydantic.Field(
        default_factory=list, description="Environment variables of the command."
    )
    schedule: base.Maybe[schedules.Schedule] = pydantic.Field(
        default=None,
        description='When it runs, as five cron fields such as "0 6 * * 1-5". Absent: once.',
    )
    time_zone: base.Maybe[schedules.TimeZone] = pydantic.Field(
        default=None, description='IANA time zone of the schedule. Default: "UTC".'
    )
    concurrency_policy: Literal["Allow", "Forbid", "Replace"] = pydantic.Field(
        default="Forbid",
        description="When it is due while it still runs: Allow both, Forbid the new one, or Replace the old one.",
    )
    missed_run_policy: Literal["Skip", "RunOnce", "RunAll"] = pydantic.Field(
        default="RunOnce",
        description="When times were missed, as while WorkbenchX was down: Skip them, RunOnce for all of them, or RunAll.",
    )
    timeout: base.Maybe[scalars.Duration] = pydantic.Field(
        default=None,
        description="Longest time that one run may take, as a duration. Default: the runtime's limit, else 1h.",
    )
    retries: Annotated[int, pydantic.Field(ge=0, le=20)] = pydantic.Field(
        default=0, description="Number of further tries after a run that ended badly."
    )
    inputs: files.Inputs = pydantic.Field(
        default_factory=list, description="Files that lie in inputs/ before the command starts."
    )
    outputs: files.Outputs = pydantic.Field(
        default_factory=list, description="Files that the command leaves behind."
    )
    network: base.Maybe[networks.Network] = pydantic.Field(
        default=None, description="What a run may reach. Absent: no network."
    )

    @pydantic.model_validator(mode="after")
    def _zone_of_a_schedule(self) -> Self:
        if self.time_zone is not None and self.schedule is None:
            raise PydanticCustomError(
                "time_zone", "has a timeZone but no schedule (add one, or remove it)"
            )
        return self
