"""StorageProvider: one option for where artifacts are stored."""

from typing import Literal

import pydantic

from workbenchx.api.shapes import providers, rules


class StorageProviderSpec(providers.ProviderSpec):
    """A storage provider. Cluster-scoped: it belongs to the platform team."""

    adapter: Literal["supabase_storage", "s3_compatible", "local"] = pydantic.Field(
        json_schema_extra=rules.IMMUTABLE, description="The part of the program that talks to it."
    )
