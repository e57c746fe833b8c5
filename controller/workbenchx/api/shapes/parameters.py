"""Parameters of experiments: names that can be environment variables, values that are plain."""

import math
from typing import Annotated, Any

import pydantic
from pydantic_core import PydanticCustomError

from workbenchx.api.shapes import lists, scalars

Plain = str | int | float | bool


def _plain(value: Any) -> Plain:
    if isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    raise scalars.refuse("parameter", value, "a text, a finite number, true or false")


def _different(values: list[Plain]) -> list[Plain]:
    """As text, because that is how a run gets them."""
    seen: set[str] = set()
    for value in values:
        if str(value) in seen:
            raise PydanticCustomError(
                "duplicate", "has {value} twice (each must be different)", {"value": f'"{value}"'}
            )
        seen.add(str(value))
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
    Plain,
    pydantic.PlainValidator(_plain),
    pydantic.WithJsonSchema({"type": ["string", "number", "boolean"]}),
]
Values = Annotated[
    list[Value],
    pydantic.Field(min_length=1, max_length=1000, json_schema_extra={lists.LIST_TYPE: "set"}),
    pydantic.AfterValidator(_different),
]
Matrix = Annotated[
    dict[scalars.Variable, Values], pydantic.Field(max_length=20), pydantic.AfterValidator(_names)
]
Params = Annotated[
    dict[scalars.Variable, Value], pydantic.Field(max_length=50), pydantic.AfterValidator(_names)
]
