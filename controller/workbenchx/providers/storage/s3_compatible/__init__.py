"""`s3_compatible`: any server that speaks S3, by aiobotocore (decision 100).

`from_option` makes the adapter; nothing is connected, no credential read and no client imported until it is used.
"""

from workbenchx.providers import given
from workbenchx.providers.storage.s3_compatible import adapter, connecting


def from_option(
    option: given.Option,
    installation: object,  # noqa: ARG001 - every adapter is made from the same four things
    storage: object,  # noqa: ARG001
    credential: given.Credential,
) -> adapter.S3Storage:
    """The storage that a StorageProvider object names; `aclose` it at the end.

    Raises:
        errors.Stalled: reason InvalidSpec: a setting is wrong.
    """
    chosen = given.settings(option, connecting.Settings)
    return adapter.S3Storage(chosen, connecting.Clients(chosen, option, credential))
