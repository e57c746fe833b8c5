"""Whether FixBot may propose changes, and which."""

from typing import Annotated

import pydantic

from workbenchx.api.shapes import base, lists, scalars


class FixBot(base.Shape):
    """FixBot opens pull requests; it never pushes to the default branch."""

    enabled: bool = pydantic.Field(
        default=False, description="True: FixBot may open pull requests."
    )
    rules: Annotated[list[scalars.Name], pydantic.Field(max_length=50), lists.Distinct()] = (
        pydantic.Field(
            default_factory=list,
            description="Names of the rules it may use. Empty: all but write-fix, which costs money and has to be named.",
        )
    )
    model: base.Maybe[scalars.Alias] = pydantic.Field(
        default=None,
        description="Alias of the project's ModelDeployment that the rule write-fix asks about failed runs.",
    )
