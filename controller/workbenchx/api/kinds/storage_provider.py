"""StorageProvider: one option for where artifacts are stored."""

from typing import Literal

import pydantic

from workbenchx.api.shapes import providers


class StorageProviderSpec(providers.ProviderSpec):
    """A storage provider. Cluster-scoped: it belongs to the platform team."""

    adapter: Literal["supabase_storage", "s3_compatible", "local"] = pydantic.Field(
        description="The program part that talks to it."
    )
