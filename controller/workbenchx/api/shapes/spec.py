"""The bases of the spec models: what every kind has, and what every kind of a project has."""

import pydantic

from workbenchx.api.shapes import base, lifecycles, rules, scalars


class Spec(base.Shape):
    """The spec of any kind."""

    lifecycle: base.Maybe[lifecycles.Lifecycle] = pydantic.Field(
        default=None, description="Policies about managing, deleting and healing this resource."
    )


class OwnedSpec(Spec):
    """The spec of a namespaced kind that belongs to a project."""

    project: scalars.Name = pydantic.Field(
        json_schema_extra=rules.IMMUTABLE,
        description="Name of the Project that this belongs to. The namespace must be one of the project's.",
    )
