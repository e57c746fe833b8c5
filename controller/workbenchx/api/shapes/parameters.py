"""Parameters of experiments: names that can be environment variables, values that are plain."""

from typing import Annotated, Any

import pydantic
from pydantic_core import PydanticCustomError

from workbenchx.api.shapes import scalars

Scalar = str | int | float | bool
_PLAIN = {"x-kubernetes-preserve-unknown-fields": True}


def _finite(value: Any) -> Any:
    if isinstance(value, float) and value - value != 0:
        raise scalars.refuse("parameter", value, "a finite number, a text or a boolean")
    return value


def _different(values: list[Any]) -> list[Any]:
    scalars.refuse_twins("value", [f"{value}" for value in values])
    return values


def _names(parameters: dict[str, Any]) -> dict[str, Any]:
    """WBX_PARAM_<NAME> is upper-case, so two names may not differ by case alone."""
    seen: dict[str, str] = {}
    for name in parameters:
        other = seen.setdefault(name.upper(), name)
        if other != name:
            raise PydanticCustomError(
                "duplicate",
                'has "{first}" and "{second}", which differ by case alone (rename one)',
                {"first": other, "second": name},
            )
    return parameters


Value = Annotated[
    str | int | float | bool,
    pydantic.AfterValidator(_finite),
    pydantic.WithJsonSchema({"type": ["string", "number", "boolean"]}),
]
Values = Annotated[
    list[Value], pydantic.Field(min_length=1, max_length=1000), pydantic.AfterValidator(_different)
]
Matrix = Annotated[
    dict[scalars.Variable, Values], pydantic.Field(max_length=20), pydantic.AfterValidator(_names)
]
Params = Annotated[
    dict[scalars.Variable, Value], pydantic.Field(max_length=50), pydantic.AfterValidator(_names)
]
