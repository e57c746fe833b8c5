"""Where the pull request of a finding is, or why there is none."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from workbenchx.engine.fixing import allowing
from workbenchx.fixbot import findings, proposal, scenes

if TYPE_CHECKING:
    from workbenchx import ports
    from workbenchx.wiring import settings

_LATER = "FixBot looks at what is pushed and in force, every two minutes"
_LIVING = ("open", "handed_over", "snoozed")


class Ground(NamedTuple):
    """What FixBot goes by here. `otherwise`: as of allowing.Allowed; `forges`: specs of Sources with one, None: not known here."""

    otherwise: Mapping[str, Any] | None = None
    forges: Sequence[Mapping[str, Any]] | None = None


class Kept(NamedTuple):
    """What FixBot keeps: its pull requests, what it does not propose, and answers of models; as `ports.Reads` has them."""

    rows: Sequence[Mapping[str, Any]] = ()
    waits: Sequence[Mapping[str, Any]] = ()
    answers: Sequence[Mapping[str, Any]] = ()


class Standing(NamedTuple):
    """`state`: open, handed_over, snoozed, capped, manual, refused, off or unseen; `why` in a sentence; `url` of what is there."""

    state: str
    why: str
    url: str | None = None


async def kept(reads: "ports.Reads") -> Kept:
    """What FixBot keeps."""
    return Kept(await reads.proposals(), await reads.fix_waits(), await reads.fix_answers())


def otherwise(chosen: "settings.Settings") -> Mapping[str, Any] | None:
    """What counts where a project says nothing: of an embedded installation its wbx.toml."""
    if not chosen.embedded or chosen.fixbot_enabled is None:
        return None
    return {"enabled": chosen.fixbot_enabled, "rules": chosen.fixbot_rules}


def of(
    scene: scenes.Scene,
    item: findings.Finding,
    made: proposal.Proposal | None,
    ground: Ground,
    known: Kept,
) -> Standing:
    """Of one finding."""
    names = {item.fingerprint, *([made.fingerprint] if made else [])}
    for row in known.rows:
        if row["state"] in _LIVING and names & set(_causes(row)):
            return _proposed(row)
    if not item.edits:
        return Standing("manual", "a person must mend it")
    if made is not None and made.refusal:
        return Standing("refused", made.refusal)
    for wait in known.waits:
        if wait["fingerprint"] in names:
            return Standing(wait["state"], wait["why"])
    return _unseen(scene, item, ground)


def _causes(row: Mapping[str, Any]) -> list[str]:
    found = row["document"].get("findings")
    told = found if isinstance(found, list) else []
    return [row["fingerprint"], *(str(each.get("fingerprint")) for each in told)]


def _proposed(row: Mapping[str, Any]) -> Standing:
    url = row["url"]
    if row["state"] == "open":
        said = f"is open at {url}" if url else "is being opened"
    elif row["state"] == "handed_over":
        said = f"is somebody's who pushed to it: {url}"
    else:
        until = row["snoozed_until"]
        said = f"is snoozed until {str(until)[:16]}Z" if until else "is snoozed"
    return Standing(row["state"], f"its pull request {said}", url)


def _unseen(scene: scenes.Scene, item: findings.Finding, ground: Ground) -> Standing:
    """Nobody proposed or noted it."""
    if item.project is not None and not _on(scene, item, ground.otherwise, ground):
        told = f"spec.fixbot of Project/{item.project} does not turn on the rule {item.rule}"
        return Standing("off", told)
    if ground.forges is None:
        return Standing("unseen", _LATER)
    if not ground.forges:
        return Standing("off", "FixBot proposes to Sources with spec.forge, and there is none here")
    cluster = [spec.get("fixbot", ground.otherwise) for spec in ground.forges]
    if item.project is None and not any(_on(scene, item, said, ground) for said in cluster):
        return Standing("off", f"spec.fixbot of no Source turns on the rule {item.rule}")
    return Standing("unseen", _LATER)


def _on(scene: scenes.Scene, item: findings.Finding, cluster: Any, ground: Ground) -> bool:
    return allowing.Allowed(cluster, ground.otherwise).may(scene, item)
