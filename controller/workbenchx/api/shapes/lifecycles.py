"""How a resource is managed: `spec.lifecycle`, the same on every kind."""

from typing import Annotated, Literal

import pydantic

from workbenchx.api.shapes import base, lists, scalars


class Lifecycle(base.Shape):
    """Policies about managing, deleting and healing a resource."""

    management: Literal["full", "observe", "adopt", "create-only"] = pydantic.Field(
        default="full",
        description="What may be done: full (create, change, delete), observe (nothing, only look), adopt (take over what exists under this name, then full), create-only (create, then never change or delete).",
    )
    on_delete: Literal["delete", "orphan", "snapshot"] = pydantic.Field(
        default="delete",
        description="When the resource is no longer declared: delete its object, orphan it (leave it and forget it), or snapshot it first.",
    )
    on_drift: Literal["heal", "propose"] = pydantic.Field(
        default="propose",
        description="When a declared field differs at the provider: heal (put it back), or propose (hold and open a pull request that adopts it).",
    )
    suspend: bool = pydantic.Field(
        default=False,
        description="True: do nothing for this resource until it is false again. What runs goes on running.",
    )
    depends_on: Annotated[
        list[scalars.Reference], pydantic.Field(max_length=64), lists.Distinct()
    ] = pydantic.Field(
        default_factory=list,
        description="Resources that must be Ready first, as Kind/name in the same namespace.",
    )
