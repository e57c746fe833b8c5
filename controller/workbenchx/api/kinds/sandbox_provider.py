"""SandboxProvider: one option for where code runs."""

from typing import Literal

import pydantic

from workbenchx.api.shapes import providers, rules


class SandboxProviderSpec(providers.ProviderSpec):
    """A sandbox provider. Cluster-scoped: it belongs to the platform team."""

    adapter: Literal["vercel_sandbox", "do_runner", "kubernetes", "local"] = pydantic.Field(
        json_schema_extra=rules.IMMUTABLE, description="The part of the program that talks to it."
    )
