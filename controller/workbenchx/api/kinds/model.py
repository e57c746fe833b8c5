"""Model: a registry entry with versions."""

from typing import Annotated, Self

import pydantic
from pydantic_core import PydanticCustomError

from workbenchx.api.shapes import base, lists, rules, scalars, spec

LOCATION = (
    r"^([A-Za-z0-9][-A-Za-z0-9._]{0,62}|repo:[^/\x00-\x20][^\x00-\x20]*|artifact:[0-9a-f]{64}"
    r"|[a-z][a-z0-9+.-]{1,20}://[^\x00-\x20@]+)$"
)
LOCATION_RIGHT = "the name of an output, repo:<path>, artifact:<64 hex> or a URL without a password"

Location = Annotated[str, *scalars.text("artifact", LOCATION, LOCATION_RIGHT, 2048, quote=False)]


class ModelVersion(base.Shape):
    """One version. With fromRun, artifact and sha256 may be left out: they are recorded."""

    model_config = pydantic.ConfigDict(
        json_schema_extra=rules.cel(
            "has(self.fromRun) || (has(self.artifact)"
            " && (has(self.sha256) || self.artifact.startsWith('artifact:')))",
            "must have a fromRun, or an artifact with its sha256",
        )
    )

    version: scalars.Version = pydantic.Field(description="Name of the version.")
    artifact: base.Maybe[Location] = pydantic.Field(
        default=None,
        description="Where the bytes are. With fromRun: the name of one of the run's outputs.",
    )
    sha256: base.Maybe[scalars.Sha256] = pydantic.Field(
        default=None, description="The sha256 of the bytes, 64 hex digits."
    )
    from_run: base.Maybe[scalars.FromRun] = pydantic.Field(
        default=None,
        description="The run that made it: a run id, or best(Experiment/<name>), which is known once the experiment has ended.",
    )

    @pydantic.model_validator(mode="after")
    def _known_bytes(self) -> Self:
        if self.from_run is not None:
            return self
        if self.artifact is None:
            raise PydanticCustomError(
                "model_version", "must have a fromRun, or an artifact with its sha256"
            )
        if self.sha256 is None and not self.artifact.startswith("artifact:"):
            raise PydanticCustomError("model_version", "must have the sha256 of its artifact")
        return self


class ModelSpec(spec.OwnedSpec):
    """A model."""

    versions: Annotated[
        list[ModelVersion], pydantic.Field(min_length=1, max_length=500), lists.Distinct("version")
    ] = pydantic.Field(description="Versions, oldest first.")
