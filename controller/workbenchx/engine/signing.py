"""Whether a commit may be brought in force by who signed it: by keys that were given, and by those of the commit in force."""

from collections.abc import Mapping
from typing import Any

from workbenchx import errors, ports

_MOST_BYTES = 256 * 1024


async def signer(
    clones: ports.Clones,
    remote: ports.Remote,
    commit: str,
    *,
    verify: Mapping[str, Any],
    keys: str,
    trusted: str | None,
) -> str:
    """Who signed the commit. `verify`: spec.verify; `trusted`: the commit in force, if its own signature was checked.

    With `signers`, the file of `trusted` counts beside `keys`; each commit on the way that changes the file is checked
    by the file before it, so that whoever is let in was let in by somebody who could; behind one that fails, only who
    holds one of `keys` can make the file count again. A `trusted` that the server no
    longer has lets nobody in: then `keys` alone count.

    Raises:
        errors.Stalled: reason SignatureInvalid; SecretMissing: they are no keys.
        errors.Waiting: reason SourceUnavailable.
    """
    mode, path = str(verify.get("mode")), verify.get("signers")
    if not path or not trusted or not await clones.brought(remote, trusted):
        return await clones.verify(remote, commit, mode=mode, keys=keys)
    changed = await clones.changes(remote, since=trusted, until=commit, path=path)
    at: str | None = trusted
    broken: errors.Stalled | None = None
    for step in (*(each for each in changed if each != commit), commit):
        among = keys if at is None else await _among(clones, remote, at, path, keys)
        try:
            who = await clones.verify(remote, step, mode=mode, keys=among)
        except errors.Stalled as problem:
            if problem.reason != "SignatureInvalid" or step == commit:
                raise broken or problem from None
            at, broken = None, broken or problem
        else:
            at, broken = step, None
    return who


async def _among(
    clones: ports.Clones, remote: ports.Remote, commit: str, path: str, keys: str
) -> str:
    """The keys that were given and those of a commit's file; a file that is gone, or too large, has none."""
    found = await clones.text(remote, commit, path, most=_MOST_BYTES)
    return f"{keys}\n{(found or b'').decode(errors='replace')}"
