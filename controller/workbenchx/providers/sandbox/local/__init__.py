"""The `local` sandbox: programs on this machine, each under its own supervisor.

Two halves that share the folder of a sandbox and nothing else. The caller's half (adapter, staging, isolation,
interpreters, link) lives in the process of `wbx`. The supervisor's half (zygote, and ../supervision) imports only the
standard library, since it is forked for every run and must outlive `wbx`.
Imported by: wiring, as `local.LocalSandbox`. Never: keeps state in memory that the folder does not hold.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workbenchx.providers.sandbox.local.adapter import LocalSandbox

__all__ = ["LocalSandbox"]


def __getattr__(name: str) -> object:
    """Load the caller's half only where it is asked for: the zygote's fork must stay small."""
    if name not in __all__:
        raise AttributeError(f'module "{__name__}" has no attribute "{name}"')
    from workbenchx.providers.sandbox.local import adapter  # noqa: PLC0415 - see above

    return adapter.LocalSandbox
