"""That a machine has a file, and not just its digest: the runner proves it, the worker checks it. Standard library only.

What lies in storage is found by its sha256, which many may know. So with each upload goes a challenge that nobody could
foresee, and the proof is a digest of it and of all the bytes.
"""

import hmac
import secrets


def challenge() -> str:
    """Another one each time."""
    return secrets.token_hex(32)


class Proof:
    """That somebody had all the bytes that were added, after the challenge was given."""

    def __init__(self, challenge: str) -> None:
        self._made = hmac.new(bytes.fromhex(challenge), digestmod="sha256")

    def add(self, data: bytes) -> None:
        """The next bytes."""
        self._made.update(data)

    def told(self) -> str:
        """What the runner tells."""
        return self._made.hexdigest()

    def holds(self, told: str) -> bool:
        """Whether that was told."""
        return hmac.compare_digest(self._made.hexdigest(), told)
