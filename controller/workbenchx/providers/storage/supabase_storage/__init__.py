"""`supabase_storage`: the storage of a Supabase project, by its documented REST and TUS (decision 101).

`from_option` makes the adapter; nothing is connected and no credential read until it is used.
"""

from workbenchx.providers import given
from workbenchx.providers.storage.supabase_storage import adapter, calls


def from_option(
    option: given.Option,
    installation: object,  # noqa: ARG001 - every adapter is made from the same four things
    storage: object,  # noqa: ARG001
    credential: given.Credential,
) -> adapter.SupabaseStorage:
    """The storage that a StorageProvider object names; `aclose` it at the end.

    Raises:
        errors.Stalled: reason InvalidSpec: a setting is wrong.
    """
    return adapter.SupabaseStorage(calls.Bucket(given.settings(option, calls.Settings), credential))
