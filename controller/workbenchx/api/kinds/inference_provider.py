"""InferenceProvider: one option for where models answer."""

from typing import Literal

import pydantic

from workbenchx.api.shapes import providers, rules


class InferenceProviderSpec(providers.ProviderSpec):
    """A inference provider. Cluster-scoped: it belongs to the platform team."""

    adapter: Literal["ai_gateway", "do_gradient", "local_llm"] = pydantic.Field(
        json_schema_extra=rules.IMMUTABLE, description="The part of the program that talks to it."
    )
