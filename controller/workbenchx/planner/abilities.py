"""What an adapter can do for nobody, as far as a plan must know it: of its capabilities, with which a test compares it. Pure."""

from workbenchx.api import reasons
from workbenchx.planner import model, verdicts

OPENS_PORTS = frozenset({"kubernetes", "local", "vercel_sandbox"})
HAS_GPUS = frozenset({"do_runner", "kubernetes"})


def refusal(
    provider: model.Key, adapter: str, *, ports: bool, gpus: bool
) -> verdicts.Refusal | None:
    """Why it can never run there. `adapter`: the one that carries it out."""
    if ports and adapter not in OPENS_PORTS:
        said, able = "opens no ports, so nothing there has an address", OPENS_PORTS
    elif gpus and adapter not in HAS_GPUS:
        said, able = "has no GPUs", HAS_GPUS
    else:
        return None
    others = ", ".join(sorted(able - {"local"}))
    message = f"{provider}: {adapter} {said}; name a SandboxProvider of {others} in spec.provider"
    return verdicts.Refusal(reasons.Reason.INVALID_SPEC, message)
