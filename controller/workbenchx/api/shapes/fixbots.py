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
            description="Names of the rules it may use. Empty: all of them.",
        )
    )
