"""Template: an accelerator that renders resources."""

from typing import Annotated, Any

import pydantic
from pydantic_core import PydanticCustomError

from workbenchx.api.shapes import scalars, spec


def _json_schema(value: dict[str, Any]) -> dict[str, Any]:
    import jsonschema  # noqa: PLC0415  # 60 ms that only templates need

    try:
        jsonschema.Draft202012Validator.check_schema(value)
    except jsonschema.SchemaError as error:
        where = "/".join(str(part) for part in error.absolute_path) or "its root"
        raise PydanticCustomError(
            "json_schema",
            "must be a JSON Schema (draft 2020-12); wrong at {where}",
            {"where": where},
        ) from None
    if value and value.get("type") != "object":
        raise PydanticCustomError(
            "json_schema", 'must be a JSON Schema of an object (add "type: object")'
        )
    return value


def _document(value: dict[str, Any]) -> dict[str, Any]:
    missing = [name for name in ("apiVersion", "kind", "metadata") if value.get(name) is None]
    if missing:
        raise PydanticCustomError(
            "resource",
            "must be a resource with apiVersion, kind and metadata; {missing} is missing",
            {"missing": missing[0]},
        )
    return value


Resource = Annotated[
    dict[str, Any],
    pydantic.AfterValidator(_document),
    pydantic.WithJsonSchema(
        {
            "type": "object",
            "required": ["apiVersion", "kind", "metadata"],
            "properties": {
                "apiVersion": {"description": "Group and version of the resource."},
                "kind": {"description": "Kind of the resource."},
                "metadata": {"description": "Identity of the resource."},
            },
            "additionalProperties": True,
        }
    ),
]
JsonSchema = Annotated[
    dict[str, Any],
    pydantic.AfterValidator(_json_schema),
    pydantic.WithJsonSchema(
        {
            "type": "object",
            "properties": {
                "type": {"type": "string", "description": "Always object.", "const": "object"}
            },
            "additionalProperties": True,
        }
    ),
]


class TemplateSpec(spec.Spec):
    """A template. Cluster-scoped: it belongs to the platform team."""

    title: Annotated[str, pydantic.Field(min_length=1, max_length=120)] = pydantic.Field(
        description="Title that people choose it by."
    )
    description: scalars.Text = pydantic.Field(description="What one gets from it, in a paragraph.")
    parameters: JsonSchema = pydantic.Field(
        default_factory=dict,
        description="JSON Schema (draft 2020-12) of the object of parameters that it asks for.",
    )
    resources: Annotated[list[Resource], pydantic.Field(min_length=1, max_length=100)] = (
        pydantic.Field(
            description="Resources that it renders; ${name} stands for the value of a parameter."
        )
    )
