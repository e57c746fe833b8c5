"""Dataset: a reference to data that lives elsewhere."""

from typing import Annotated, Literal, Self

import pydantic
from pydantic_core import PydanticCustomError

from workbenchx.api.shapes import base, rules, scalars, spec

URI = (
    r"^(repo:[^/\x00-\x20][^\x00-\x20]*|artifact:[0-9a-f]{64}"
    r"|[a-z][a-z0-9+.-]{1,20}://[^\x00-\x20@]+)$"
)
URI_RIGHT = "repo:<path>, artifact:<64 hex> or a URL without a password such as https://… or s3://…"

Uri = Annotated[str, *scalars.text("uri", URI, URI_RIGHT, 2048, quote=False)]
Format = Annotated[
    str,
    *scalars.text(
        "format", r"^[a-z0-9][-a-z0-9.+]{0,31}$", 'a short word such as "csv" or "parquet"', 32
    ),
]


class DatasetSpec(spec.OwnedSpec):
    """A dataset. Only a reference; WorkbenchX never copies raw data into its database."""

    model_config = pydantic.ConfigDict(
        json_schema_extra=rules.cel(
            "!self.uri.startsWith('artifact:') || !has(self.sha256)"
            " || self.uri == 'artifact:' + self.sha256",
            "must have the sha256 that its artifact: uri names, or none",
        )
    )

    uri: Uri = pydantic.Field(
        description="Where the data is: repo:<path> (inside the project's code), artifact:<sha256> (a stored artifact), or a URL that the run itself reads."
    )
    format: base.Maybe[Format] = pydantic.Field(
        default=None, description='Format of the data, such as "csv" or "parquet".'
    )
    version: base.Maybe[scalars.Text] = pydantic.Field(
        default=None, description="Version of the data, in the words of whoever publishes it."
    )
    sha256: base.Maybe[scalars.Sha256] = pydantic.Field(
        default=None,
        description="The sha256 of the bytes, 64 hex digits. It is checked before use.",
    )
    classification: Literal["public", "internal", "confidential", "restricted"] = pydantic.Field(
        default="internal", description="How freely the data may be shown."
    )

    @pydantic.model_validator(mode="after")
    def _one_digest(self) -> Self:
        scheme, _, rest = self.uri.partition(":")
        if scheme == "artifact" and self.sha256 not in {None, rest}:
            raise PydanticCustomError(
                "digest_mismatch", "must have the sha256 that its artifact: uri names, or none"
            )
        return self
