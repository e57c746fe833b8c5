"""Environment variables of a command, and secrets by reference."""

from typing import Annotated, Self

import pydantic
from pydantic_core import PydanticCustomError

from workbenchx.api.shapes import base, confidential, lists, rules, scalars

ENV_RIGHT = "WBX_SECRET_<PROJECT>_<NAME>"
PREFIXED = r"^WBX_SECRET_[A-Z0-9_]{1,100}$"

SecretVariable = Annotated[
    str,
    *scalars.text("secret_env", PREFIXED, f"the name of a variable, {ENV_RIGHT}", 128, quote=False),
]


class SecretRef(base.Shape):
    """Where a secret is. Either `env`, or `secret` and `key`. The worker reads it at use and stores nothing."""

    model_config = pydantic.ConfigDict(
        json_schema_extra=rules.cel(
            "has(self.env) != has(self.secret) && has(self.secret) == has(self.key)",
            "must be either {env} or {secret, key}",
        )
    )

    env: base.Maybe[SecretVariable] = pydantic.Field(
        default=None,
        description=f"Embedded: the environment variable of the worker that holds the value, named {ENV_RIGHT}.",
    )
    secret: base.Maybe[scalars.Name] = pydantic.Field(
        default=None, description="Cluster: name of a Secret in this resource's namespace."
    )
    key: base.Maybe[scalars.FileName] = pydantic.Field(
        default=None, description="Cluster: key inside that Secret."
    )

    @pydantic.model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.env is None) == (self.secret is None) or (self.secret is None) != (
            self.key is None
        ):
            raise PydanticCustomError(
                "secret_ref",
                "must be either {{env: {right}}} or {{secret, key}}",
                {"right": ENV_RIGHT},
            )
        return self


class EnvVar(base.Shape):
    """One environment variable. Either `value` or `secretRef`."""

    model_config = pydantic.ConfigDict(
        json_schema_extra=rules.all_of(
            rules.cel(
                "has(self.value) != has(self.secretRef)", "must have either a value or a secretRef"
            ),
            confidential.NO_SECRET_VALUE,
        )
    )

    name: scalars.Variable = pydantic.Field(description="Name of the variable.")
    value: base.Maybe[Annotated[str, pydantic.Field(max_length=32768)]] = pydantic.Field(
        default=None, description="The value as text. Never a secret."
    )
    secret_ref: base.Maybe[SecretRef] = pydantic.Field(
        default=None, description="Where the value is, if it is a secret."
    )

    @pydantic.model_validator(mode="after")
    def _one_value(self) -> Self:
        if (self.value is None) == (self.secret_ref is None):
            raise PydanticCustomError("env_var", "must have either a value or a secretRef")
        return self


Environment = Annotated[list[EnvVar], pydantic.Field(max_length=200), lists.Distinct("name")]
