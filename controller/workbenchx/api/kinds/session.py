"""Session: interactive compute for a person."""

from typing import Annotated, Any, Literal, Self

import pydantic
from pydantic_core import PydanticCustomError

from workbenchx.api import quantities
from workbenchx.api.shapes import base, compute, lists, networks, rules, scalars, schedules, spec


class Hours(base.Shape):
    """When the session starts and stops by itself."""

    model_config = pydantic.ConfigDict(
        json_schema_extra=rules.cel(
            "has(self.start) || has(self.stop)", "must have a start, a stop, or both"
        )
    )

    start: base.Maybe[schedules.Schedule] = pydantic.Field(
        default=None, description='When it starts, as five cron fields such as "0 8 * * 1-5".'
    )
    stop: base.Maybe[schedules.Schedule] = pydantic.Field(
        default=None, description='When it stops, as five cron fields such as "0 19 * * *".'
    )
    time_zone: schedules.TimeZone = pydantic.Field(
        default="UTC", description="IANA time zone of both."
    )

    @pydantic.model_validator(mode="after")
    def _something(self) -> Self:
        if self.start is None and self.stop is None:
            raise PydanticCustomError("schedule", "must have a start, a stop, or both")
        return self


class PreStop(base.Shape):
    """A command that runs in the session before it is ended: its files and environment, in its working folder."""

    command: scalars.Command = pydantic.Field(description="Command and arguments. No shell.")
    timeout: scalars.Duration = pydantic.Field(
        default="30s", description="Longest time that it may take, as a duration."
    )


def _within_lifetime(field: str) -> dict[str, Any]:
    return rules.cel(
        f"!has(self.maxLifetime) || !has(self.{field})"
        f" || {rules.seconds(f'self.{field}')} <= {rules.seconds('self.maxLifetime')}",
        f"must have a {field} of at most its maxLifetime",
        field=f".{field}",
    )


class SessionSpec(spec.OwnedSpec):
    """A session."""

    model_config = pydantic.ConfigDict(
        json_schema_extra=rules.all_of(_within_lifetime("ttl"), _within_lifetime("idleTimeout"))
    )

    runtime: scalars.Name = pydantic.Field(description="Name of the Runtime.")
    provider: base.Maybe[scalars.Name] = pydantic.Field(
        default=None,
        description="Name of the SandboxProvider. Absent: the project's, else the default one.",
    )
    resources: base.Maybe[compute.Resources] = pydantic.Field(
        default=None, description="What it may use."
    )
    ports: Annotated[list[scalars.Port], pydantic.Field(max_length=16), lists.Distinct()] = (
        pydantic.Field(default_factory=list, description="TCP ports that get a URL.")
    )
    ttl: base.Maybe[scalars.Duration] = pydantic.Field(
        default=None,
        description="Time after its start at which it is stopped, as a duration. It can be extended.",
    )
    idle_timeout: base.Maybe[scalars.Duration] = pydantic.Field(
        default=None, description="Time without activity after which it is stopped, as a duration."
    )
    max_lifetime: base.Maybe[scalars.Duration] = pydantic.Field(
        default=None, description="Longest life, extensions included, as a duration."
    )
    schedule: base.Maybe[Hours] = pydantic.Field(
        default=None, description="When it starts and stops by itself."
    )
    pre_stop: base.Maybe[PreStop] = pydantic.Field(
        default=None,
        description="A command that runs in it, once, before it is stopped, deleted or replaced. Whether it fails or takes "
        "too long, the session is ended then. Not where a provider ends the session by itself.",
    )
    snapshot: Literal["never", "on-stop"] = pydantic.Field(
        default="never", description="Whether its files are kept when it is stopped."
    )
    owner: base.Maybe[scalars.User] = pydantic.Field(
        default=None, description="The uuid, or the verified e-mail address, of its owner."
    )
    network: base.Maybe[networks.Network] = pydantic.Field(
        default=None, description="What it may reach. Absent: no network."
    )

    @pydantic.model_validator(mode="after")
    def _ordered_times(self) -> Self:
        if self.max_lifetime is None:
            return self
        longest = quantities.duration(self.max_lifetime)
        for field, value in (("ttl", self.ttl), ("idleTimeout", self.idle_timeout)):
            if value is not None and quantities.duration(value) > longest:
                raise PydanticCustomError(
                    "lifetime",
                    "must have a {field} of at most its maxLifetime {longest}",
                    {"field": field, "longest": self.max_lifetime},
                )
        return self
