"""ModelDeployment: a model served under an alias."""

from typing import Annotated, Any, Self

import pydantic
from pydantic_core import PydanticCustomError

from workbenchx.api.shapes import base, checks, rules, scalars, spec

Replicas = Annotated[int, pydantic.Field(ge=0, le=1000)]


class Scale(base.Shape):
    """How many replicas serve."""

    model_config = pydantic.ConfigDict(
        json_schema_extra=rules.cel(
            "(has(self.max) ? self.max : 1) >= (has(self.min) && self.min > 1 ? self.min : 1)",
            "must have a max of at least 1 and at least its min",
        )
    )

    min: Replicas = pydantic.Field(default=0, description="Fewest replicas. 0: none when idle.")
    max: Replicas = pydantic.Field(default=1, description="Most replicas.")

    @pydantic.model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.max < max(1, self.min):
            raise PydanticCustomError("scale", "must have a max of at least 1 and at least its min")
        return self


class ModelDeploymentSpec(spec.OwnedSpec):
    """A model deployment: an alias of the gateway (`wbx gateway`, `/v1` of the console)."""

    model: scalars.Name = pydantic.Field(description="Name of the Model in the same namespace.")
    version: base.Maybe[scalars.Version] = pydantic.Field(
        default=None, description="Version of the Model. Absent: its last one."
    )
    alias: base.Maybe[scalars.Alias] = pydantic.Field(
        default=None,
        description="Name under which callers ask for it. Default: this resource's name.",
    )
    provider: base.Maybe[scalars.Name] = pydantic.Field(
        default=None,
        description="Name of the InferenceProvider. Absent: the project's, else the default one.",
    )
    params: Annotated[dict[scalars.SettingName, Any], pydantic.Field(max_length=50)] = (
        pydantic.Field(
            default_factory=dict,
            description="Parameters of each request that does not say its own, such as temperature (no unit) or max_tokens (tokens). `model`: the provider's id of the model, if it is not the Model's name nor in settings.models of the provider.",
        )
    )
    canary_percent: base.Maybe[scalars.Percent] = pydantic.Field(
        default=None,
        description="Share of the traffic that a new revision gets at first, in percent, 0 to 100. Absent: all of it.",
    )
    probe: base.Maybe[checks.Probe] = pydantic.Field(
        default=None, description="What must succeed before a revision gets traffic."
    )
    scale: base.Maybe[Scale] = pydantic.Field(
        default=None, description="How many replicas serve, where the provider can be told."
    )
