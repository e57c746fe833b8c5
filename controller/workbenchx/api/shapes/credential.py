"""Credentials of a provider, by reference only."""

from typing import Annotated, Self

import pydantic
from pydantic_core import PydanticCustomError

from workbenchx.api.shapes import base, rules, scalars

FilePath = Annotated[
    str,
    *scalars.text(
        "file_path", r"^/[^\x00-\x1f]{1,500}$", 'an absolute path such as "/run/secrets/token"', 512
    ),
]


WorkerVariable = Annotated[
    str,
    *scalars.text(
        "variable",
        scalars.VARIABLE,
        'the name of a variable such as "VERCEL_TOKEN"',
        128,
        quote=False,
    ),
]


class Credential(base.Shape):
    """Where one credential is: exactly one of `env` and `file`."""

    model_config = pydantic.ConfigDict(
        json_schema_extra=rules.cel(
            "has(self.env) != has(self.file)", "must have exactly one of env and file"
        )
    )

    env: base.Maybe[WorkerVariable] = pydantic.Field(
        default=None, description="Environment variable of the worker that holds the value."
    )
    file: base.Maybe[FilePath] = pydantic.Field(
        default=None, description="File on the worker whose content is the value."
    )

    @pydantic.model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.env is None) == (self.file is None):
            raise PydanticCustomError("credential", "must have exactly one of env and file")
        return self


Credentials = Annotated[dict[scalars.Variable, Credential], pydantic.Field(max_length=20)]
