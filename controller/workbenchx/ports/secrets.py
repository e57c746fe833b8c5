"""Secrets that lie beside the resources that name them."""

from typing import Protocol


class Secrets(Protocol):
    """Where a `secretRef` with `secret` and `key` leads. Read at use; whoever reads keeps nothing."""

    async def read(self, namespace: str, name: str, key: str) -> str:
        """The value, as text.

        Raises:
            errors.Waiting: reason SecretMissing: it is not there, or may not be read, until somebody does their part;
                SandboxUnavailable: nobody answers. The message names the reference, never a value.
        """
