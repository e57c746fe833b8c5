"""The base of everything that is written in YAML, and optional fields."""

from typing import Annotated, Any, TypeVar

import pydantic
from pydantic import alias_generators
from pydantic_core import core_schema

_T = TypeVar("_T")


class Shape(pydantic.BaseModel):
    """Strict: unknown fields and values of another type are refused; YAML names are camelCase."""

    model_config = pydantic.ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        alias_generator=alias_generators.to_camel,
        hide_input_in_errors=True,
    )


class _Omissible:
    """Turns `T | None` into `T` that may be left out: an empty value (`timeout:`) is a mistake, as in Kubernetes."""

    def __get_pydantic_core_schema__(
        self, source: Any, handler: pydantic.GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        schema = handler(source)
        inner: core_schema.CoreSchema | None = schema.get("schema")
        if schema["type"] != "nullable" or inner is None:
            raise TypeError(f'"{source}" is not optional')
        return inner


Maybe = Annotated[_T | None, _Omissible()]
